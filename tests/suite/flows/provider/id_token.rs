//! What stands in an `id_token`, and what does not.

use std::time::Duration;

use aws_lc_rs::digest;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};

use crate::support::app::{ISSUER, TestApp};
use crate::support::relying_party::{Rp, Tokens};

fn header_of(id_token: &str) -> Value {
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(id_token.split('.').next().unwrap()).unwrap()).unwrap()
}

fn names(object: &Value) -> Vec<&str> {
    object.as_object().unwrap().keys().map(String::as_str).collect()
}

#[tokio::test]
async fn the_claims_of_a_strict_client() {
    let app = TestApp::new().await;
    let mut browser = app.browser();
    let standard = app.standard();
    let request = standard.request().and("nonce", "n-0S6_WzA2Mj");
    let code = standard.code_for(&mut browser, &request, "ines").await;
    app.advance(Duration::from_secs(5));
    let tokens = Tokens::of(&standard.redeem(&code).await);
    let claims = tokens.claims();
    assert_eq!(names(&claims), ["amr", "at_hash", "aud", "exp", "iat", "iss", "nonce", "sid", "sub"]);
    assert_eq!(claims["iss"], ISSUER);
    assert_eq!(claims["aud"], "standard");
    assert_eq!(claims["sub"], app.user("ines").await.id.as_str());
    assert_eq!(claims["iat"], 1_800_000_005);
    assert_eq!(claims["exp"], 1_800_003_605);
    assert_eq!(claims["nonce"], "n-0S6_WzA2Mj");
    assert_eq!(claims["amr"], json!(["fed"]));
    let hash = digest::digest(&digest::SHA256, tokens.access.as_bytes());
    assert_eq!(claims["at_hash"], URL_SAFE_NO_PAD.encode(&hash.as_ref()[..16]));
}

#[tokio::test]
async fn the_header_names_the_key_and_brings_none() {
    let app = TestApp::new().await;
    for (id, algorithm) in [("standard", "RS256"), ("es256", "ES256")] {
        let mut browser = app.browser();
        let tokens = Rp::new(&app, id).tokens(&mut browser, "ines").await;
        let header = header_of(tokens.id.as_deref().unwrap());
        assert_eq!(names(&header), ["alg", "kid", "typ"], "no x5u, jku or jwk");
        assert_eq!(header["alg"], algorithm);
    }
}

#[tokio::test]
async fn sentrys_plug_in_finds_the_address_inside() {
    let app = TestApp::new().await;
    let mut browser = app.browser();
    let claims = app.sentry_oidc().tokens(&mut browser, "ines").await.claims();
    assert_eq!(claims["email"], app.address("ines"));
    assert_eq!(claims["email_verified"], true);
    assert!(claims.get("name").is_none(), "not asked for");
    assert!(claims.get("organizations").is_none(), "not asked for");
    assert!(claims.get("nonce").is_none(), "not sent");
}

#[tokio::test]
async fn organizations_are_a_scope_of_their_own() {
    let app = TestApp::new().await;
    let mut browser = app.browser();
    let oidc = app.sentry_oidc();
    let request = oidc.request().with("scope", "openid organizations");
    let code = oidc.code_for(&mut browser, &request, "jun").await;
    let claims = Tokens::of(&oidc.redeem(&code).await).claims();
    let mut organizations = claims["organizations"].as_array().unwrap().clone();
    organizations.sort_by_key(|o| o["slug"].as_str().unwrap().to_owned());
    let expected = [("harbour-tools", "Harbour Tools"), ("saltmarsh-labs", "Saltmarsh Labs")].map(
        |(slug, name)| json!({"id": app.organization(slug).as_str(), "slug": slug, "name": name, "role": "member"}),
    );
    assert_eq!(organizations, expected);
}

#[tokio::test]
async fn the_same_person_has_the_same_sub_at_every_client_and_another_person_another() {
    let app = TestApp::new().await;
    let mut subjects = Vec::new();
    for (id, who) in [("standard", "ines"), ("es256", "ines"), ("sentry-oidc", "ines"), ("standard", "priya")] {
        let mut browser = app.browser();
        subjects.push(Rp::new(&app, id).tokens(&mut browser, who).await.claims()["sub"].clone());
    }
    assert!(subjects[0] == subjects[1] && subjects[1] == subjects[2] && subjects[2] != subjects[3], "{subjects:?}");
    assert!(!subjects[0].as_str().unwrap().contains("9f2c41d07be84a35"), "not the id at Fly.io");
}
