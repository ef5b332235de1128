//! `/set-up/now`: a password on the spot for somebody whom Fly.io has just proven.

use std::time::Duration;

use crate::support::app::{PASSWORD, TestApp};
use crate::support::browser_client::Browser;
use crate::support::relying_party::{STATE, Tokens};

const NO_ADDRESS: &str = "Fly.io gave us no address for you";

/// Somebody who was told that Fly.io no longer opens the organization; the browser and the transaction.
async fn told(app: &TestApp, who: &str) -> (Browser, String) {
    let mut browser = app.browser();
    let tx = browser.begin(&app.sentry().authorize()).await;
    assert_eq!(browser.fly(&tx, who).await.status, 403);
    (browser, tx)
}

#[tokio::test]
async fn a_member_without_a_password_sets_one_and_goes_straight_on() {
    let app = TestApp::new().await;
    app.leave().await;
    let unused = app.link_of("priya");
    let (mut browser, tx) = told(&app, "priya").await;
    let path = format!("/set-up/now?tx={tx}");
    let page = browser.get(&path).await;
    assert!(page.shows("setup-form"), "{}", page.said());
    assert_eq!(page.element("sign-in-address").unwrap(), app.address("priya"));
    let weak = browser.post_form(&path, &[("password", "passwordpassword")]).await;
    assert_eq!(weak.status, 422);
    let sent = browser.post_form(&path, &[("password", PASSWORD)]).await.sent_back();
    assert_eq!(sent["state"], STATE);
    let tokens = Tokens::of(&app.sentry().redeem(&sent["code"]).await);
    let info = app.sentry().info(&tokens.access).await.json();
    assert_eq!(info["user_id"], "q7m2x9k4v1w8z5t3");
    app.work().await;
    let mut late = app.browser();
    late.get(&unused).await;
    assert_eq!(late.get("/set-up").await.status, 410, "the link in the mail has done its work");
}

#[tokio::test]
async fn somebody_without_an_address_is_told_to_get_one_first() {
    let app = TestApp::new().await;
    app.leave().await;
    let mut noor = app.browser();
    let standard = app.standard();
    let tx = noor.begin(&standard.authorize()).await;
    let page = noor.fly(&tx, "noor").await;
    assert_eq!((page.status.as_u16(), page.heading().as_str()), (403, NO_ADDRESS), "{}", page.said());
    assert!(page.attributes("href").contains(&format!("/sign-in?tx={tx}")), "back into the same sign-in");
    // A password would be worth nothing: there would be no address to sign in with.
    let path = format!("/set-up/now?tx={tx}");
    noor.get("/forgot").await;
    let id = app.user("noor").await.id;
    let fields = [("password", PASSWORD), ("person", id.as_str())];
    for answer in [noor.get(&path).await, noor.post_form(&path, &fields).await] {
        assert_eq!((answer.status.as_u16(), answer.heading().as_str()), (403, NO_ADDRESS));
        assert!(answer.attributes("href").contains(&format!("/sign-in?tx={tx}")));
    }
    // Sentry cannot do without an address, whatever the organization.
    let sentrys = noor.begin(&app.sentry().request().with("prompt", "login").authorize()).await;
    let page = noor.fly(&sentrys, "noor").await;
    assert_eq!(page.heading(), NO_ADDRESS);
    assert!(page.attributes("href").contains(&format!("/sign-in?tx={sentrys}")));
    app.fly.change(|world| {
        let noor = world.people.iter_mut().find(|person| person.key == "noor").unwrap();
        noor.email = Some("noor@customer.fly.io".to_owned());
    });
    let tx = noor.begin("/sign-in").await;
    noor.fly(&tx, "noor").await;
    let tx = noor.begin(&standard.request().with("prompt", "login").authorize()).await;
    assert!(noor.fly(&tx, "noor").await.shows("set-password-now"));
    let path = format!("/set-up/now?tx={tx}");
    noor.get(&path).await;
    assert!(noor.post_form(&path, &[("password", PASSWORD)]).await.sent_back().contains_key("code"));
    app.work().await;
    app.browser().sign_in_with_password("noor@customer.fly.io", PASSWORD).await;
}

#[tokio::test]
async fn five_minutes_later_fly_is_asked_once_more() {
    let app = TestApp::new().await;
    app.leave().await;
    let (mut browser, tx) = told(&app, "priya").await;
    let path = format!("/set-up/now?tx={tx}");
    browser.get(&path).await;
    app.advance(Duration::from_mins(5));
    let before = app.dump();
    for answer in [browser.get(&path).await, browser.post_form(&path, &[("password", PASSWORD)]).await] {
        assert_eq!(answer.status, 403, "{}", answer.said());
        assert_eq!(answer.element("error-id").unwrap(), answer.header("x-request-id"));
    }
    assert_eq!(app.dump(), before);
}

#[tokio::test]
async fn never_for_somebody_who_has_a_password() {
    let app = TestApp::new().await;
    app.leave().await;
    let (mut browser, tx) = told(&app, "bram").await;
    let path = format!("/set-up/now?tx={tx}");
    assert_eq!(browser.get(&path).await.status, 409);
    let before = app.dump();
    let id = app.user("bram").await.id;
    let fields = [("password", PASSWORD), ("person", id.as_str())];
    let answer = browser.post_form(&path, &fields).await;
    assert_eq!((answer.status.as_u16(), answer.heading().as_str()), (409, "You have a password"));
    assert_eq!(app.dump(), before);
}

