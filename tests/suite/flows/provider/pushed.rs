//! Pushed authorization requests (RFC 9126).

use std::time::Duration;

use flybridge::services::clients::Registrations;
use futures_util::future::join_all;
use serde_json::json;

use super::authorize::{expect_page, expect_redirect};
use crate::clients::{operator, settings};
use crate::support::answer::Answer;
use crate::support::app::{ISSUER, Options, TestApp};
use crate::support::browser_client::Browser;
use crate::support::relying_party::{CHALLENGE, Parameters, Rp, STATE, Tokens, refused};

const URN: &str = "urn:ietf:params:oauth:request_uri:";

/// A client that hands over every request.
const PUSHING: &str = r#"
[[clients]]
id = "pushing"
name = "Grafana"
require_par = true
secret = "the secret of pushing"
redirect_uris = ["https://rp.test/cb"]
"#;

async fn pushed(client: &Rp) -> Parameters {
    client.pushed(&client.push(&client.request()).await)
}

/// Where somebody who is signed in is sent by a request that was handed over.
async fn arrive(browser: &mut Browser, pushed: &Parameters) -> Answer {
    browser.get(&pushed.authorize()).await
}

#[tokio::test]
async fn a_request_that_was_handed_over_signs_somebody_in() {
    let app = TestApp::new().await;
    for client in [app.standard(), app.sentry(), app.sentry_oidc()] {
        let answer = client.push(&client.request()).await;
        let json = answer.json();
        let uri = json["request_uri"].as_str().unwrap();
        assert_eq!(json, json!({"request_uri": uri, "expires_in": 90}));
        assert!(uri.strip_prefix(URN).is_some_and(|name| name.len() == 43), "256 bits: {uri}");
        assert_eq!((answer.status.as_u16(), answer.header("cache-control")), (201, "no-store"));
        let mut browser = app.browser();
        let tx = browser.begin(&client.pushed(&answer).authorize()).await;
        let sent = browser.fly(&tx, "leo").await.sent_back();
        assert_eq!((sent["state"].as_str(), sent["iss"].as_str()), (STATE, ISSUER));
        Tokens::of(&client.redeem(&sent["code"]).await);
    }
}

#[tokio::test]
async fn it_is_checked_at_once_like_any_other_and_told_in_json() {
    let app = TestApp::new().await;
    let standard = app.standard();
    let good = standard.request();
    let before = app.dump();
    let long = "s".repeat(3_000);
    for (request, status, error) in [
        (good.clone().without("response_type"), 400, "invalid_request"),
        (good.clone().with("response_type", "token"), 400, "unsupported_response_type"),
        (good.clone().with("scope", "email"), 400, "invalid_scope"),
        (good.clone().without("code_challenge"), 400, "invalid_request"),
        (good.clone().with("code_challenge_method", "plain"), 400, "invalid_request"),
        (good.clone().and("request", "x"), 400, "request_not_supported"),
        (good.clone().and("registration", "{}"), 400, "registration_not_supported"),
        (good.clone().and("prompt", "none login"), 400, "invalid_request"),
        (good.clone().and("max_age", "-1"), 400, "invalid_request"),
        (good.clone().and("id_token_hint", "x"), 400, "invalid_request"),
        (good.clone().and("response_mode", "fragment"), 400, "invalid_request"),
        (good.clone().and("state", "twice"), 400, "invalid_request"),
        (good.clone().without("redirect_uri"), 400, "invalid_request"),
        (good.clone().with("redirect_uri", "https://rp.test/cb/"), 400, "invalid_request"),
        (good.clone().with("redirect_uri", "https://evil.test/"), 400, "invalid_request"),
        (good.clone().with("client_id", "sentry"), 400, "invalid_request"),
        (good.clone().with("state", &long), 413, "invalid_request"),
        // The one that must not be there, whatever it names.
        (good.clone().and("request_uri", "https://rp.test/request"), 400, "invalid_request"),
        (good.clone().and("request_uri", &format!("{URN}x")), 400, "invalid_request"),
    ] {
        refused(&standard.push(&request).await, status, error);
    }
    // For a client whose denials stay here, too: nobody is there who could see a page.
    let sentry = app.sentry();
    refused(&sentry.push(&sentry.request().with("scope", "nonsense")).await, 400, "invalid_scope");
    assert_eq!(app.dump(), before);
    standard.pushed(&standard.push(&good.with("state", &"s".repeat(1_000))).await);
}

