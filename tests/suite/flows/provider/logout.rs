//! `/oauth/logout`, with the modules of the certification plan for RP-initiated logout by their names.

use serde_json::json;

use crate::support::answer::Answer;
use crate::support::app::{ISSUER, TestApp};
use crate::support::browser_client::Browser;
use crate::support::relying_party::{Parameters, Tokens};

const BACK: &str = "https://rp.test/signed-out";

/// Leo, signed in at the standard client.
async fn signed_in(app: &TestApp) -> (Browser, Tokens) {
    let mut browser = app.browser();
    let tokens = app.standard().tokens(&mut browser, "leo").await;
    (browser, tokens)
}

fn logout(parameters: &[(&str, &str)]) -> String {
    format!("/oauth/logout?{}", Parameters::of(parameters).encode())
}

/// The person is asked, says yes, and is signed out; where that leads.
async fn asked_and_said_yes(browser: &mut Browser, answer: &Answer) -> String {
    assert!(answer.shows("logout-form"), "{}", answer.said());
    assert!(browser.is_signed_in().await, "a question changes nothing");
    let then = answer.text().split_once("name=\"then\" value=\"").map(|(_, rest)| {
        let (value, _) = rest.split_once('"').unwrap();
        value.to_owned()
    });
    let then = then.unwrap_or_default();
    let location = browser.post_form("/sign-out", &[("answer", "yes"), ("then", &then)]).await.location();
    assert!(!browser.is_signed_in().await);
    location
}

/// Our own page, and nobody is signed out.
async fn refused(browser: &mut Browser, parameters: &[(&str, &str)]) {
    let answer = browser.get(&logout(parameters)).await;
    assert_eq!(answer.status, 400, "{parameters:?}: {}", answer.said());
    assert_eq!(answer.element("error-id").as_deref(), Some(answer.header("x-request-id")));
    assert_eq!(answer.header("location"), "");
    assert!(browser.is_signed_in().await, "{parameters:?}");
}

#[tokio::test]
async fn oidcc_rp_initiated_logout_discovery_endpoint_verification() {
    let app = TestApp::new().await;
    let document = app.browser().get("/.well-known/openid-configuration").await.json();
    assert_eq!(document["end_session_endpoint"], json!(format!("{ISSUER}/oauth/logout")));
}

#[tokio::test]
async fn oidcc_rp_initiated_logout() {
    let app = TestApp::new().await;
    let (mut browser, tokens) = signed_in(&app).await;
    let hint = tokens.id.unwrap();
    let address = logout(&[("id_token_hint", &hint), ("post_logout_redirect_uri", BACK), ("state", "a b:c")]);
    assert_eq!(browser.get(&address).await.location(), format!("{BACK}?state=a+b%3Ac"));
    assert!(!browser.is_signed_in().await);
    assert_eq!(browser.get(&address).await.location(), format!("{BACK}?state=a+b%3Ac"), "signed out already");
    let silent = app.standard().request().with("prompt", "none").authorize();
    assert_eq!(browser.get(&silent).await.sent_back()["error"], "login_required");
}

#[tokio::test]
async fn the_same_by_post_from_another_site() {
    let app = TestApp::new().await;
    let (mut browser, tokens) = signed_in(&app).await;
    let fields = [("id_token_hint", tokens.id.as_deref().unwrap()), ("post_logout_redirect_uri", BACK)];
    let cross_site = [("sec-fetch-site", "cross-site"), ("origin", "https://rp.test")];
    let on = browser.post_bare("/oauth/logout", &fields, &cross_site).await.location();
    assert!(browser.is_signed_in().await, "it is the GET that follows which brings the cookies");
    assert_eq!(browser.get(&on).await.location(), BACK);
    assert!(!browser.is_signed_in().await);
}

