//! Profile 2 is told of sign-outs (OpenID Connect Back-Channel Logout 1.0, section 2.6), and believes only what is signed.

use axum::http::StatusCode;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use flybridge::demo::sentry::BACKCHANNEL_LOGOUT;
use flybridge::services::signing::Algorithm;
use serde_json::{Value, json};

use super::sentry_support::{Browser, Sentry, callback, jun, scripted, tokens};
use super::{Answer, post};
use crate::support::app::TestApp;

const NOW: i64 = 1_800_000_000;

/// Sentry, and a program whose keys stand for Flybridge's.
struct Scene {
    sentry: Sentry,
    flybridge: TestApp,
}

impl Scene {
    async fn new() -> Self {
        Self { sentry: Sentry::new().await, flybridge: TestApp::new().await }
    }

    fn discovery(&self) -> Value {
        let provider = &self.sentry.provider.url;
        json!({"issuer": provider, "authorization_endpoint": format!("{provider}/a"), "jwks_uri": format!("{provider}/k"),
               "token_endpoint": format!("{provider}/t"), "userinfo_endpoint": format!("{provider}/u")})
    }

    /// A browser in which somebody has signed in by profile 2, in this session.
    async fn signed_in(&self, sub: &str, sid: &str) -> Browser {
        let mut browser = self.sentry.browser();
        let provider = &self.sentry.provider;
        provider.will_answer([scripted(200, &self.discovery())]);
        let state = browser.begin("/login/oidc").await;
        let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
        let claims = json!({"sub": sub, "sid": sid, "email": "jun@customer.fly.io"});
        let mut answer = tokens(1);
        answer["id_token"] = json!(format!("{}.{}.x", part(&json!({"alg": "ES256"})), part(&claims)));
        let answers = [self.discovery(), answer, json!({"sub": sub, "name": "Jun Park"})];
        provider.will_answer(answers.iter().map(|answer| scripted(200, answer)));
        assert_eq!(browser.get(&callback("c0de", &state)).await.location_text(), "/");
        browser
    }

    fn claims(&self) -> Value {
        json!({"iss": self.sentry.provider.url, "aud": "sentry-oidc", "iat": NOW, "exp": NOW + 120, "jti": "j1",
               "sub": "sub-of-jun", "sid": "s1",
               "events": {"http://schemas.openid.net/event/backchannel-logout": {}}})
    }

    fn sign(&self, typ: &str, claims: &Value) -> String {
        self.flybridge.program.signing.sign(Algorithm::Es256, typ, claims).unwrap()
    }

    /// Sends a token, whose keys can be fetched.
    async fn send(&self, token: &str) -> Answer {
        let keys: Value = serde_json::from_slice(&self.flybridge.program.signing.jwks_json().body).unwrap();
        self.sentry.provider.will_answer([scripted(200, &self.discovery()), scripted(200, &keys)]);
        let answer = post(&self.sentry.router, BACKCHANNEL_LOGOUT, &[("logout_token", token)]).await;
        assert_eq!(answer.header("cache-control"), "no-store");
        answer
    }

    async fn tell(&self, claims: &Value) -> Answer {
        self.send(&self.sign("logout+jwt", claims)).await
    }
}

async fn is_signed_in(browser: &mut Browser) -> bool {
    browser.get("/").await.attribute("id=\"sentry-user\"", "data-sub").is_some()
}