#[tokio::test]
async fn only_a_client_that_proves_itself_hands_anything_over() {
    let app = TestApp::new().await;
    let standard = app.standard();
    let stranger = app.standard().knowing("a wrong secret, for sure");
    let before = app.dump();
    let answer = stranger.push(&standard.request()).await;
    refused(&answer, 401, "invalid_client");
    assert!(answer.header("www-authenticate").starts_with("Basic "));
    refused(&standard.form_with("/oauth/par", &standard.request(), &[]).await, 401, "invalid_client");
    assert_eq!(app.dump_but_limits(), before);
}

#[tokio::test]
async fn what_stands_beside_its_name_counts_for_nothing() {
    let app = TestApp::new().await;
    let standard = app.standard();
    let mut browser = app.browser();
    browser.sign_in_with_fly("leo").await;
    let beside = pushed(&standard).await.and("state", "another").and("redirect_uri", "https://evil.test/");
    let beside = beside.and("response_type", "token").and("scope", "read").and("prompt", "login").and("nonce", "x");
    let answer = arrive(&mut browser, &beside.and("nonce", "y")).await;
    assert!(answer.location().starts_with("https://rp.test/cb?"), "{}", answer.location());
    let sent = answer.sent_back();
    assert_eq!(sent["state"], STATE);
    let tokens = Tokens::of(&standard.redeem(&sent["code"]).await);
    assert_eq!(tokens.claims().get("nonce"), None);
    assert!(tokens.json["scope"].as_str().unwrap().starts_with("openid "));
}

#[tokio::test]
async fn it_is_good_for_one_arrival_and_its_pages_can_be_loaded_again() {
    let app = TestApp::new().await;
    let standard = app.standard();
    let pushed = pushed(&standard).await;
    let mut browser = app.browser();
    let tx = browser.begin(&pushed.authorize()).await;
    expect_page(&app, &pushed).await;
    app.advance(Duration::from_mins(5));
    for _ in 0..2 {
        assert_eq!(browser.get(&format!("/sign-in?tx={tx}")).await.status, 200, "long after the name has run out");
    }
    assert!(browser.fly(&tx, "leo").await.sent_back().contains_key("code"));
    expect_page(&app, &pushed).await;
}

#[tokio::test]
async fn of_many_who_arrive_with_one_name_one_goes_on() {
    let app = TestApp::new().await;
    let standard = app.standard();
    let address = pushed(&standard).await.authorize();
    let mut browsers: Vec<Browser> = (0..8).map(|_| app.browser()).collect();
    let answers = join_all(browsers.iter_mut().map(|browser| browser.get(&address))).await;
    let went_on = answers.iter().filter(|answer| answer.status == 303).count();
    let refused = answers.iter().filter(|answer| answer.status == 400).count();
    assert_eq!((went_on, refused), (1, 7));
}

#[tokio::test]
async fn it_belongs_to_the_client_that_handed_it_over() {
    let app = TestApp::new().await;
    let standard = app.standard();
    let pushed = pushed(&standard).await;
    for other in ["es256", "sentry", "nobody"] {
        expect_page(&app, &pushed.clone().with("client_id", other)).await;
    }
    expect_page(&app, &pushed.clone().without("client_id")).await;
    expect_page(&app, &pushed.clone().and("client_id", "standard")).await;
    expect_page(&app, &pushed.clone().and("request_uri", pushed.value("request_uri").unwrap())).await;
    app.browser().begin(&pushed.authorize()).await;
}

