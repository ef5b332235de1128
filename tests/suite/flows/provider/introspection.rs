//! `POST /oauth/introspect` (RFC 7662) and `POST /oauth/revoke` (RFC 7009).

use std::time::Duration;

use axum::body::Body;
use axum::http::Request;
use serde_json::{Value, json};

use crate::support::app::{ISSUER, START, TestApp};
use crate::support::browser_client::send;
use crate::support::relying_party::{Parameters, Rp, Tokens, refused};

const BOTH: [&str; 2] = ["/oauth/introspect", "/oauth/revoke"];

async fn introspected(client: &Rp, token: &str) -> Value {
    let answer = client.introspect(token).await;
    assert_eq!(answer.status, 200, "{}", answer.said());
    assert_eq!(answer.header("cache-control"), "no-store");
    answer.json()
}

async fn is_active(client: &Rp, token: &str) -> bool {
    let answer = introspected(client, token).await;
    let active = answer["active"].as_bool().unwrap();
    assert!(active || answer == json!({"active": false}), "nothing else about a dead token: {answer}");
    active
}

#[tokio::test]
async fn an_active_token_tells_what_it_stands_for() {
    let app = TestApp::new().await;
    let standard = app.standard();
    let tokens = standard.tokens(&mut app.browser(), "jun").await;
    let access = introspected(&standard, &tokens.access).await;
    assert_eq!(access["organizations"].as_array().unwrap().len(), 2);
    let now = START.as_seconds();
    for (name, value) in [
        ("active", json!(true)),
        ("iss", json!(ISSUER)),
        ("client_id", json!("standard")),
        ("sub", tokens.claims()["sub"].clone()),
        ("token_type", json!("Bearer")),
        ("iat", json!(now)),
        ("exp", json!(now + 3_600)),
    ] {
        assert_eq!(access[name], value, "{name}");
    }
    assert_eq!(access["scope"], "openid profile email offline_access organizations");
    let refresh = introspected(&standard, tokens.refresh()).await;
    assert_eq!((&refresh["sub"], refresh.get("token_type")), (&access["sub"], None));
    assert_eq!(refresh["exp"], now + 30 * 24 * 3_600);
}

#[tokio::test]
async fn a_hint_changes_nothing() {
    let app = TestApp::new().await;
    let standard = app.standard();
    let tokens = standard.tokens(&mut app.browser(), "leo").await;
    for hint in ["access_token", "refresh_token", "made_up"] {
        let form = Parameters::of(&[("token", &tokens.access), ("token_type_hint", hint)]);
        assert_eq!(standard.form("/oauth/introspect", form).await.json()["active"], true, "{hint}");
    }
    let form = Parameters::of(&[("token", tokens.refresh()), ("token_type_hint", "access_token")]);
    assert_eq!(standard.form("/oauth/revoke", form).await.status, 200);
    assert!(!is_active(&standard, &tokens.access).await);
}

#[tokio::test]
async fn unknown_foreign_and_dead_tokens_are_all_the_same() {
    let app = TestApp::new().await;
    let (standard, other) = (app.standard(), app.sentry_oidc());
    let mut browser = app.browser();
    let tokens = standard.tokens(&mut browser, "leo").await;
    for text in ["", "x", "fba_nothing.x", &tokens.id.clone().unwrap(), &format!("{}x", tokens.access)] {
        if !text.is_empty() {
            assert!(!is_active(&standard, text).await, "{text}");
        }
    }
    for token in [&tokens.access, tokens.refresh()] {
        assert!(is_active(&standard, token).await);
        assert!(!is_active(&other, token).await, "another client's");
    }
    let next = Tokens::of(&standard.refresh(tokens.refresh()).await);
    assert!(!is_active(&standard, tokens.refresh()).await, "replaced");
    assert!(is_active(&standard, next.refresh()).await);
    app.advance(Duration::from_hours(1));
    assert!(!is_active(&standard, &next.access).await, "expired");
    app.leave().await;
    assert!(!is_active(&standard, next.refresh()).await, "of a generation that is over");
    app.leave_jobs();
}

#[tokio::test]
async fn a_refresh_token_is_given_back_with_everything_of_its_grant() {
    let app = TestApp::new().await;
    let standard = app.standard();
    let tokens = standard.tokens(&mut app.browser(), "leo").await;
    let another = standard.tokens(&mut app.browser(), "leo").await;
    assert_eq!(standard.give_back(tokens.refresh()).await.status, 200);
    assert_eq!(standard.userinfo(&tokens.access).await.status, 401);
    refused(&standard.refresh(tokens.refresh()).await, 400, "invalid_grant");
    assert_eq!(standard.userinfo(&another.access).await.status, 200, "another grant is another matter");
    assert_eq!(standard.give_back(tokens.refresh()).await.status, 200, "as often as one likes");
}

#[tokio::test]
async fn a_replaced_refresh_token_ends_the_grant_too() {
    let app = TestApp::new().await;
    let standard = app.standard();
    let first = standard.tokens(&mut app.browser(), "leo").await;
    let second = Tokens::of(&standard.refresh(first.refresh()).await);
    assert_eq!(standard.give_back(first.refresh()).await.status, 200);
    refused(&standard.refresh(second.refresh()).await, 400, "invalid_grant");
}

#[tokio::test]
async fn an_access_token_is_given_back_alone() {
    let app = TestApp::new().await;
    let standard = app.standard();
    let tokens = standard.tokens(&mut app.browser(), "leo").await;
    assert_eq!(standard.give_back(&tokens.access).await.status, 200);
    assert_eq!(standard.userinfo(&tokens.access).await.status, 401);
    assert_eq!(standard.userinfo(&Tokens::of(&standard.refresh(tokens.refresh()).await).access).await.status, 200);
}

#[tokio::test]
async fn nobody_gives_back_what_belongs_to_another_client() {
    let app = TestApp::new().await;
    let standard = app.standard();
    let tokens = standard.tokens(&mut app.browser(), "leo").await;
    let before = app.dump();
    for token in [&tokens.access, tokens.refresh()] {
        refused(&app.sentry().give_back(token).await, 400, "invalid_grant");
    }
    for text in ["x", "fbr_nothing.x", &format!("{}x", tokens.refresh())] {
        assert_eq!(app.sentry().give_back(text).await.status, 200, "unknown is as good as gone");
    }
    assert_eq!(app.dump(), before);
    assert!(is_active(&standard, &tokens.access).await);
}

#[tokio::test]
async fn both_ask_who_is_asking_and_for_what() {
    let app = TestApp::new().await;
    let standard = app.standard();
    let token = Parameters::of(&[("token", "x")]);
    for path in BOTH {
        let stranger = app.standard().knowing("something else");
        let answer = stranger.form(path, token.clone()).await;
        refused(&answer, 401, "invalid_client");
        assert!(answer.header("www-authenticate").starts_with("Basic "), "{path}");
        refused(&standard.form_with(path, &token, &[]).await, 401, "invalid_client");
        refused(&standard.form(path, Parameters::of(&[])).await, 400, "invalid_request");
        refused(&standard.form(path, token.clone().and("token", "y")).await, 400, "invalid_request");
        let get = Request::get(format!("{path}?token=x")).body(Body::empty()).unwrap();
        let answer = send(&app.router, get).await;
        refused(&answer, 405, "invalid_request");
        assert_eq!(answer.header("allow"), "POST");
    }
}
