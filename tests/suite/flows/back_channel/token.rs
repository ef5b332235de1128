//! What a client is sent.

use std::time::Duration;

use jsonwebtoken::jwk::JwkSet;
use serde_json::json;

use super::{Two, at_once, sid, sign_out};
use crate::support::app::ISSUER;
use crate::support::back_channel::Heard;

/// The claims, verified with the keys that everybody can fetch.
async fn verified(two: &Two, heard: &Heard) -> serde_json::Value {
    let keys: JwkSet = serde_json::from_slice(&two.app.browser().get("/oauth/jwks").await.body).unwrap();
    heard.verified(&keys)
}

#[tokio::test]
async fn every_client_of_the_session_gets_a_token_of_its_own_with_exactly_these_claims() {
    let two = Two::new().await;
    let (mut browser, _, sid) = two.signed_in("ines").await;
    at_once(&two.es256(), &mut browser).await;
    two.app.advance(Duration::from_secs(90));
    sign_out(&mut browser).await;
    two.app.work().await;
    let ines = two.id("ines").await;
    let mut names = Vec::new();
    for (id, algorithm, heard) in [("told-rs256", "RS256", two.rs.one()), ("told-es256", "ES256", two.es.one())] {
        let (jose, claims) = (heard.jose(), verified(&two, &heard).await);
        assert_eq!(jose, json!({ "typ": "logout+jwt", "alg": algorithm, "kid": jose["kid"] }));
        let expected = json!({
            "iss": ISSUER,
            "sub": ines.as_str(),
            "aud": id,
            "iat": 1_800_000_090,
            "exp": 1_800_000_210,
            "jti": claims["jti"],
            "sid": sid,
            "events": { "http://schemas.openid.net/event/backchannel-logout": {} },
        });
        assert_eq!(claims, expected, "nothing more, and no nonce");
        names.push(heard.claim("jti"));
        assert!(heard.head.starts_with("post /backchannel_logout http/1.1\r\n"), "{}", heard.head);
        assert_eq!(heard.header("content-type"), "application/x-www-form-urlencoded");
        assert_eq!((heard.header("cookie"), heard.header("authorization")), ("", ""));
    }
    assert!(names[0] != names[1] && names.iter().all(|jti| jti.len() == 26), "{names:?}");
}

#[tokio::test]
async fn a_logout_token_is_no_id_token() {
    let two = Two::new().await;
    let (mut browser, ..) = two.signed_in("ines").await;
    sign_out(&mut browser).await;
    two.app.work().await;
    let token = two.rs.one().token;
    browser.sign_in_with_fly("ines").await;
    let hinted = two.rs256().request().with("id_token_hint", &token).with("prompt", "none").authorize();
    assert_eq!(browser.get(&hinted).await.sent_back()["error"], "invalid_request");
    let asked = browser.get(&format!("/oauth/logout?id_token_hint={token}")).await;
    assert_eq!(asked.status, 400, "{}", asked.said());
    assert_eq!(two.rs256().userinfo(&token).await.status, 401);
}

#[tokio::test]
async fn a_job_holds_no_secret() {
    let two = Two::new().await;
    let (mut browser, tokens, sid) = two.signed_in("ines").await;
    let cookie = browser.cookie("fb_session").unwrap().value.clone();
    sign_out(&mut browser).await;
    let dump = two.app.dump();
    let jobs = dump.named("job/logout");
    assert_eq!(jobs.len(), 1, "{jobs:?}");
    let (name, value) = &jobs[0];
    assert!(name.starts_with("job/logout.told-rs256/"), "{name}");
    let job: serde_json::Value = serde_json::from_str(&value[1..]).unwrap();
    assert_eq!(job["payload"], json!({ "client": "told-rs256", "user": two.id("ines").await.as_str(), "sid": sid }));
    for secret in [cookie.as_str(), &cookie[cookie.len() - 20..], &tokens.access, tokens.refresh(), "eyJ"] {
        assert!(!value.contains(secret));
    }
    assert!(!cookie.contains(&sid), "the session's name is not its key");
    two.app.work().await;
}

#[tokio::test]
async fn the_session_is_named_in_every_id_token_that_comes_out_of_it() {
    let two = Two::new().await;
    let (mut browser, tokens, first) = two.signed_in("ines").await;
    assert_eq!(sid(&at_once(&two.es256(), &mut browser).await), first, "the same session at another client");
    assert_eq!(sid(&at_once(&two.app.standard(), &mut browser).await), first, "also where nobody wants to be told");
    two.app.advance(Duration::from_hours(1));
    let refreshed = crate::support::relying_party::Tokens::of(&two.rs256().refresh(tokens.refresh()).await);
    assert_eq!(sid(&refreshed), first);
    let (_, _, second) = two.signed_in("ines").await;
    assert_ne!(second, first, "another browser, another session");
    let (_, _, other) = two.signed_in("leo").await;
    assert!(other != first && other != second);
}
