//! Refresh tokens of two clients.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::json;

use super::suite::{Done, Mode, Suite, random};
use crate::support::relying_party::{Parameters, Rp, refused};

/// The suite's measure: so many bits by how often each character stands in the text.
fn bits(text: &str) -> f64 {
    let mut counts = BTreeMap::new();
    for byte in text.bytes() {
        *counts.entry(byte).or_insert(0_u32) += 1;
    }
    let length = f64::from(u32::try_from(text.len()).unwrap());
    counts.values().map(|count| f64::from(*count) * (length / f64::from(*count)).log2()).sum()
}

fn request(suite: &Suite, client: &Rp) -> Parameters {
    suite.request(client).with("scope", "openid offline_access").with("prompt", "consent")
}

/// A refresh, with what the suite compares (OIDC Core, section 12.2).
async fn refreshed(suite: &mut Suite, client: &Rp, first: &Done, scope: Option<&str>) -> Done {
    let token = first.tokens.refresh();
    assert!(token.bytes().all(|byte| (0x20..=0x7e).contains(&byte)), "RFC 6749, appendix A.17");
    suite.app.advance(Duration::from_secs(1));
    let asked = Rp::refreshment(token);
    let asked = scope.map_or(asked.clone(), |scope| asked.with("scope", scope));
    let answer = client.token(asked).await;
    let second = suite.finish(client, &Parameters(Vec::new()), &answer).await;
    for claim in ["iss", "sub", "aud"] {
        assert_eq!(first.claims[claim], second.claims[claim], "{claim}");
    }
    assert_eq!(first.claims.get("auth_time"), second.claims.get("auth_time"));
    assert_ne!(first.claims["iat"], second.claims["iat"]);
    assert_ne!(first.tokens.access, second.tokens.access);
    for text in [&second.tokens.access, second.tokens.refresh()] {
        assert!(bits(text) > 96.0, "{}", bits(text));
    }
    second
}

pub(super) async fn refresh_token(mode: Mode) {
    let mut suite = Suite::new(mode).await;
    let discovery = suite.discovery().await;
    for (list, name) in [("scopes_supported", "offline_access"), ("grant_types_supported", "refresh_token")] {
        assert!(discovery[list].as_array().unwrap().contains(&json!(name)), "{discovery}");
    }
    let (first, second) = (suite.first(), suite.second());
    let asked = request(&suite, &first);
    let done = suite.complete(&first, &asked).await;
    refreshed(&mut suite, &first, &done, Some("openid offline_access")).await;

    let asked = request(&suite, &second).with("nonce", &random(43));
    let done = suite.complete_at_once(&second, &asked).await;
    let done = refreshed(&mut suite, &second, &done, None).await;
    refused(&first.refresh(done.tokens.refresh()).await, 400, "invalid_grant");
}