#[tokio::test]
async fn a_post_that_brings_the_cookies_is_answered_at_once() {
    let app = TestApp::new().await;
    let (mut browser, tokens) = signed_in(&app).await;
    let fields = [("id_token_hint", tokens.id.as_deref().unwrap()), ("post_logout_redirect_uri", BACK)];
    let same_site = [("sec-fetch-site", "same-site"), ("origin", "https://rp.test")];
    let answer = browser.post_bare("/oauth/logout", &fields, &same_site).await;
    assert_eq!(answer.location(), BACK, "the id_token never stands in an address");
    assert!(!browser.is_signed_in().await);
}

#[tokio::test]
async fn a_post_from_elsewhere_too_long_for_an_address_signs_nobody_out_and_says_so() {
    let app = TestApp::new().await;
    let (mut browser, _) = signed_in(&app).await;
    let long = "s".repeat(20_000);
    let fields = [("client_id", "standard"), ("post_logout_redirect_uri", BACK), ("state", &long)];
    let cross_site = [("sec-fetch-site", "cross-site"), ("origin", "https://rp.test")];
    let answer = browser.post_bare("/oauth/logout", &fields, &cross_site).await;
    assert_eq!(answer.status, 400, "{}", answer.said());
    assert!(answer.text().contains("You are not signed out."), "{}", answer.said());
    assert!(browser.is_signed_in().await);
}

#[tokio::test]
async fn oidcc_rp_initiated_logout_bad_post_logout_redirect_uri() {
    let app = TestApp::new().await;
    let (mut browser, tokens) = signed_in(&app).await;
    let hint = tokens.id.unwrap();
    for uri in ["https://rp.test/elsewhere", "https://rp.test/signed-out/", "https://evil.test/", "", "x"] {
        if !uri.is_empty() {
            refused(&mut browser, &[("id_token_hint", &hint), ("post_logout_redirect_uri", uri)]).await;
        }
    }
}

#[tokio::test]
async fn oidcc_rp_initiated_logout_query_added_to_post_logout_redirect_uri() {
    let app = TestApp::new().await;
    let (mut browser, tokens) = signed_in(&app).await;
    let hint = tokens.id.unwrap();
    let uri = format!("{BACK}?foo=bar");
    refused(&mut browser, &[("id_token_hint", &hint), ("post_logout_redirect_uri", &uri)]).await;
}

#[tokio::test]
async fn oidcc_rp_initiated_logout_modified_id_token_hint() {
    let app = TestApp::new().await;
    let (mut browser, tokens) = signed_in(&app).await;
    let hint = tokens.id.unwrap();
    let (head, signature) = hint.rsplit_once('.').unwrap();
    let first = if signature.starts_with('A') { 'B' } else { 'A' };
    let modified = format!("{head}.{first}{}", &signature[1..]);
    refused(&mut browser, &[("id_token_hint", &modified), ("post_logout_redirect_uri", BACK)]).await;
}

#[tokio::test]
async fn oidcc_rp_initiated_logout_bad_id_token_hint() {
    let app = TestApp::new().await;
    let (mut browser, tokens) = signed_in(&app).await;
    for hint in ["x", "a.b.c", tokens.access.as_str()] {
        refused(&mut browser, &[("id_token_hint", hint), ("post_logout_redirect_uri", BACK)]).await;
    }
}

#[tokio::test]
async fn oidcc_rp_initiated_logout_no_id_token_hint() {
    let app = TestApp::new().await;
    let (mut browser, _) = signed_in(&app).await;
    refused(&mut browser, &[("post_logout_redirect_uri", BACK), ("state", "s")]).await;
    // With its name a client gets the person back, who is asked first.
    let address = logout(&[("client_id", "standard"), ("post_logout_redirect_uri", BACK), ("state", "s")]);
    let question = browser.get(&address).await;
    assert!(question.text().contains("asks us to sign you out"), "{}", question.said());
    assert_eq!(asked_and_said_yes(&mut browser, &question).await, format!("{BACK}?state=s"));
}

