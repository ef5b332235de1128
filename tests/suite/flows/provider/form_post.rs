//! `response_mode=form_post` (OAuth 2.0 Form Post Response Mode).

use std::collections::BTreeMap;

use crate::support::answer::Answer;
use crate::support::app::{ISSUER, TestApp};
use crate::support::relying_party::{Parameters, STATE, Tokens};

/// Text of an attribute or element as a browser reads it.
fn unescaped(html: &str) -> String {
    let entities = [("&#60;", "<"), ("&#62;", ">"), ("&#34;", "\""), ("&#39;", "'"), ("&#38;", "&")];
    entities.iter().fold(html.to_owned(), |text, (entity, plain)| text.replace(entity, plain))
}

/// The fields that the browser posts, and where to.
#[track_caller]
fn posted(answer: &Answer) -> (String, BTreeMap<String, String>) {
    assert_eq!(answer.status, 200, "{}", answer.said());
    let html = answer.text();
    let form = html.split_once("<form id=\"form-post\"").unwrap().1.split_once("</form>").unwrap().0.to_owned();
    assert!(form.contains("method=\"post\"") && form.contains("<button"), "{form}");
    let action = form.split_once("action=\"").unwrap().1.split_once('"').unwrap().0;
    let mut fields = BTreeMap::new();
    for input in form.split("<input type=\"hidden\" name=\"").skip(1) {
        let (name, rest) = input.split_once("\" value=\"").unwrap();
        let value = rest.split_once("\">").unwrap().0;
        assert_eq!(fields.insert(name.to_owned(), unescaped(value)), None, "{name} once");
    }
    (unescaped(action), fields)
}

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
    let (action, fields) = posted(&answer);
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
    assert!(posted(&again).1.contains_key("code"), "with the session at once");
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
    let (action, fields) = posted(&app.browser().get(&request.authorize()).await);
    assert_eq!(action, standard.redirect);
    assert_eq!(fields["error"], "login_required");
    assert_eq!((fields["state"].as_str(), fields["iss"].as_str()), (odd, ISSUER));
    let request = with_mode(&standard.request()).with("scope", "profile");
    assert_eq!(posted(&app.browser().get(&request.authorize()).await).1["error"], "invalid_scope");
    // Said no at Fly.io.
    let mut browser = app.browser();
    let tx = browser.begin(&with_mode(&standard.request()).authorize()).await;
    let asked = browser.leave_for_fly(&tx).await;
    let back = browser.at_fly(&asked, "leo", "deny").await;
    assert_eq!(posted(&browser.get(&back).await).1["error"], "access_denied");
}

#[tokio::test]
async fn what_the_client_has_not_registered_is_posted_nowhere() {
    let app = TestApp::new().await;
    let request = with_mode(&app.standard().request()).with("redirect_uri", "https://rp.test/other");
    let answer = app.browser().get(&request.authorize()).await;
    assert_eq!((answer.status.as_u16(), answer.shows("form-post")), (400, false), "{}", answer.said());
}