#[tokio::test]
async fn never_with_a_password_sign_in_or_none() {
    let app = TestApp::new().await;
    app.leave().await;
    let mut nobody = app.browser();
    nobody.get("/forgot").await;
    assert_eq!(nobody.get("/set-up/now").await.status, 403);
    assert_eq!(nobody.post_form("/set-up/now", &[("password", PASSWORD)]).await.status, 403);
    let mut priya = app.settle_in("priya").await;
    let before = app.dump();
    let id = app.user("priya").await.id;
    let another = [("password", "another lantern for the heron 7"), ("person", id.as_str())];
    for answer in [priya.get("/set-up/now").await, priya.post_form("/set-up/now", &another).await] {
        assert_eq!((answer.status.as_u16(), answer.heading().as_str()), (409, "You have a password"));
    }
    assert_eq!(app.dump(), before);
}

#[tokio::test]
async fn the_form_sets_no_password_of_somebody_who_has_signed_in_since() {
    let app = TestApp::new().await;
    app.leave().await;
    let (mut browser, tx) = told(&app, "priya").await;
    let path = format!("/set-up/now?tx={tx}");
    let named = browser.get(&path).await.hidden("person").unwrap();
    assert_eq!(named, app.user("priya").await.id.as_str());
    let fields = [("password", PASSWORD), ("person", &*named)];
    // One who has no password, and one who has.
    for other in ["jun", "bram"] {
        let theirs = browser.begin(&app.sentry().request().with("prompt", "login").authorize()).await;
        browser.fly(&theirs, other).await;
        let before = app.dump();
        let answer = browser.post_form(&path, &fields).await;
        let said = (answer.status.as_u16(), answer.heading());
        assert_eq!(said, (409, "This browser is now somebody else's".to_owned()), "{other}");
        assert!(answer.attributes("href").contains(&format!("/sign-in?tx={tx}")), "back into the same sign-in");
        assert_eq!(app.dump(), before, "{other}");
    }
    let again = browser.begin(&app.sentry().request().with("prompt", "login").authorize()).await;
    browser.fly(&again, "priya").await;
    assert!(browser.post_form(&path, &fields).await.sent_back().contains_key("code"));
    app.work().await;
    app.browser().sign_in_with_password(&app.address("priya"), PASSWORD).await;
}

#[tokio::test]
async fn going_back_to_the_form_after_saving_says_what_is_so() {
    let app = TestApp::new().await;
    app.leave().await;
    let (mut browser, tx) = told(&app, "priya").await;
    let path = format!("/set-up/now?tx={tx}");
    browser.get(&path).await;
    browser.post_form(&path, &[("password", PASSWORD)]).await.sent_back();
    app.work().await;
    let back = browser.get(&path).await;
    assert_eq!((back.status.as_u16(), back.heading().as_str()), (409, "You have a password"), "{}", back.said());
    assert!(back.text().contains("You have a password already"));
}

#[tokio::test]
async fn two_at_once_set_one_password() {
    let app = TestApp::new().await;
    app.leave().await;
    let (mut first, tx) = told(&app, "priya").await;
    let path = format!("/set-up/now?tx={tx}");
    first.get(&path).await;
    let mut second = first.clone();
    let (other, fields) = ("another lantern for the heron 7", [("password", PASSWORD)]);
    let other = [("password", other)];
    let (one, two) = tokio::join!(first.post_form(&path, &fields), second.post_form(&path, &other));
    let won = [&one, &two].iter().filter(|a| a.location().starts_with("https://sentry.test")).count();
    assert_eq!(won, 1, "{} and {}", one.said(), two.said());
    app.work().await;
}

#[tokio::test]
async fn not_while_every_organization_is_on_fly() {
    let app = TestApp::new().await;
    let mut browser = app.browser();
    browser.sign_in_with_fly("hana").await;
    assert_eq!(browser.get("/set-up/now").await.status, 409);
    browser.get("/forgot").await;
    let id = app.user("hana").await.id;
    let before = app.dump();
    let answer = browser.post_form("/set-up/now", &[("password", PASSWORD), ("person", id.as_str())]).await;
    assert_eq!((answer.status.as_u16(), answer.heading().as_str()), (409, "No password is needed"));
    assert_eq!(app.dump(), before);
}

#[tokio::test]
async fn later_by_mail_goes_to_the_address_that_fly_told() {
    let app = TestApp::new().await;
    app.leave().await;
    app.new_mails();
    let (mut browser, tx) = told(&app, "priya").await;
    let answer = browser.post_form(&format!("/set-up/renew?tx={tx}"), &[]).await;
    assert!(answer.element("forgot-sent").unwrap().contains(&app.address("priya")), "{}", answer.said());
    app.work().await;
    assert_eq!(app.mail_to("priya").link(), app.link_of("priya"));
    app.settle_in("priya").await;
}
