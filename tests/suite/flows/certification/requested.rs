//! What a request may ask for by name: single claims, and how the person is to sign in.

use serde_json::json;

use super::suite::{Mode, Suite};
use crate::support::app::ISSUER;

/// The name at userinfo, where it was asked for, and not in the `id_token`, where it was not (OIDC Core, section 5.5).
async fn claims_essential(mode: Mode) {
    let mut suite = Suite::new(mode).await;
    let client = suite.first();
    let claims = json!({"userinfo": {"name": {"essential": true}}}).to_string();
    let request = suite.request(&client).with("claims", &claims);
    let done = suite.complete(&client, &request).await;
    assert_eq!(done.userinfo, json!({"sub": done.claims["sub"], "name": "Leo Brandt"}));
    assert!(done.claims.get("name").is_none(), "{}", done.claims);
}

/// The suite asks for whatever discovery lists, and wants one of those in the `id_token`.
async fn ensure_request_with_acr_values_succeeds(mode: Mode) {
    let mut suite = Suite::new(mode).await;
    let discovery = suite.discovery().await;
    let listed: Vec<&str> =
        discovery["acr_values_supported"].as_array().unwrap().iter().map(|value| value.as_str().unwrap()).collect();
    let client = suite.first();
    let request = suite.request(&client).with("acr_values", &listed.join(" "));
    let done = suite.complete(&client, &request).await;
    let acr = done.claims["acr"].as_str().unwrap();
    assert!(listed.contains(&acr), "{acr}");
    assert_eq!(acr, format!("{ISSUER}/acr/fly"));
    assert!(discovery["claims_supported"].as_array().unwrap().contains(&json!("acr")), "{discovery}");
}

#[tokio::test]
async fn oidcc_claims_essential() {
    claims_essential(Mode::Query).await;
}

#[tokio::test]
async fn oidcc_ensure_request_with_acr_values_succeeds() {
    ensure_request_with_acr_values_succeeds(Mode::Query).await;
}

#[tokio::test]
async fn oidcc_formpost_claims_essential() {
    claims_essential(Mode::FormPost).await;
}

#[tokio::test]
async fn oidcc_formpost_ensure_request_with_acr_values_succeeds() {
    ensure_request_with_acr_values_succeeds(Mode::FormPost).await;
}
