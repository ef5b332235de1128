//! Access tokens as JWTs (RFC 9068): what stands in them, who reads them, and that here they are looked up all the same.

use std::time::Duration;

use aws_lc_rs::digest;
use axum::body::Body;
use axum::http::Request;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::jwk::JwkSet;
use jsonwebtoken::{DecodingKey, Validation, decode, decode_header};
use serde_json::{Value, json};

use super::{hold, ring_without};
use crate::support::app::{ISSUER, Options, TestApp};
use crate::support::browser_client::send;
use crate::support::relying_party::{Rp, Tokens, refused};

/// ES256, for a service elsewhere.
const FOR_A_SERVICE: &str = r#"
[[clients]]
id = "service"
name = "Grafana"
algorithm = "ES256"
access_token_format = "jwt"
access_token_audience = "https://api.example.com"
secret = "the secret of service"
redirect_uris = ["https://rp.test/cb"]
"#;

fn jwt(app: &TestApp) -> Rp {
    Rp::new(app, "jwt")
}

fn part(token: &str, index: usize) -> Value {
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(token.split('.').nth(index).unwrap()).unwrap()).unwrap()
}

/// What a service that knows nothing but the published keys makes of a token; its time is not looked at.
async fn read_elsewhere(app: &TestApp, token: &str, audience: &str) -> Option<Value> {
    let set = send(&app.router, Request::get("/oauth/jwks").body(Body::empty()).unwrap()).await;
    let set: JwkSet = serde_json::from_slice(&set.body).unwrap();
    let header = decode_header(token).ok()?;
    assert_eq!(header.typ.as_deref(), Some("at+jwt"));
    let key = DecodingKey::from_jwk(set.find(header.kid.as_deref()?)?).ok()?;
    let mut validation = Validation::new(header.alg);
    validation.validate_exp = false;
    validation.set_issuer(&[ISSUER]);
    validation.set_audience(&[audience]);
    Some(decode::<Value>(token, &key, &validation).ok()?.claims)
}

async fn is_active(client: &Rp, token: &str) -> bool {
    client.introspect(token).await.json()["active"].as_bool().unwrap()
}

#[tokio::test]
async fn what_stands_in_it() {
    let app = TestApp::new().await;
    let client = jwt(&app);
    let code = client.code(&mut app.browser(), "ines").await;
    app.advance(Duration::from_secs(5));
    let tokens = Tokens::of(&client.redeem(&code).await);
    let header = part(&tokens.access, 0);
    assert_eq!((&header["typ"], &header["alg"]), (&json!("at+jwt"), &json!("RS256")));
    let mut claims = read_elsewhere(&app, &tokens.access, ISSUER).await.unwrap();
    let jti = claims.as_object_mut().unwrap().remove("jti").unwrap();
    assert_eq!(
        claims,
        json!({
            "iss": ISSUER,
            "sub": app.user("ines").await.id.as_str(),
            "aud": ISSUER,
            "iat": 1_800_000_005,
            "exp": 1_800_003_605,
            "client_id": "jwt",
            "scope": "openid profile email offline_access organizations",
            "auth_time": 1_800_000_000,
            "acr": format!("{ISSUER}/acr/fly"),
        })
    );
    assert_eq!(client.userinfo(jti.as_str().unwrap()).await.status, 401, "its name is no token");
    let hash = digest::digest(&digest::SHA256, tokens.access.as_bytes());
    assert_eq!(tokens.claims()["at_hash"], URL_SAFE_NO_PAD.encode(&hash.as_ref()[..16]));
    assert_eq!(tokens.json["expires_in"], 3_600);
    let kept = format!("{:?}", app.dump().named(""));
    assert!(kept.contains("at.") && !kept.contains(&tokens.access), "it is not kept");
}

#[tokio::test]
async fn it_is_signed_as_the_client_wants_it_and_meant_for_the_service_it_names() {
    let app = TestApp::with(Options { config: FOR_A_SERVICE.to_owned(), ..Options::default() }).await;
    let client = Rp::new(&app, "service");
    let tokens = client.tokens(&mut app.browser(), "leo").await;
    assert_eq!(part(&tokens.access, 0)["alg"], "ES256");
    let there = read_elsewhere(&app, &tokens.access, "https://api.example.com").await.unwrap();
    assert_eq!(there["aud"], json!(["https://api.example.com", ISSUER]));
    assert_eq!(read_elsewhere(&app, &tokens.access, "https://api.example.com/").await, None);
    assert_eq!(client.userinfo(&tokens.access).await.status, 200);
}

#[tokio::test]
async fn every_endpoint_takes_it_like_an_opaque_one() {
    let app = TestApp::new().await;
    let client = jwt(&app);
    let tokens = client.tokens(&mut app.browser(), "leo").await;
    let subject = &tokens.claims()["sub"];
    assert_eq!(&client.userinfo(&tokens.access).await.json()["sub"], subject);
    assert_eq!(client.info(&tokens.access).await.json()["application"]["uid"], "jwt");
    let told = client.introspect(&tokens.access).await.json();
    assert_eq!((&told["active"], &told["sub"], &told["client_id"]), (&json!(true), subject, &json!("jwt")));
    assert_eq!(told["token_type"], "Bearer");
    assert!(!is_active(&app.standard(), &tokens.access).await, "another client's");
    refused(&app.standard().give_back(&tokens.access).await, 400, "invalid_grant");
    assert_eq!(client.give_back(&tokens.access).await.status, 200);
    assert_eq!(client.userinfo(&tokens.access).await.status, 401);
    assert!(!is_active(&client, &tokens.access).await);
    assert_eq!(client.give_back(&tokens.access).await.status, 200, "as often as one likes");
    Tokens::of(&client.refresh(tokens.refresh()).await);
}

