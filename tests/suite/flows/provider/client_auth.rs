//! The token endpoint before it looks at the grant: carrier, client, parameters.

use std::time::Duration;

use axum::body::Body;
use axum::http::{Method, Request};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::support::answer::Answer;
use crate::support::app::{Options, TestApp};
use crate::support::browser_client::send;
use crate::support::relying_party::{Rp, Tokens, refused};

#[tokio::test]
async fn get_is_405() {
    let app = TestApp::new().await;
    for method in [Method::GET, Method::PUT, Method::DELETE] {
        let request = Request::builder().method(method).uri("/oauth/token").body(Body::empty()).unwrap();
        let answer = send(&app.router, request).await;
        refused(&answer, 405, "invalid_request");
        assert_eq!(answer.header("allow"), "POST");
    }
}

#[tokio::test]
async fn a_wrong_content_type_is_invalid_request() {
    let app = TestApp::new().await;
    let mut browser = app.browser();
    let code = app.sentry().code(&mut browser, "ines").await;
    let sentry = app.sentry();
    let form = sentry.redemption(&code).and("client_id", sentry.id).and("client_secret", &sentry.secret).encode();
    for kind in ["application/json", "text/plain", "multipart/form-data; boundary=x", ""] {
        let request =
            Request::post("/oauth/token").header("content-type", kind).body(Body::from(form.clone())).unwrap();
        refused(&send(&app.router, request).await, 400, "invalid_request");
    }
    let json = r#"{"grant_type":"authorization_code"}"#;
    let request = Request::post("/oauth/token").header("content-type", "application/json").body(Body::from(json));
    refused(&send(&app.router, request.unwrap()).await, 400, "invalid_request");
    let kind = "application/x-www-form-urlencoded; charset=UTF-8";
    let request = Request::post("/oauth/token").header("content-type", kind).body(Body::from(form)).unwrap();
    Tokens::of(&send(&app.router, request).await);
}

#[tokio::test]
async fn a_secret_in_the_query_is_refused() {
    let app = TestApp::new().await;
    let mut browser = app.browser();
    let sentry = app.sentry();
    let code = sentry.code(&mut browser, "ines").await;
    let query = sentry.redemption(&code).and("client_id", sentry.id).and("client_secret", &sentry.secret).encode();
    let kind = "application/x-www-form-urlencoded";
    let request = Request::post(format!("/oauth/token?{query}")).header("content-type", kind);
    refused(&send(&app.router, request.body(Body::empty()).unwrap()).await, 400, "invalid_request");
    Tokens::of(&sentry.redeem(&code).await);
}

#[tokio::test]
async fn a_bad_client_is_invalid_client() {
    let app = TestApp::new().await;
    let mut browser = app.browser();
    let sentry = app.sentry();
    let code = sentry.code(&mut browser, "ines").await;
    let form = sentry.redemption(&code);
    let bad = [
        form.clone(),
        form.clone().and("client_id", "sentry"),
        form.clone().and("client_secret", &sentry.secret),
        form.clone().and("client_id", "sentry").and("client_secret", "wrong"),
        form.clone().and("client_id", "sentry").and("client_secret", "The secret of sentry-fly"),
        form.clone().and("client_id", "nobody").and("client_secret", &sentry.secret),
        form.clone().and("client_id", "sentry-oidc").and("client_secret", &sentry.secret),
    ];
    for form in bad {
        let answer = sentry.token_with(&form, &[]).await;
        refused(&answer, 401, "invalid_client");
        assert!(!answer.headers.contains_key("www-authenticate"), "only for those who used the header");
    }
    Tokens::of(&sentry.redeem(&code).await);
}

#[tokio::test]
async fn a_bad_client_that_used_the_header_is_told_the_scheme() {
    let app = TestApp::new().await;
    let standard = app.standard();
    let form = standard.redemption("x");
    let basic = |text: &str| format!("Basic {}", STANDARD.encode(text));
    let bad = [
        basic("standard:wrong"),
        basic("nobody:the+secret+of+standard"),
        basic("standard"),
        // Right, but not how this client is registered to prove itself.
        basic("sentry:the+secret+of+sentry-fly"),
        "Basic !!!".to_owned(),
        "Bearer abc".to_owned(),
        "Basic".to_owned(),
    ];
    for header in bad {
        let answer = standard.token_with(&form, &[("authorization", &header)]).await;
        refused(&answer, 401, "invalid_client");
        assert!(answer.header("www-authenticate").starts_with("Basic realm="), "{header}");
    }
    // Registered for the header, not for the body.
    let post = form.and("client_id", "standard").and("client_secret", &standard.secret);
    refused(&standard.token_with(&post, &[]).await, 401, "invalid_client");
}

#[tokio::test]
async fn the_right_secret_by_the_wrong_method_is_told_the_right_one_and_a_wrong_secret_is_not() {
    let app = TestApp::new().await;
    let told = |answer: &Answer| answer.json()["error_description"].as_str().unwrap().to_owned();
    let (standard, sentry) = (app.standard(), app.sentry());
    let in_form = |rp: &Rp| rp.redemption("x").and("client_id", rp.id).and("client_secret", &rp.secret);
    let header = sentry.basic_header();
    let header = [("authorization", header.as_str())];
    let before = app.dump();
    for (answer, right, used) in [
        (standard.token_with(&in_form(&standard), &[]).await, "client_secret_basic", "client_secret_post"),
        (sentry.token_with(&sentry.redemption("x"), &header).await, "client_secret_post", "client_secret_basic"),
    ] {
        refused(&answer, 401, "invalid_client");
        let words = format!("the secret is right, but this client is registered for {right}, not {used}");
        assert_eq!(told(&answer), words);
    }
    assert_eq!(app.dump(), before, "no guess that would be counted");
    let wrong = app.standard().knowing("a wrong secret, for sure");
    let nobody = app.sentry().redemption("x").and("client_id", "nobody").and("client_secret", &standard.secret);
    for answer in [wrong.token_with(&in_form(&wrong), &[]).await, sentry.token_with(&nobody, &[]).await] {
        refused(&answer, 401, "invalid_client");
        assert_eq!(told(&answer), "the client is unknown or did not prove itself");
    }
}

