//! `oidcc-backchannel-rp-initiated-logout-certification-test-plan`

use jsonwebtoken::jwk::JwkSet;
use serde_json::json;

use super::suite::{CALLBACK, Mode, Suite, error, random};
use crate::support::app::ISSUER;
use crate::support::back_channel::Receiver;
use crate::support::relying_party::Parameters;

#[tokio::test]
async fn oidcc_backchannel_logout_discovery_endpoint_verification() {
    let mut suite = Suite::new(Mode::Query).await;
    let document = suite.discovery().await;
    assert_eq!(document["backchannel_logout_supported"], true, "Back-Channel Logout, section 2.1");
    assert_eq!(document["backchannel_logout_session_supported"], true, "a certification wants sid");
    for (name, value) in document.as_object().unwrap() {
        if name.ends_with("_endpoint") || name == "jwks_uri" {
            assert!(value.as_str().unwrap().starts_with("https://"), "{name}: {value}");
        }
    }
    assert_eq!(document["end_session_endpoint"], format!("{ISSUER}/oauth/logout"));
}

#[tokio::test]
async fn oidcc_backchannel_rp_initiated_logout() {
    let receiver = Receiver::start().await;
    let mut suite = Suite::hearing(&receiver).await;
    let client = suite.told();
    let done = suite.complete(&client, &suite.request(&client)).await;

    let (back, state) = (CALLBACK.replace("/callback", "/post_logout_redirect"), random(10));
    let asked = Parameters::of(&[
        ("id_token_hint", done.tokens.id.as_deref().unwrap()),
        ("post_logout_redirect_uri", &back),
        ("state", &state),
    ]);
    let answer = suite.browser.get(&format!("/oauth/logout?{}", asked.encode())).await;
    assert_eq!(answer.location(), format!("{back}?state={state}"), "the state and nothing else");
    suite.app.work().await;

    let heard = receiver.one();
    assert!(heard.head.starts_with("post /test/a/flybridge/backchannel_logout http/1.1\r\n"), "{}", heard.head);
    assert_eq!(heard.header("content-type"), "application/x-www-form-urlencoded");
    let keys: JwkSet = serde_json::from_slice(&suite.browser.get("/oauth/jwks").await.body).unwrap();
    let claims = heard.verified(&keys);
    assert_eq!((&claims["iss"], &claims["aud"]), (&json!(ISSUER), &json!(client.id)));
    let (now, seconds) = (suite.app.store.now().as_seconds(), |name: &str| claims[name].as_i64().unwrap());
    assert!(seconds("iat") <= now && now < seconds("exp"), "{claims}");
    assert!(!claims["jti"].as_str().unwrap().is_empty());
    assert_eq!(claims["events"], json!({ "http://schemas.openid.net/event/backchannel-logout": {} }));
    assert_eq!((&claims["sub"], &claims["sid"]), (&done.claims["sub"], &done.claims["sid"]), "as in the id_token");
    assert!(claims.get("nonce").is_none(), "{claims}");

    let silent = suite.at_once(&suite.request(&client).with("prompt", "none")).await;
    assert_eq!(error(&silent), "login_required", "the person is signed out");
}
