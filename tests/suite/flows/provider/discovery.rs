//! Discovery, the JWK set, and headers.

use std::collections::BTreeSet;

use axum::body::Body;
use axum::http::Request;
use flybridge::demo::world::BRAMS_PASSWORD;
use flybridge::http::routes::layered;
use serde_json::json;

use crate::support::answer::Answer;
use crate::support::app::{ISSUER, TestApp};
use crate::support::browser_client::send;

const BOTH: [&str; 2] = ["/.well-known/openid-configuration", "/.well-known/oauth-authorization-server"];

async fn get(app: &TestApp, path: &str, headers: &[(&str, &str)]) -> Answer {
    let mut request = Request::get(path);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    send(&app.router, request.body(Body::empty()).unwrap()).await
}

#[tokio::test]
async fn the_document_under_both_forms() {
    let app = TestApp::new().await;
    let methods = ["client_secret_basic", "client_secret_post", "private_key_jwt"];
    let algorithms = ["RS256", "PS256", "ES256", "EdDSA"];
    let expected = json!({
        "issuer": ISSUER,
        "authorization_endpoint": format!("{ISSUER}/oauth/authorize"),
        "token_endpoint": format!("{ISSUER}/oauth/token"),
        "userinfo_endpoint": format!("{ISSUER}/oauth/userinfo"),
        "jwks_uri": format!("{ISSUER}/oauth/jwks"),
        "scopes_supported": ["openid", "email", "offline_access", "organizations", "read"],
        "response_types_supported": ["code"],
        "response_modes_supported": ["query", "form_post"],
        "grant_types_supported": ["authorization_code", "refresh_token", "client_credentials"],
        "subject_types_supported": ["public"],
        "id_token_signing_alg_values_supported": ["ES256", "RS256"],
        "token_endpoint_auth_methods_supported": methods,
        "token_endpoint_auth_signing_alg_values_supported": algorithms,
        "introspection_endpoint": format!("{ISSUER}/oauth/introspect"),
        "introspection_endpoint_auth_methods_supported": methods,
        "introspection_endpoint_auth_signing_alg_values_supported": algorithms,
        "revocation_endpoint": format!("{ISSUER}/oauth/revoke"),
        "revocation_endpoint_auth_methods_supported": methods,
        "revocation_endpoint_auth_signing_alg_values_supported": algorithms,
        "pushed_authorization_request_endpoint": format!("{ISSUER}/oauth/par"),
        "require_pushed_authorization_requests": false,
        "end_session_endpoint": format!("{ISSUER}/oauth/logout"),
        "backchannel_logout_supported": true,
        "backchannel_logout_session_supported": true,
        "acr_values_supported": [format!("{ISSUER}/acr/fly"), format!("{ISSUER}/acr/password")],
        "claims_supported": [
            "sub", "iss", "aud", "exp", "iat", "auth_time", "nonce", "amr", "acr", "at_hash", "sid", "name",
            "email", "email_verified", "organizations",
        ],
        "claims_parameter_supported": true,
        "request_parameter_supported": false,
        "request_uri_parameter_supported": false,
        "code_challenge_methods_supported": ["S256"],
        "dpop_signing_alg_values_supported": algorithms,
        "authorization_response_iss_parameter_supported": true,
    });
    for path in BOTH {
        let answer = get(&app, path, &[]).await;
        assert_eq!(answer.json(), expected);
        assert_eq!(answer.header("content-type"), "application/json");
        assert_eq!(answer.header("access-control-allow-origin"), "*");
        assert_eq!(answer.header("cross-origin-resource-policy"), "cross-origin");
        assert_eq!(answer.header("cache-control"), "public, max-age=3600");
    }
}

#[tokio::test]
async fn no_header_of_a_request_changes_a_byte() {
    let app = TestApp::new().await;
    let foreign = [
        ("host", "evil.test"),
        ("x-forwarded-host", "evil.test"),
        ("x-forwarded-proto", "http"),
        ("forwarded", "host=evil.test;proto=http"),
        ("x-original-url", "https://evil.test/"),
    ];
    for path in [BOTH[0], BOTH[1], "/oauth/jwks"] {
        let plain = get(&app, path, &[]).await;
        let forged = get(&app, path, &foreign).await;
        assert_eq!(plain.body, forged.body);
        assert_eq!(plain.header("etag"), forged.header("etag"));
    }
    let path = app.standard().request().with("prompt", "none").authorize();
    assert_eq!(get(&app, &path, &foreign).await.sent_back()["iss"], ISSUER);
}

