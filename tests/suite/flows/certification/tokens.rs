//! The `id_token` and userinfo.

use axum::body::Body;
use axum::http::Request;
use serde_json::{Value, json};

use super::suite::{Done, Mode, Suite, userinfo};
use crate::support::answer::Answer;
use crate::support::browser_client::send;

/// Of a client that named no algorithm: RS256 (OIDC Core, section 15.1), with a `kid`.
pub(super) async fn idtoken_signature(mode: Mode) {
    let mut suite = Suite::new(mode).await;
    let client = suite.first();
    let done = suite.complete(&client, &suite.request(&client)).await;
    let header = jsonwebtoken::decode_header(done.tokens.id.as_deref().unwrap()).unwrap();
    assert_eq!(header.alg, jsonwebtoken::Algorithm::RS256);
    assert!(header.kid.is_some());
    assert!(header.jku.is_none() && header.jwk.is_none() && header.x5u.is_none() && header.x5c.is_none());
}

/// The suite leaves this module out where discovery does not list `none`, and so no client can have it.
pub(super) async fn idtoken_unsigned(mode: Mode) {
    let mut suite = Suite::new(mode).await;
    let listed = suite.discovery().await["id_token_signing_alg_values_supported"].clone();
    assert!(!listed.as_array().unwrap().contains(&json!("none")), "{listed}");
    let client = suite.first();
    let done = suite.complete(&client, &suite.request(&client)).await;
    let signature = done.tokens.id.as_deref().unwrap().rsplit_once('.').unwrap().1.to_owned();
    assert!(!signature.is_empty());
}

async fn signed_in(mode: Mode) -> (Suite, Done) {
    let mut suite = Suite::new(mode).await;
    let client = suite.first();
    let done = suite.complete(&client, &suite.request(&client)).await;
    (suite, done)
}

#[track_caller]
fn same_person(answer: &Answer, claims: &Value) {
    assert_eq!(userinfo(answer)["sub"], claims["sub"]);
}

pub(super) async fn userinfo_get(mode: Mode) {
    let (suite, done) = signed_in(mode).await;
    same_person(&suite.first().userinfo(&done.tokens.access).await, &done.claims);
}

pub(super) async fn userinfo_post_header(mode: Mode) {
    let (suite, done) = signed_in(mode).await;
    let request = Request::post("/oauth/userinfo").header("authorization", format!("Bearer {}", done.tokens.access));
    let form = Request::post("/oauth/userinfo")
        .header("authorization", format!("Bearer {}", done.tokens.access))
        .header("content-type", "application/x-www-form-urlencoded;charset=UTF-8");
    for request in [request, form] {
        same_person(&send(&suite.app.router, request.body(Body::empty()).unwrap()).await, &done.claims);
    }
}

pub(super) async fn userinfo_post_body(mode: Mode) {
    let (suite, done) = signed_in(mode).await;
    let request = Request::post("/oauth/userinfo").header("content-type", "application/x-www-form-urlencoded");
    let request = request.body(Body::from(format!("access_token={}", done.tokens.access))).unwrap();
    same_person(&send(&suite.app.router, request).await, &done.claims);
}
