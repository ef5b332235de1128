//! `response_mode=form_post` (OAuth 2.0 Form Post Response Mode).

use crate::support::app::{ISSUER, TestApp};
use crate::support::relying_party::{Parameters, STATE, Tokens};

fn with_mode(request: &Parameters) -> Parameters {
    request.clone().with("response_mode", "form_post")
}

#[tokio::test]
async fn the_code_comes_in_a_form_that_leads_to_the_client_alone() {
    let app = TestApp::new().await;
    let standard = app.standard();
    let mut browser = app.browser();
    let tx = browser.begin(&with_mode(&standard.request()).authorize()).await;
    let answer = browser.fly(&tx, "leo").await;
    let (action, fields) = answer.posted();
    assert_eq!(action, standard.redirect);
    assert_eq!(fields.keys().collect::<Vec<_>>(), ["code", "iss", "state"]);
    assert_eq!((fields["state"].as_str(), fields["iss"].as_str()), (STATE, ISSUER));
    Tokens::of(&standard.redeem(&fields["code"]).await);
    let policy = answer.header("content-security-policy");
    assert!(policy.ends_with("form-action https://rp.test"), "{policy}");
    assert!(policy.contains("script-src 'self'") && !policy.contains("unsafe"), "{policy}");
    assert_eq!(answer.header("cache-control"), "no-store");
    assert!(browser.cookies.keys().all(|name| !name.contains("fb_tx_")), "the sign-in is over");
    let again = browser.get(&with_mode(&standard.request()).authorize()).await;
    assert!(again.posted().1.contains_key("code"), "with the session at once");
}

#[tokio::test]
async fn the_page_sends_itself_by_a_script_of_ours() {
    let app = TestApp::new().await;
    let request = with_mode(&app.standard().request()).with("prompt", "none");
    let answer = app.browser().get(&request.authorize()).await;
    let html = answer.text();
    let script = html.split_once("<script src=\"").unwrap().1.split_once('"').unwrap().0;
    let script = app.browser().get(script).await;
    assert_eq!(script.status, 200);
    assert!(script.text().contains("getElementById(\"form-post\")?.submit()"));
}

#[tokio::test]
async fn errors_and_state_come_the_same_way_byte_for_byte() {
    let app = TestApp::new().await;
    let standard = app.standard();
    let odd = "a\"b<script>&amp;'\u{1f980} +%41:fly";
    let request = with_mode(&standard.request()).with("prompt", "none").with("state", odd);
    let (action, fields) = app.browser().get(&request.authorize()).await.posted();
    assert_eq!(action, standard.redirect);
    assert_eq!(fields["error"], "login_required");
    assert_eq!((fields["state"].as_str(), fields["iss"].as_str()), (odd, ISSUER));
    let request = with_mode(&standard.request()).with("scope", "profile");
    assert_eq!(app.browser().get(&request.authorize()).await.posted().1["error"], "invalid_scope");
    // Said no at Fly.io.
    let mut browser = app.browser();
    let tx = browser.begin(&with_mode(&standard.request()).authorize()).await;
    let asked = browser.leave_for_fly(&tx).await;
    let back = browser.at_fly(&asked, "leo", "deny").await;
    assert_eq!(browser.get(&back).await.posted().1["error"], "access_denied");
}

#[tokio::test]
async fn what_the_client_has_not_registered_is_posted_nowhere() {
    let app = TestApp::new().await;
    let request = with_mode(&app.standard().request()).with("redirect_uri", "https://rp.test/other");
    let answer = app.browser().get(&request.authorize()).await;
    assert_eq!((answer.status.as_u16(), answer.shows("form-post")), (400, false), "{}", answer.said());
}
