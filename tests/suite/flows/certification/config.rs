//! `oidcc-config-certification-test-plan`

use serde_json::{Value, json};

use super::suite::{Mode, Suite};
use crate::support::app::ISSUER;

fn list(document: &Value, name: &str) -> Vec<Value> {
    document[name].as_array().unwrap_or_else(|| panic!("{name} in {document}")).clone()
}

#[tokio::test]
async fn oidcc_discovery_endpoint_verification() {
    let mut suite = Suite::new(Mode::Query).await;
    let answer = suite.browser.get("/.well-known/openid-configuration").await;
    assert_eq!((answer.status.as_u16(), answer.header("content-type")), (200, "application/json"));
    let document = answer.json();
    assert_eq!(document["issuer"], ISSUER, "the address of the document without its well-known part");
    for (name, must) in [
        ("response_types_supported", "code"),
        ("subject_types_supported", "public"),
        ("id_token_signing_alg_values_supported", "RS256"),
        ("grant_types_supported", "authorization_code"),
        ("scopes_supported", "openid"),
        ("claims_supported", "sub"),
        ("token_endpoint_auth_methods_supported", "client_secret_basic"),
    ] {
        assert!(list(&document, name).contains(&json!(must)), "{name} in {document}");
    }
    for name in ["authorization_endpoint", "token_endpoint", "userinfo_endpoint", "jwks_uri"] {
        assert!(document[name].is_string(), "{name} in {document}");
    }
    for name in ["request_parameter_supported", "request_uri_parameter_supported", "claims_parameter_supported"] {
        assert!(document[name].is_boolean(), "the default of one of them is true: {name} in {document}");
    }
    check_members(&document);
}

/// Nothing is empty, and every address is under the issuer.
fn check_members(document: &Value) {
    for (name, value) in document.as_object().unwrap() {
        if name.ends_with("_endpoint") || name == "jwks_uri" {
            let address = value.as_str().unwrap();
            assert!(address.starts_with("https://") && address.starts_with(ISSUER), "{name}: {address}");
        }
        assert!(!value.is_null() && *value != json!(""), "{name}");
        if let Some(values) = value.as_array() {
            assert!(!values.is_empty() && values.iter().all(Value::is_string), "{name}: {value}");
        }
    }
}

/// The keys that the same module fetches: each with a `kid` of its own, and no part of one that is secret.
#[tokio::test]
async fn oidcc_discovery_endpoint_verification_of_the_keys() {
    let mut suite = Suite::new(Mode::Query).await;
    let address = suite.discovery().await["jwks_uri"].as_str().unwrap().to_owned();
    let answer = suite.browser.get(&address).await;
    assert_eq!(answer.status, 200);
    let set = answer.json();
    let keys = set["keys"].as_array().unwrap();
    let mut kids: Vec<&str> = keys.iter().map(|key| key["kid"].as_str().unwrap()).collect();
    kids.sort_unstable();
    kids.dedup();
    assert!(!keys.is_empty() && kids.len() == keys.len(), "{set}");
    for key in keys {
        assert!(["RSA", "EC"].contains(&key["kty"].as_str().unwrap()), "{key}");
        for secret in ["d", "p", "q", "dp", "dq", "qi", "oth", "k"] {
            assert!(key.get(secret).is_none(), "{secret}");
        }
    }
    let parsed: jsonwebtoken::jwk::JwkSet = serde_json::from_value(set.clone()).unwrap();
    for key in &parsed.keys {
        jsonwebtoken::DecodingKey::from_jwk(key).unwrap();
    }
}
