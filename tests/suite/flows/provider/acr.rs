//! The way of signing in as `acr` tells it, and clients that prefer or insist on one.

use std::time::Duration;

use flybridge::demo::world::BRAMS_PASSWORD;
use serde_json::{Value, json};

use crate::support::answer::Answer;
use crate::support::app::{ISSUER, PASSWORD, TestApp};
use crate::support::relying_party::{Parameters, Rp, STATE, Tokens};

const FLY: &str = "https://login.test/acr/fly";
const BY_PASSWORD: &str = "https://login.test/acr/password";

/// A request that asks for the acr in the `id_token` with `asked`.
fn request(rp: &Rp, asked: &Value) -> Parameters {
    rp.request().and("claims", &json!({"id_token": {"acr": asked}}).to_string())
}

/// A request that insists on one of `values`.
fn insisting(rp: &Rp, values: &[&str]) -> Parameters {
    request(rp, &json!({"essential": true, "values": values}))
}

async fn claims(rp: &Rp, answer: &Answer) -> Value {
    Tokens::of(&rp.redeem(&answer.sent_back()["code"]).await).claims()
}

#[track_caller]
fn denied(answer: &Answer, error: &str) {
    let sent = answer.sent_back();
    assert_eq!((sent["error"].as_str(), sent["state"].as_str()), (error, STATE));
    assert_eq!((sent["iss"].as_str(), sent.contains_key("code")), (ISSUER, false));
}

/// Jun's two organizations sign in each in its own way, and he has a password.
async fn jun_has_both(app: &TestApp) {
    app.leave().await;
    app.settle_in("jun").await;
}

#[tokio::test]
async fn whoever_asks_is_told_which_way_it_was() {
    let app = TestApp::new().await;
    app.leave().await;
    let standard = app.standard();
    let plain = standard.request();
    let cases = [
        (plain.clone(), None),
        (plain.clone().and("claims", &json!({"userinfo": {"acr": null}}).to_string()), None),
        (request(&standard, &json!(true)), None),
        (plain.clone().and("acr_values", "phr urn:mace:incommon:iap:silver"), Some(())),
        (plain.clone().and("acr_values", BY_PASSWORD), Some(())),
        (request(&standard, &Value::Null), Some(())),
        (request(&standard, &json!({"essential": true})), Some(())),
        (request(&standard, &json!({"values": [FLY, BY_PASSWORD]})), Some(())),
    ];
    for (request, asked) in cases {
        let mut browser = app.browser();
        let tx = browser.begin(&request.authorize()).await;
        let told = claims(&standard, &browser.fly(&tx, "hana").await).await;
        assert_eq!(told.get("acr"), asked.map(|()| json!(FLY)).as_ref(), "{request:?}");
        let mut browser = app.browser();
        let tx = browser.begin(&request.authorize()).await;
        let told = claims(&standard, &browser.password(&tx, &app.address("bram"), BRAMS_PASSWORD).await).await;
        assert_eq!(told.get("acr"), asked.map(|()| json!(BY_PASSWORD)).as_ref(), "{request:?}");
        assert_eq!(told["amr"], json!(["pwd"]));
    }
}

#[tokio::test]
async fn a_preference_that_is_not_met_costs_nobody_a_sign_in() {
    let app = TestApp::new().await;
    let standard = app.standard();
    let mut browser = app.browser();
    browser.sign_in_with_fly("ines").await;
    let preferences = [
        standard.request().and("acr_values", BY_PASSWORD),
        request(&standard, &json!({"value": BY_PASSWORD})),
        request(&standard, &json!({"essential": false, "values": ["phr"]})),
    ];
    for request in preferences {
        let answer = browser.get(&request.with("prompt", "none").authorize()).await;
        assert_eq!(claims(&standard, &answer).await["acr"], FLY);
    }
}

#[tokio::test]
async fn a_refreshed_id_token_keeps_the_acr() {
    let app = TestApp::new().await;
    let standard = app.standard();
    let request = standard.request().and("acr_values", "phr");
    let code = standard.code_for(&mut app.browser(), &request, "ines").await;
    let first = Tokens::of(&standard.redeem(&code).await);
    app.advance(Duration::from_hours(1));
    let second = Tokens::of(&standard.refresh(first.refresh()).await);
    let third = Rp::refreshment(second.refresh()).and("scope", "openid");
    let third = Tokens::of(&standard.token(third).await);
    for tokens in [first, second, third] {
        assert_eq!(tokens.claims()["acr"], FLY);
    }
}