#[tokio::test]
async fn who_has_the_document_is_told_so() {
    let app = TestApp::new().await;
    for path in [BOTH[0], "/oauth/jwks"] {
        let etag = get(&app, path, &[]).await.header("etag").to_owned();
        let answer = get(&app, path, &[("if-none-match", &etag)]).await;
        assert_eq!(answer.status, 304);
        assert!(answer.body.is_empty());
        assert_eq!(answer.header("etag"), etag);
        assert_eq!(get(&app, path, &[("if-none-match", "\"other\"")]).await.status, 200);
    }
}

#[tokio::test]
async fn the_jwk_set_has_public_members_only() {
    let app = TestApp::new().await;
    let answer = get(&app, "/oauth/jwks", &[]).await;
    assert_eq!(answer.header("access-control-allow-origin"), "*");
    assert_eq!(answer.header("cache-control"), "public, max-age=3600");
    let set = answer.json();
    let keys = set["keys"].as_array().unwrap();
    let kids: BTreeSet<&str> = keys.iter().map(|key| key["kid"].as_str().unwrap()).collect();
    assert_eq!(kids.len(), keys.len());
    for algorithm in ["ES256", "RS256"] {
        assert!(keys.iter().any(|key| key["alg"] == algorithm), "{algorithm}");
    }
    for key in keys {
        assert_eq!(key["use"], "sig");
        for name in key.as_object().unwrap().keys() {
            let public = ["kty", "use", "kid", "alg", "n", "e", "crv", "x", "y"];
            assert!(public.contains(&name.as_str()), "{name}");
        }
    }
}

#[tokio::test]
async fn every_answer_carries_the_headers() {
    let app = TestApp::new().await;
    let paths = ["/sign-in", "/oauth/jwks", "/oauth/authorize", "/nowhere", "/healthz", "/oauth/token", "/forgot"];
    for path in paths {
        let answer = get(&app, path, &[]).await;
        let policy = answer.header("content-security-policy");
        for part in ["default-src 'none'", "object-src 'none'", "base-uri 'none'", "frame-ancestors 'none'"] {
            assert!(policy.contains(part), "{path}: {policy}");
        }
        assert!(!policy.contains("unsafe"), "{policy}");
        assert_eq!(answer.header("x-content-type-options"), "nosniff", "{path}");
        assert_eq!(answer.header("referrer-policy"), "no-referrer");
        assert_eq!(answer.header("cross-origin-opener-policy"), "same-origin");
        assert!(answer.header("strict-transport-security").starts_with("max-age="));
        assert!(!answer.header("x-request-id").is_empty());
    }
}

#[tokio::test]
async fn cors_stands_on_discovery_jwks_and_userinfo_alone() {
    let app = TestApp::new().await;
    let mut open = Vec::new();
    let routes = flybridge::http::routes::protocol().into_iter();
    for route in routes.chain(flybridge::http::routes::entrances()).chain(flybridge::http::routes::pages()) {
        let path = route.path.replace("{slug}", "saltmarsh-labs").replace(['{', '}'], "");
        let answer = get(&app, &path, &[("origin", "https://elsewhere.test")]).await;
        if answer.headers.contains_key("access-control-allow-origin") {
            assert_eq!(answer.header("access-control-allow-origin"), "*");
            assert!(!answer.headers.contains_key("access-control-allow-credentials"));
            open.push(route.path);
        }
    }
    assert_eq!(open, [BOTH[0], BOTH[1], "/oauth/jwks", "/oauth/userinfo"]);
}