#[tokio::test]
async fn a_client_that_is_registered_again_did_not_hand_it_over() {
    let app = TestApp::new().await;
    let registrations = Registrations::new(app.store.clone());
    let id = "newcomer".parse().unwrap();
    let added = registrations.add(settings("newcomer", &[]), &operator()).await.unwrap();
    app.program.app.clients.refresh().await.unwrap();
    let client = Rp::new(&app, "newcomer").knowing(added.1.unwrap().expose());
    let pushed = pushed(&client).await;
    registrations.remove(&id, &operator()).await.unwrap();
    registrations.add(settings("newcomer", &[]), &operator()).await.unwrap();
    app.program.app.clients.refresh().await.unwrap();
    expect_page(&app, &pushed).await;
}

#[tokio::test]
async fn a_name_that_is_unknown_or_has_run_out_is_a_page() {
    let app = TestApp::new().await;
    let standard = app.standard();
    let [early, late] = [pushed(&standard).await, pushed(&standard).await];
    for name in ["", "x", &"A".repeat(43), &"x".repeat(2_000), "../../x", "%00"] {
        let unknown = early.clone().with("request_uri", &format!("{URN}{name}"));
        // An address that could be redirected to stands beside it, and is not looked at.
        expect_page(&app, &unknown.and("redirect_uri", standard.redirect)).await;
    }
    app.advance(Duration::from_millis(89_999));
    app.browser().begin(&early.authorize()).await;
    app.advance(Duration::from_millis(1));
    expect_page(&app, &late).await;
    // What is no name of ours is a parameter that we do not support.
    let elsewhere = standard.request().and("request_uri", "https://rp.test/request");
    expect_redirect(&app, &elsewhere, "request_uri_not_supported").await;
}

#[tokio::test]
async fn who_is_signed_in_goes_on_at_once() {
    let app = TestApp::new().await;
    let standard = app.standard();
    let mut browser = app.browser();
    let silent = standard.request().and("prompt", "none");
    let nobody = arrive(&mut browser, &standard.pushed(&standard.push(&silent).await)).await;
    assert_eq!(nobody.sent_back()["error"], "login_required");
    browser.sign_in_with_fly("leo").await;
    let hint = standard.tokens(&mut app.browser(), "leo").await.id.unwrap();
    for request in [silent.clone(), silent.and("id_token_hint", &hint)] {
        let pushed = standard.pushed(&standard.push(&request).await);
        assert!(arrive(&mut browser, &pushed).await.sent_back().contains_key("code"));
    }
    let in_form = standard.pushed(&standard.push(&standard.request().and("response_mode", "form_post")).await);
    let (action, fields) = arrive(&mut browser, &in_form).await.posted();
    assert_eq!((action.as_str(), fields["state"].as_str()), ("https://rp.test/cb", STATE));
}

#[tokio::test]
async fn a_client_may_be_held_to_it() {
    let app = TestApp::with(Options { config: PUSHING.to_owned(), ..Options::default() }).await;
    let client = Rp::new(&app, "pushing");
    expect_redirect(&app, &client.request(), "invalid_request").await;
    let code = client.code_for(&mut app.browser(), &pushed(&client).await, "leo").await;
    Tokens::of(&client.redeem(&code).await);
}

#[tokio::test]
async fn the_store_keeps_neither_its_name_nor_a_secret() {
    let app = TestApp::new().await;
    let sentry = app.sentry_oidc();
    let request = sentry.request().and("code_challenge", CHALLENGE).and("code_challenge_method", "S256");
    let pushed = sentry.pushed(&sentry.push(&request).await);
    let name = pushed.value("request_uri").unwrap().strip_prefix(URN).unwrap();
    let dump = app.dump();
    let kept = format!("{:?}{:?}", dump.named(""), dump.keys().collect::<Vec<_>>());
    assert!(kept.contains("pushed/") && kept.contains(CHALLENGE), "it is there");
    assert!(!kept.contains(name) && !kept.contains(&sentry.secret));
    app.browser().begin(&pushed.authorize()).await;
    assert!(!app.dump().kinds().contains(&"pushed"), "and gone once the person has arrived");
}