#[tokio::test]
async fn the_session_that_is_named_ends_and_no_other() {
    let scene = Scene::new().await;
    let (mut one, mut two) = (scene.signed_in("sub-of-jun", "s1").await, scene.signed_in("sub-of-jun", "s2").await);
    let mut leo = scene.signed_in("sub-of-leo", "s3").await;
    let mut by_fly = scene.sentry.signed_in(&jun()).await;
    assert_eq!(scene.tell(&scene.claims()).await.status, StatusCode::OK);
    let home = one.get("/").await;
    assert!(
        home.text().contains("Flybridge signed you out") && home.text().contains("sentry-sign-in"),
        "and is told why"
    );
    assert!(is_signed_in(&mut two).await && is_signed_in(&mut leo).await);
    assert!(is_signed_in(&mut by_fly).await, "Sentry's Fly.io provider knows no such thing");

    let mut all = scene.claims();
    all["jti"] = json!("j2");
    all.as_object_mut().unwrap().remove("sid");
    assert_eq!(scene.tell(&all).await.status, StatusCode::OK);
    assert!(!is_signed_in(&mut two).await && is_signed_in(&mut leo).await, "without a session all of the person's");
    all["jti"] = json!("j3");
    assert_eq!(scene.tell(&all).await.status, StatusCode::OK, "nobody is left, which is as it should be");
}

#[tokio::test]
async fn what_is_not_a_logout_token_for_us_ends_nothing() {
    let scene = Scene::new().await;
    let mut browser = scene.signed_in("sub-of-jun", "s1").await;
    let wrong: [(&str, Value); 11] = [
        ("iss", json!("https://evil.example")),
        ("aud", json!("sentry-fly")),
        ("exp", json!(NOW)),
        ("iat", json!(NOW + 120)),
        ("events", json!({})),
        ("events", json!({"http://schemas.openid.net/event/backchannel-logout": true})),
        ("nonce", json!("n")),
        ("exp", Value::Null),
        ("iat", Value::Null),
        ("jti", Value::Null),
        ("events", Value::Null),
    ];
    for (name, value) in wrong {
        let mut claims = scene.claims();
        if value.is_null() {
            claims.as_object_mut().unwrap().remove(name);
        } else {
            claims[name] = value;
        }
        let answer = scene.tell(&claims).await;
        assert_eq!(
            (answer.status, answer.json()["error"].as_str()),
            (StatusCode::BAD_REQUEST, Some("invalid_request")),
            "{name}"
        );
    }
    let mut nobody = scene.claims();
    for name in ["sub", "sid"] {
        nobody.as_object_mut().unwrap().remove(name);
    }
    assert_eq!(scene.tell(&nobody).await.status, StatusCode::BAD_REQUEST);

    let good = scene.sign("logout+jwt", &scene.claims());
    let (head, signature) = good.rsplit_once('.').unwrap();
    let first = if signature.starts_with('A') { 'B' } else { 'A' };
    let unsigned = URL_SAFE_NO_PAD.encode(r#"{"typ":"logout+jwt","alg":"none"}"#);
    let forged = [
        scene.sign("JWT", &scene.claims()),
        format!("{head}.{first}{}", &signature[1..]),
        format!("{unsigned}.{}.", good.split('.').nth(1).unwrap()),
        "x".to_owned(),
    ];
    for token in forged {
        assert_eq!(scene.send(&token).await.status, StatusCode::BAD_REQUEST, "{token}");
    }
    let empty = post(&scene.sentry.router, BACKCHANNEL_LOGOUT, &[]).await;
    assert_eq!(empty.status, StatusCode::BAD_REQUEST);
    assert!(is_signed_in(&mut browser).await);
}

#[tokio::test]
async fn a_token_counts_once() {
    let scene = Scene::new().await;
    assert_eq!(scene.tell(&scene.claims()).await.status, StatusCode::OK);
    let mut browser = scene.signed_in("sub-of-jun", "s1").await;
    assert_eq!(scene.tell(&scene.claims()).await.status, StatusCode::BAD_REQUEST);
    assert!(is_signed_in(&mut browser).await);
}

#[tokio::test]
async fn without_keys_flybridge_is_asked_to_come_again() {
    let scene = Scene::new().await;
    let token = scene.sign("logout+jwt", &scene.claims());
    scene.sentry.provider.will_answer([scripted(503, &json!({}))]);
    let answer = post(&scene.sentry.router, BACKCHANNEL_LOGOUT, &[("logout_token", &token)]).await;
    assert_eq!(answer.status, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(scene.send(&token).await.status, StatusCode::OK, "the token is not used up");
}
