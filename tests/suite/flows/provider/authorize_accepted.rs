//! `/oauth/authorize`: what asks for nothing special, how long it may be, and the answer that a sign-in ends with.

use super::authorize::{expect_page, expect_redirect, expect_sign_in};
use crate::support::app::{ISSUER, TestApp};
use crate::support::browser_client::Browser;
use crate::support::relying_party::STATE;

#[tokio::test]
async fn max_age_negative_or_no_number_is_invalid_request() {
    let app = TestApp::new().await;
    for age in ["-1", "soon", "1.5", "99999999999999999999"] {
        expect_redirect(&app, &app.standard().request().with("max_age", age), "invalid_request").await;
    }
}

#[tokio::test]
async fn display_locales_acr_hints_and_claims_are_never_an_error() {
    let app = TestApp::new().await;
    let request = app.standard().request();
    let odd = request
        .and("display", "popup")
        .and("ui_locales", "de-CH de")
        .and("claims_locales", "fr")
        .and("acr_values", "urn:mace:incommon:iap:silver")
        .and("login_hint", "ines@saltmarsh.example");
    let long = format!(r#"{{"userinfo":{{"name":null}}}}{}"#, " ".repeat(4_096));
    let subject = r#"{"id_token":{"sub":{"value":"nobody we know"}}}"#;
    let acr = r#"{"id_token":{"acr":{"essential":true,"value":"urn:mace:incommon:iap:silver"}}}"#;
    for claims in [r#"{"userinfo":{"name":{"essential":true}}}"#, "{", "[]", "userinfo", subject, acr, &long] {
        expect_sign_in(&app, &odd.clone().and("claims", claims)).await;
    }
    expect_sign_in(&app, &app.sentry_oidc().request()).await;
}

#[tokio::test]
async fn success_is_a_303_with_the_exact_state_and_iss() {
    let app = TestApp::new().await;
    let states = [STATE, "a b+c%20&=\u{fc}:/?#", "%", "\u{1f980}", "<script>", &"s".repeat(1_000)];
    for state in states {
        let mut browser = app.browser();
        let request = app.sentry().request().with("state", state);
        let tx = browser.begin(&request.authorize()).await;
        let answer = browser.fly(&tx, "ines").await;
        let sent = answer.sent_back();
        assert_eq!(sent["state"], state);
        assert_eq!(sent["iss"], ISSUER);
        assert_eq!(sent.keys().collect::<Vec<_>>(), ["code", "iss", "state"]);
        assert_eq!(answer.header("cache-control"), "no-store");
        assert!(!answer.headers.contains_key("access-control-allow-origin"));
        assert!(answer.header("content-security-policy").contains("frame-ancestors 'none'"));
    }
}

#[tokio::test]
async fn no_state_sent_is_none_received() {
    let app = TestApp::new().await;
    let standard = app.standard();
    let mut browser = app.browser();
    let request = standard.request().without("state");
    let tx = browser.begin(&request.authorize()).await;
    let sent = browser.fly(&tx, "ines").await.sent_back();
    assert_eq!(sent.keys().collect::<Vec<_>>(), ["code", "iss"]);
}

#[tokio::test]
async fn a_registered_address_keeps_its_own_query() {
    let app = TestApp::new().await;
    let mut browser = app.browser();
    let request = app.standard().request().with("redirect_uri", "https://rp.test/cb2?keep=a%20b");
    let tx = browser.begin(&request.authorize()).await;
    let location = browser.fly(&tx, "ines").await.location();
    assert!(location.starts_with("https://rp.test/cb2?keep=a%20b&code="), "{location}");
}

#[tokio::test]
async fn a_request_too_long_to_keep_is_a_page() {
    let app = TestApp::new().await;
    expect_page(&app, &app.standard().request().with("state", &"s".repeat(5_000))).await;
}

#[tokio::test]
async fn nothing_is_stored_for_a_stranger() {
    let app = TestApp::new().await;
    let before = app.dump();
    let mut browser: Browser = app.browser();
    for _ in 0..8 {
        let tx = browser.begin(&app.sentry().authorize()).await;
        browser.get(&format!("/sign-in?tx={tx}")).await;
        browser.leave_for_fly(&tx).await;
    }
    assert_eq!(app.dump(), before);
}