#[tokio::test]
async fn a_session_of_the_way_insisted_on_will_do_and_one_of_another_will_not() {
    let app = TestApp::new().await;
    jun_has_both(&app).await;
    let standard = app.standard();
    let mut browser = app.browser();
    browser.sign_in_with_fly("jun").await;
    for values in [&[FLY][..], &["phr", BY_PASSWORD, FLY]] {
        let request = insisting(&standard, values).with("organization", "harbour-tools").with("prompt", "none");
        assert_eq!(claims(&standard, &browser.get(&request.authorize()).await).await["acr"], FLY);
    }
    let request = insisting(&standard, &[BY_PASSWORD]);
    denied(&browser.get(&request.clone().with("prompt", "none").authorize()).await, "login_required");
    let tx = browser.begin(&request.authorize()).await;
    let next = browser.get(&format!("/sign-in/next?tx={tx}")).await;
    assert_eq!(next.location(), format!("/sign-in?tx={tx}"), "nor on the way");
    // He is not asked which organization: the way into the other one is none that will do.
    let answer = browser.password(&tx, &app.address("jun"), PASSWORD).await;
    assert_eq!(claims(&standard, &answer).await["acr"], BY_PASSWORD);
}

#[tokio::test]
async fn signing_in_in_another_way_than_insisted_on_is_access_denied() {
    let app = TestApp::new().await;
    jun_has_both(&app).await;
    let standard = app.standard();
    let mut browser = app.browser();
    let tx = browser.begin(&insisting(&standard, &[BY_PASSWORD]).authorize()).await;
    denied(&browser.fly(&tx, "jun").await, "access_denied");
    assert!(browser.cookie(&format!("fb_tx_{tx}")).is_none(), "the sign-in is over");
    assert!(browser.is_signed_in().await, "and was one");

    let mut browser = app.browser();
    let one = request(&standard, &json!({"essential": true, "value": FLY}));
    let tx = browser.begin(&one.authorize()).await;
    denied(&browser.password(&tx, &app.address("bram"), BRAMS_PASSWORD).await, "access_denied");
}

#[tokio::test]
async fn a_way_that_there_is_not_is_access_denied_as_soon_as_somebody_is_signed_in() {
    let app = TestApp::new().await;
    let standard = app.standard();
    let mut browser = app.browser();
    let request = insisting(&standard, &["urn:mace:incommon:iap:silver", "https://elsewhere.test/acr/fly"]);
    denied(&browser.get(&request.clone().with("prompt", "none").authorize()).await, "login_required");
    let tx = browser.begin(&request.authorize()).await;
    denied(&browser.fly(&tx, "ines").await, "access_denied");
    denied(&browser.get(&request.authorize()).await, "access_denied");
    denied(&browser.get(&request.with("prompt", "none").authorize()).await, "access_denied");
}

#[tokio::test]
async fn sentry_is_not_sent_the_denial_and_the_sign_in_goes_on() {
    let app = TestApp::new().await;
    jun_has_both(&app).await;
    let sentry = app.sentry_oidc();
    let mut browser = app.browser();
    let tx = browser.begin(&insisting(&sentry, &[FLY]).authorize()).await;
    let page = browser.password(&tx, &app.address("jun"), PASSWORD).await;
    assert_eq!(page.status, 403, "{}", page.said());
    assert_eq!(page.heading(), "Another way of signing in is asked for");
    assert_eq!(page.element("error-id").unwrap(), page.header("x-request-id"));
    assert!(page.text().contains("You signed in with email and password, and Sentry insists on Fly.io."));
    assert!(page.attributes("href").contains(&format!("/sign-in?tx={tx}&all=1")), "a way on");
    let answer = browser.fly(&tx, "jun").await;
    assert!(answer.sent_back().contains_key("code"));

    let hopeless = insisting(&sentry, &["phr"]).authorize();
    let page = browser.get(&hopeless).await;
    assert_eq!(page.status, 400, "{}", page.said());
    assert!(page.text().contains("It insists on a way of signing in that we do not have."));
    let mut browser = app.browser();
    let tx = browser.begin(&hopeless).await;
    assert_eq!(browser.fly(&tx, "chloe").await.status, 403, "Fly.io no longer opens what she is asked about");
    let page = browser.fly(&tx, "jun").await;
    assert_eq!((page.status.as_u16(), page.element("error-id").is_some()), (400, true), "{}", page.said());
}

#[tokio::test]
async fn without_openid_nobody_insists_on_anything() {
    let app = TestApp::new().await;
    let sentry = app.sentry();
    let request = insisting(&sentry, &["phr"]).and("acr_values", FLY);
    let code = sentry.code_for(&mut app.browser(), &request, "ines").await;
    assert!(Tokens::of(&sentry.redeem(&code).await).id.is_none());
}