#[tokio::test]
async fn forms_lead_to_ourselves_and_a_page_leads_on_from_there() {
    let app = TestApp::new().await;
    app.leave().await;
    let mut browser = app.browser();
    let tx = browser.begin(&app.standard().authorize()).await;
    let page = browser.get(&format!("/sign-in?tx={tx}")).await;
    assert!(page.header("content-security-policy").ends_with("form-action 'self'"));
    let page = browser.password(&tx, "bram-94@customer.fly.io", BRAMS_PASSWORD).await;
    assert_eq!((page.status.as_u16(), page.header("location"), page.header("refresh")), (200, "", ""));
    let url = page.attributes("href").into_iter().find(|url| url.starts_with("https://rp.test/")).unwrap();
    assert!(url.contains("code="), "{url}");
    assert_eq!(page.attributes("content").last().unwrap(), &format!("0; url={url}"), "by itself, without a script");
    assert!(browser.cookie("fb_session").is_some(), "{:?}", browser.cookies.keys());
    // A program that asks for no HTML is redirected.
    let home = |accept: &str| Request::get("/go").header("accept", accept).body(Body::empty()).unwrap();
    assert_eq!(send(&app.router, home("*/*")).await.header("location"), "https://sentry.test/login");
    assert!(send(&app.router, home("text/html")).await.shows("go-on"));
    // From Fly.io no form leads, and no page is needed.
    let tx = browser.begin(&app.standard().request().with("prompt", "login").authorize()).await;
    assert_eq!(browser.fly(&tx, "hana").await.status, 303);
}

#[tokio::test]
async fn a_browser_may_ask_userinfo_from_another_origin() {
    let app = TestApp::new().await;
    let asked = Request::options("/oauth/userinfo")
        .header("origin", "https://elsewhere.test")
        .header("access-control-request-method", "GET")
        .header("access-control-request-headers", "authorization");
    let answer = send(&app.router, asked.body(Body::empty()).unwrap()).await;
    assert_eq!((answer.status.as_u16(), answer.header("access-control-allow-origin")), (204, "*"));
    assert_eq!(answer.header("access-control-allow-methods"), "GET, POST");
    assert_eq!(answer.header("access-control-allow-headers"), "authorization, content-type, dpop");
    let long = Request::post("/oauth/userinfo").body(Body::from("x".repeat(100_000))).unwrap();
    let long = send(&app.router, long).await;
    assert_eq!((long.status.as_u16(), long.header("access-control-allow-origin")), (413, "*"));
    let refused = app.standard().bearer("/oauth/userinfo", "x").await;
    assert_eq!((refused.status.as_u16(), refused.header("access-control-allow-origin")), (401, "*"));
    assert_eq!(refused.json()["request_id"], refused.header("x-request-id"));
}

#[tokio::test]
async fn a_panic_is_answered_like_any_other_failure() {
    let app = TestApp::new().await;
    let panic = axum::routing::get(async || -> &'static str { panic!("on purpose") });
    let panicking = axum::Router::new().route("/oauth/token", panic.clone()).route("/sign-in", panic);
    let router = layered(panicking, &app.program.app);
    let json = send(&router, Request::get("/oauth/token").body(Body::empty()).unwrap()).await;
    assert_eq!((json.status.as_u16(), &json.json()["error"]), (500, &json!("server_error")));
    let page = send(&router, Request::get("/sign-in").body(Body::empty()).unwrap()).await;
    assert_eq!(page.status, 500);
    assert_eq!(page.element("error-id").unwrap(), page.header("x-request-id"));
    assert_eq!(page.header("x-content-type-options"), "nosniff");
}

#[tokio::test]
async fn pages_are_not_kept_and_cookies_are_ours_alone() {
    let app = TestApp::new().await;
    let mut browser = app.browser();
    let tx = browser.begin(&app.standard().authorize()).await;
    let page = browser.get(&format!("/sign-in?tx={tx}")).await;
    assert_eq!(page.header("cache-control"), "no-store");
    browser.fly(&tx, "ines").await;
    let names: Vec<&String> = browser.cookies.keys().collect();
    assert_eq!(names, ["__Host-fb_browser", "__Host-fb_session"]);
    for cookie in browser.cookies.values() {
        for attribute in ["secure", "httponly", "samesite=lax", "path=/"] {
            assert!(cookie.attributes.iter().any(|a| a == attribute), "{cookie:?}");
        }
    }
}