/// `openid-client` and `openidconnect` encode it, Authlib and `oidc-client-ts` do not.
#[tokio::test]
async fn a_secret_with_special_characters_may_stand_in_the_header_encoded_or_not() {
    const SECRET: &str = "Kx+9/f%2Bq:W3==&m7vRt";
    let config = format!(
        "[[clients]]\nid = \"base64\"\nname = \"Grafana\"\nsecret = \"{SECRET}\"\nredirect_uris = [\"https://rp.test/cb\"]"
    );
    let app = TestApp::with(Options { config, ..Options::default() }).await;
    let client = Rp::new(&app, "base64").knowing(SECRET);
    let plain = |secret: &str| format!("Basic {}", STANDARD.encode(format!("base64:{secret}")));
    for header in [client.basic_header(), plain(SECRET)] {
        let mut browser = app.browser();
        let code = client.code(&mut browser, "ines").await;
        Tokens::of(&client.token_with(&client.redemption(&code), &[("authorization", &header)]).await);
    }
    for wrong in ["Kx 9/f+q:W3==&m7vRt", "Kx+9/f+q:W3==&m7vRt", "Kx%2B9/f%2Bq:W3==&m7vRt"] {
        let answer = client.token_with(&client.redemption("x"), &[("authorization", &plain(wrong))]).await;
        refused(&answer, 401, "invalid_client");
    }
}

#[tokio::test]
async fn either_secret_is_accepted_while_one_is_being_replaced() {
    let app = TestApp::new().await;
    let mut browser = app.browser();
    for secret in ["the secret of standard", "another secret of standard"] {
        let standard = app.standard().knowing(secret);
        standard.tokens(&mut browser, "ines").await;
        browser.cookies.clear();
    }
}

#[tokio::test]
async fn two_ways_of_authentication_or_a_repeated_parameter_is_invalid_request() {
    let app = TestApp::new().await;
    let mut browser = app.browser();
    let standard = app.standard();
    let code = standard.code(&mut browser, "ines").await;
    let form = standard.redemption(&code);
    let header = standard.basic_header();
    let header = [("authorization", header.as_str())];
    let both = form.clone().and("client_id", "standard").and("client_secret", &standard.secret);
    refused(&standard.token_with(&both, &header).await, 400, "invalid_request");
    let other = form.clone().and("client_id", "sentry");
    refused(&standard.token_with(&other, &header).await, 400, "invalid_request");
    for name in ["code", "grant_type", "redirect_uri", "made_up"] {
        let twice = form.clone().with(name, "x").and(name, "x");
        refused(&standard.token_with(&twice, &header).await, 400, "invalid_request");
    }
    let same = form.and("client_id", "standard");
    Tokens::of(&standard.token_with(&same, &header).await);
}

#[tokio::test]
async fn guessing_a_secret_is_throttled_and_the_right_one_still_works() {
    let app = TestApp::new().await;
    let mut browser = app.browser();
    let sentry = app.sentry();
    let code = sentry.code(&mut browser, "ines").await;
    let wrong = app.sentry().knowing("a wrong secret, for sure");
    for _ in 0..30 {
        let answer = wrong.redeem("x").await;
        refused(&answer, 401, "invalid_client");
        assert!(!answer.headers.contains_key("retry-after"));
    }
    let answer = wrong.redeem("x").await;
    refused(&answer, 401, "invalid_client");
    assert_eq!(answer.header("retry-after"), "2");
    Tokens::of(&sentry.redeem(&code).await);
    app.advance(Duration::from_secs(2));
    assert!(!wrong.redeem("x").await.headers.contains_key("retry-after"));
}

#[tokio::test]
async fn clients_that_do_not_exist_leave_one_record_and_are_counted_apart() {
    let app = TestApp::new().await;
    let sentry = app.sentry();
    let limits = || app.dump().keys().filter(|(partition, _)| partition.starts_with("limit/")).count();
    for number in 0..40 {
        let form = sentry.redemption("x").and("client_id", &format!("junk-{number}")).and("client_secret", "x");
        let answer = sentry.token_with(&form, &[]).await;
        refused(&answer, 401, "invalid_client");
        assert_eq!(answer.headers.contains_key("retry-after"), number >= 30, "{number}");
        assert_eq!(limits(), 1);
    }
    let answer = app.sentry().knowing("a wrong secret, for sure").redeem("x").await;
    refused(&answer, 401, "invalid_client");
    assert!(!answer.headers.contains_key("retry-after"));
    assert_eq!(limits(), 2);
}

#[tokio::test]
async fn grant_type_missing_or_unknown() {
    let app = TestApp::new().await;
    let sentry = app.sentry();
    refused(&sentry.token(sentry.redemption("x").without("grant_type")).await, 400, "invalid_request");
    for kind in ["password", "Client_Credentials", "implicit", "urn:ietf:params:oauth:grant-type:device_code"] {
        let answer = sentry.token(sentry.redemption("x").with("grant_type", kind)).await;
        refused(&answer, 400, "unsupported_grant_type");
    }
    refused(&sentry.token(sentry.redemption("x").without("code")).await, 400, "invalid_request");
    refused(&sentry.token(Rp::refreshment("x").without("refresh_token")).await, 400, "invalid_request");
}