#[tokio::test]
async fn here_it_is_dead_with_its_grant_though_it_reads_well_elsewhere() {
    let app = TestApp::new().await;
    let client = jwt(&app);
    let (given_back, left) =
        (client.tokens(&mut app.browser(), "leo").await, client.tokens(&mut app.browser(), "leo").await);
    assert_eq!(client.give_back(given_back.refresh()).await.status, 200);
    assert_eq!(client.userinfo(&left.access).await.status, 200);
    app.leave().await;
    for tokens in [&given_back, &left] {
        assert_eq!(client.userinfo(&tokens.access).await.status, 401);
        assert_eq!(client.info(&tokens.access).await.status, 401);
        assert!(!is_active(&client, &tokens.access).await);
        assert!(read_elsewhere(&app, &tokens.access, ISSUER).await.is_some(), "until its exp");
    }
    app.leave_jobs();
}

#[tokio::test]
async fn it_lives_an_hour() {
    let app = TestApp::new().await;
    let client = jwt(&app);
    let tokens = client.tokens(&mut app.browser(), "ines").await;
    app.advance(Duration::from_secs(3_599));
    assert_eq!(client.userinfo(&tokens.access).await.status, 200);
    app.advance(Duration::from_secs(1));
    assert_eq!(client.userinfo(&tokens.access).await.status, 401);
}

#[tokio::test]
async fn a_lost_answer_is_given_again_and_works() {
    let app = TestApp::new().await;
    let client = jwt(&app);
    let first = client.tokens(&mut app.browser(), "leo").await;
    let second = Tokens::of(&client.refresh(first.refresh()).await);
    assert_ne!(part(&first.access, 1)["jti"], part(&second.access, 1)["jti"]);
    app.advance(Duration::from_secs(20));
    let again = Tokens::of(&client.refresh(first.refresh()).await);
    assert_eq!(part(&again.access, 1), part(&second.access, 1), "the same token, which lives no longer");
    assert_eq!((&again.json["expires_in"], again.refresh()), (&json!(3_580), second.refresh()));
    for tokens in [&second, &again] {
        assert_eq!(client.userinfo(&tokens.access).await.status, 200);
    }
    assert_eq!(client.give_back(&again.access).await.status, 200);
    assert_eq!(client.userinfo(&second.access).await.status, 401, "it is the same");
}

#[tokio::test]
async fn a_narrower_scope_stands_in_it() {
    let app = TestApp::new().await;
    let client = jwt(&app);
    let tokens = client.tokens(&mut app.browser(), "leo").await;
    let narrower = Rp::refreshment(tokens.refresh()).and("scope", "email offline_access");
    let tokens = Tokens::of(&client.token(narrower).await);
    assert_eq!(part(&tokens.access, 1)["scope"], "email offline_access");
    refused(&client.userinfo(&tokens.access).await, 403, "insufficient_scope");
}

#[tokio::test]
async fn tokens_of_another_kind_are_worth_nothing_as_one() {
    let app = TestApp::new().await;
    let client = jwt(&app);
    let mut browser = app.browser();
    let tokens = client.tokens(&mut browser, "leo").await;
    let id_token = tokens.id.as_deref().unwrap();
    assert_eq!(client.userinfo(id_token).await.status, 401);
    assert!(!is_active(&client, id_token).await);
    refused(&client.redeem(&tokens.access).await, 400, "invalid_grant");
    refused(&client.refresh(&tokens.access).await, 400, "invalid_grant");
    let hinted = client.request().with("prompt", "none").and("id_token_hint", &tokens.access);
    assert_eq!(browser.get(&hinted.authorize()).await.sent_back()["error"], "invalid_request");
}

/// Sentry's Fly provider gets no `id_token`, so it does without a key as long as its access tokens are opaque.
#[tokio::test]
async fn while_there_is_no_key_to_sign_with_nothing_is_used_up() {
    const FLY: &str = r#"
[[clients]]
id = "sentry-jwt"
name = "Sentry"
preset = "sentry-fly"
token_auth = "client_secret_basic"
access_token_format = "jwt"
secret = "the secret of sentry-jwt"
redirect_uris = ["https://rp.test/cb"]
"#;
    let app = TestApp::with(Options { config: FLY.to_owned(), ..Options::default() }).await;
    let client = Rp::new(&app, "sentry-jwt");
    let request = client.request().with("scope", "read");
    let code = client.code_for(&mut app.browser(), &request, "ines").await;
    let before = ring_without(&app, "RS256").await;
    refused(&client.redeem(&code).await, 500, "server_error");
    hold(&app, &before).await;
    let tokens = Tokens::of(&client.redeem(&code).await);
    assert_eq!((tokens.id, part(&tokens.access, 1)["scope"].as_str()), (None, Some("read")));
}