#[tokio::test]
async fn oidcc_rp_initiated_logout_no_params() {
    let app = TestApp::new().await;
    let (mut browser, _) = signed_in(&app).await;
    let question = browser.get("/oauth/logout").await;
    let location = asked_and_said_yes(&mut browser, &question).await;
    assert_eq!(location, "/signed-out");
    assert!(browser.get(&location).await.shows("signed-out"));
    assert_eq!(browser.get("/oauth/logout").await.location(), "/signed-out");
}

#[tokio::test]
async fn oidcc_rp_initiated_logout_no_post_logout_redirect_uri() {
    let app = TestApp::new().await;
    let (mut browser, tokens) = signed_in(&app).await;
    let address = logout(&[("id_token_hint", tokens.id.as_deref().unwrap()), ("state", "s")]);
    assert_eq!(browser.get(&address).await.location(), "/signed-out");
    assert!(!browser.is_signed_in().await);
}

#[tokio::test]
async fn oidcc_rp_initiated_logout_no_state() {
    let app = TestApp::new().await;
    let (mut browser, tokens) = signed_in(&app).await;
    let hint = tokens.id.unwrap();
    let address = logout(&[("id_token_hint", &hint), ("post_logout_redirect_uri", BACK)]);
    assert_eq!(browser.get(&address).await.location(), BACK);
}

#[tokio::test]
async fn oidcc_rp_initiated_logout_only_state() {
    let app = TestApp::new().await;
    let (mut browser, _) = signed_in(&app).await;
    let question = browser.get(&logout(&[("state", "s")])).await;
    assert_eq!(asked_and_said_yes(&mut browser, &question).await, "/signed-out", "and no state anywhere");
}

#[tokio::test]
async fn somebody_elses_sign_in_ends_nobodys_without_a_question() {
    let app = TestApp::new().await;
    let (_, tokens) = signed_in(&app).await;
    let mut ines = app.browser();
    ines.sign_in_with_fly("ines").await;
    let address = logout(&[("id_token_hint", tokens.id.as_deref().unwrap()), ("post_logout_redirect_uri", BACK)]);
    let question = ines.get(&address).await;
    assert_eq!(asked_and_said_yes(&mut ines, &question).await, BACK);
}

#[tokio::test]
async fn client_id_and_hint_must_be_of_one_client() {
    let app = TestApp::new().await;
    let (mut browser, tokens) = signed_in(&app).await;
    let hint = tokens.id.unwrap();
    refused(&mut browser, &[("id_token_hint", &hint), ("client_id", "sentry-oidc")]).await;
    refused(&mut browser, &[("client_id", "nobody"), ("post_logout_redirect_uri", BACK)]).await;
    let agreeing = logout(&[("id_token_hint", &hint), ("client_id", "standard")]);
    assert_eq!(browser.get(&agreeing).await.location(), "/signed-out");
}

#[tokio::test]
async fn a_forged_way_on_leads_nowhere() {
    let app = TestApp::new().await;
    let (mut browser, _) = signed_in(&app).await;
    for then in ["x", "AAAA", "https://evil.test/"] {
        browser.sign_in_with_fly("leo").await;
        browser.get("/sign-out").await;
        let answer = browser.post_form("/sign-out", &[("answer", "yes"), ("then", then)]).await;
        assert_eq!(answer.location(), "/signed-out");
    }
}

#[tokio::test]
async fn a_repeated_parameter_or_bytes_are_refused() {
    let app = TestApp::new().await;
    let (mut browser, tokens) = signed_in(&app).await;
    let hint = tokens.id.unwrap();
    refused(&mut browser, &[("id_token_hint", &hint), ("state", "a"), ("state", "b")]).await;
    for path in [format!("/oauth/logout?id_token_hint={hint}&state=%ff"), "/oauth/logout?%ff=x".to_owned()] {
        assert_eq!(browser.get(&path).await.status, 400, "{path}");
    }
    assert!(browser.is_signed_in().await);
}
