//! Userinfo and `token/info`.

use std::time::Duration;

use axum::body::Body;
use axum::http::Request;
use serde_json::json;

use crate::support::app::TestApp;
use crate::support::browser_client::send;
use crate::support::relying_party::Tokens;

#[tokio::test]
async fn get_and_post_with_the_token_in_header_or_form() {
    let app = TestApp::new().await;
    let mut browser = app.browser();
    let standard = app.standard();
    let tokens = standard.tokens(&mut browser, "ines").await;
    let get = standard.bearer("/oauth/userinfo?schema=openid", &tokens.access).await;
    assert_eq!(get.status, 200);
    assert_eq!(get.header("content-type"), "application/json");
    assert_eq!(get.header("cache-control"), "no-store");
    assert_eq!(get.header("access-control-allow-origin"), "*");
    let post = Request::post("/oauth/userinfo").header("authorization", format!("bearer {}", tokens.access));
    let post = send(&app.router, post.body(Body::empty()).unwrap()).await;
    let form = Request::post("/oauth/userinfo").header("content-type", "application/x-www-form-urlencoded");
    let form = send(&app.router, form.body(Body::from(format!("access_token={}", tokens.access))).unwrap()).await;
    assert_eq!(get.json(), post.json());
    assert_eq!(get.json(), form.json());
    assert_eq!(get.json()["sub"], tokens.claims()["sub"]);
    let twice = Request::post("/oauth/userinfo").header("authorization", format!("Bearer {}", tokens.access));
    let twice = twice.header("content-type", "application/x-www-form-urlencoded");
    let twice = send(&app.router, twice.body(Body::from(format!("access_token={}", tokens.access))).unwrap()).await;
    assert_eq!((twice.status.as_u16(), twice.json()["error"].as_str()), (400, Some("invalid_request")));
    assert!(twice.header("www-authenticate").contains("error=\"invalid_request\""));
    let query = Request::get(format!("/oauth/userinfo?access_token={}", tokens.access)).body(Body::empty()).unwrap();
    assert_eq!(send(&app.router, query).await.status, 401, "never in a URL");
}

#[tokio::test]
async fn no_token_is_401_without_an_error_code_and_a_bad_one_is_invalid_token() {
    let app = TestApp::new().await;
    let standard = app.standard();
    for path in ["/oauth/userinfo", "/oauth/token/info"] {
        let none = send(&app.router, Request::get(path).body(Body::empty()).unwrap()).await;
        assert_eq!(none.status, 401);
        assert!(none.header("www-authenticate").starts_with("Bearer"));
        assert!(!none.header("www-authenticate").contains("error"), "RFC 6750, section 3.1");
        for bad in ["x", "", "a b", "fb_at_x.y"] {
            let answer = standard.bearer(path, bad).await;
            assert_eq!(answer.status, 401, "{bad}");
            assert!(answer.header("www-authenticate").contains("error=\"invalid_token\""), "{bad}");
            assert_eq!(answer.json()["error"], "invalid_token");
            assert_eq!(answer.json()["error_description"], "The access token is invalid");
        }
        let basic = Request::get(path).header("authorization", "Basic eDp5").body(Body::empty()).unwrap();
        assert_eq!(send(&app.router, basic).await.status, 401);
    }
}

#[tokio::test]
async fn scopes_decide_what_is_told() {
    let app = TestApp::new().await;
    let standard = app.standard();
    let address = app.address("ines");
    let sub = app.user("ines").await.id.to_string();
    let organization = json!([{
        "id": app.organization("saltmarsh-labs").as_str(), "slug": "saltmarsh-labs", "name": "Saltmarsh Labs",
        "role": "admin",
    }]);
    let cases = [
        ("openid", json!({"sub": sub})),
        ("openid profile", json!({"sub": sub, "name": "Ines Marlow"})),
        ("openid email", json!({"sub": sub, "email": address, "email_verified": true})),
        ("openid organizations", json!({"sub": sub, "organizations": organization})),
    ];
    for (scope, expected) in cases {
        let mut browser = app.browser();
        let code = standard.code_for(&mut browser, &standard.request().with("scope", scope), "ines").await;
        let tokens = Tokens::of(&standard.redeem(&code).await);
        assert_eq!(standard.userinfo(&tokens.access).await.json(), expected, "{scope}");
    }
}

#[tokio::test]
async fn a_token_without_openid_is_insufficient() {
    let app = TestApp::new().await;
    let mut browser = app.browser();
    let tokens = app.sentry().tokens(&mut browser, "ines").await;
    let answer = app.sentry().userinfo(&tokens.access).await;
    assert_eq!(answer.status, 403);
    assert!(answer.header("www-authenticate").contains("error=\"insufficient_scope\""));
}

#[tokio::test]
async fn token_info_has_the_shape_of_fly() {
    let app = TestApp::new().await;
    let mut browser = app.browser();
    let sentry = app.sentry();
    let tokens = sentry.tokens(&mut browser, "chloe").await;
    app.advance(Duration::from_secs(100));
    let answer = sentry.info(&tokens.access).await;
    assert_eq!(answer.header("cache-control"), "no-store");
    assert!(!answer.headers.contains_key("access-control-allow-origin"));
    let expected = json!({
        "resource_owner_id": "c5x8r1n4k7t0b3w6",
        "user_id": "c5x8r1n4k7t0b3w6",
        "user_name": "Chlo\u{e9} Martin",
        "email": "chloe-martin@customer.fly.io",
        "organizations": [{"id": app.organization("saltmarsh-labs").as_str(), "role": "admin"}],
        "scope": ["read"],
        "expires_in": 3_500,
        "application": {"uid": "sentry"},
        "created_at": 1_800_000_000,
        "sub": app.user("chloe").await.id.as_str(),
    });
    assert_eq!(answer.json(), expected);
}

#[tokio::test]
async fn token_info_names_our_own_id_to_clients_that_know_people_by_it() {
    let app = TestApp::new().await;
    let mut browser = app.browser();
    let oidc = app.sentry_oidc();
    let tokens = oidc.tokens(&mut browser, "chloe").await;
    let info = oidc.info(&tokens.access).await.json();
    assert_eq!(info["user_id"], info["sub"]);
    assert_eq!(info["scope"], json!(["openid", "email"]));
}

#[tokio::test]
async fn absent_claims_are_omitted() {
    let app = TestApp::new().await;
    let standard = app.standard();
    let tokens = standard.tokens(&mut app.browser(), "noor").await;
    let person = standard.userinfo(&tokens.access).await.json();
    assert!(person.get("email").is_none() && person.get("email_verified").is_none(), "{person}");
    assert_eq!(standard.info(&tokens.access).await.json()["email"], json!(null), "as Fly.io tells it");
}

#[tokio::test]
async fn a_client_that_fails_without_an_address_is_not_sent_somebody_without_one() {
    let app = TestApp::new().await;
    for client in [app.sentry(), app.sentry_oidc()] {
        let mut browser = app.browser();
        let tx = browser.begin(&client.authorize()).await;
        let answer = browser.fly(&tx, "noor").await;
        assert_eq!(answer.status, 403, "{}", answer.said());
        assert_eq!(answer.element("error-id").unwrap(), answer.header("x-request-id"));
    }
}
