//! `/oauth/authorize`: what is checked before anybody is asked to sign in. Every case by GET and by POST.

use axum::body::Body;
use axum::http::{Request, StatusCode};

use crate::support::answer::Answer;
use crate::support::app::{ISSUER, TestApp};
use crate::support::browser_client::send;
use crate::support::relying_party::{CHALLENGE, Parameters, STATE};

/// The request as GET and as POST from the client's own site.
async fn ask(app: &TestApp, request: &Parameters) -> [Answer; 2] {
    let get = Request::get(request.authorize()).body(Body::empty()).unwrap();
    let post = Request::post("/oauth/authorize")
        .header("content-type", "application/x-www-form-urlencoded")
        .header("origin", "https://rp.test")
        .header("sec-fetch-site", "cross-site")
        .body(Body::from(request.encode()))
        .unwrap();
    let mut posted = send(&app.router, post).await;
    // Sent on to the same by GET, so that a browser has its cookies with it.
    if let Some(query) = posted.header("location").strip_prefix("/oauth/authorize?") {
        let again = Request::get(format!("/oauth/authorize?{query}")).body(Body::empty()).unwrap();
        posted = send(&app.router, again).await;
    }
    [send(&app.router, get).await, posted]
}

pub(super) async fn expect_page(app: &TestApp, request: &Parameters) {
    for answer in ask(app, request).await {
        assert_eq!(answer.status, StatusCode::BAD_REQUEST, "{request:?}: {}", answer.said());
        assert!(!answer.headers.contains_key("location"));
        assert_eq!(answer.element("error-id").unwrap(), answer.header("x-request-id"), "{request:?}");
    }
}

/// Our own page for a client that would start over at an error; it names the error.
async fn expect_named_page(app: &TestApp, request: &Parameters, error: &str) {
    expect_page(app, request).await;
    for answer in ask(app, request).await {
        assert!(answer.text().contains(error), "{request:?}: {}", answer.said());
    }
}

/// To the registered URI with `error`, `state` as received, `iss`.
pub(super) async fn expect_redirect(app: &TestApp, request: &Parameters, error: &str) {
    for answer in ask(app, request).await {
        let sent = answer.sent_back();
        assert_eq!(sent["error"], error, "{request:?}");
        assert_eq!(sent["iss"], ISSUER);
        assert_eq!(sent.get("state").map(String::as_str), Some(STATE), "{request:?}");
        assert!(!sent.contains_key("code"));
        assert!(sent["error_description"].bytes().all(|b| matches!(b, b' '..=b'~') && b != b'"' && b != b'\\'));
        assert!(answer.location().starts_with("https://rp.test/cb?"));
    }
}

/// The request is accepted: the person is asked to sign in.
pub(super) async fn expect_sign_in(app: &TestApp, request: &Parameters) {
    for answer in ask(app, request).await {
        assert!(answer.location().starts_with("/sign-in?tx="), "{request:?}: {}", answer.said());
    }
}

#[tokio::test]
async fn client_id_missing_or_unknown_is_a_page() {
    let app = TestApp::new().await;
    let request = app.standard().request();
    expect_page(&app, &request.clone().without("client_id")).await;
    for id in ["", "nobody", "STANDARD", "standard ", "a\u{0}b", &"x".repeat(3_000)] {
        expect_page(&app, &request.clone().with("client_id", id)).await;
    }
}

#[tokio::test]
async fn redirect_uri_missing_or_not_byte_equal_is_a_page() {
    let app = TestApp::new().await;
    let request = app.standard().request();
    expect_page(&app, &request.clone().without("redirect_uri")).await;
    let near = [
        "",
        "https://RP.test/cb",
        "https://rp.test/cb/",
        "https://rp.test:443/cb",
        "https://rp.test/cb?x=1",
        "https://rp.test/cb?",
        "https://rp.test/cb#f",
        "https://rp.test/%63b",
        "https://user@rp.test/cb",
        "http://rp.test/cb",
        "https://rp.test/./cb",
        "https://rp.test/cb2",
        "https://rp.test/cb2?keep=a+b",
        "https://rp.test.evil.test/cb",
        "//rp.test/cb",
        "javascript:alert(1)",
        "https://sentry.test/auth/sso/",
    ];
    for uri in near {
        expect_page(&app, &request.clone().with("redirect_uri", uri)).await;
    }
}

#[tokio::test]
async fn client_id_or_redirect_uri_repeated_is_a_page() {
    let app = TestApp::new().await;
    let request = app.standard().request();
    expect_page(&app, &request.clone().and("client_id", "standard")).await;
    expect_page(&app, &request.clone().and("redirect_uri", "https://rp.test/cb")).await;
}

#[tokio::test]
async fn any_other_parameter_repeated_is_invalid_request() {
    let app = TestApp::new().await;
    let request = app.standard().request();
    for (name, value) in
        [("response_type", "code"), ("scope", "openid"), ("nonce", "n"), ("claims", "{}"), ("foo", "1")]
    {
        let request = request.clone().with(name, value).and(name, value);
        expect_redirect(&app, &request, "invalid_request").await;
    }
    expect_redirect(
        &app,
        &request.clone().with("response_mode", "query").and("response_mode", "query"),
        "invalid_request",
    )
    .await;
    for answer in ask(&app, &request.and("state", STATE)).await {
        let sent = answer.sent_back();
        assert_eq!(sent["error"], "invalid_request");
        assert!(!sent.contains_key("state"), "which of the two would be right?");
    }
}

#[tokio::test]
async fn what_could_not_be_given_back_byte_for_byte_is_refused() {
    let app = TestApp::new().await;
    let request = app.standard().request();
    let long = "n".repeat(512);
    let answer = app.browser().get(&request.clone().with("nonce", &long).authorize()).await;
    assert!(answer.location().starts_with("/sign-in?tx="), "{}", answer.said());
    expect_redirect(&app, &request.clone().with("nonce", &format!("{long}n")), "invalid_request").await;
    let bare = request.clone().without("state").authorize();
    for state in ["%ff%fe", "ok%E2%82", "%C0%80"] {
        let sent = app.browser().get(&format!("{bare}&state={state}")).await.sent_back();
        assert_eq!(sent["error"], "invalid_request", "{state}");
        assert!(!sent.contains_key("state"), "{state}");
    }
    let sent = app.browser().get(&format!("{bare}&state=a%25%C3%A9&other=%ff")).await.sent_back();
    assert_eq!(
        (sent["error"].as_str(), sent["state"].as_str()),
        ("invalid_request", "a%\u{e9}"),
        "not the state's fault"
    );
    let answer = app.browser().get(&format!("{bare}&state=%EF%BF%BD%25%ZZ+%2B")).await;
    assert!(answer.location().starts_with("/sign-in?tx="), "{}", answer.said());
}

#[tokio::test]
async fn an_empty_parameter_is_absent_and_an_unknown_one_is_ignored() {
    let app = TestApp::new().await;
    let request = app.standard().request();
    let odd = request.clone().and("nonce", "").and("prompt", "").and("max_age", "").and("made_up", "1");
    expect_sign_in(&app, &odd).await;
    expect_redirect(&app, &request.clone().with("response_type", ""), "invalid_request").await;
    expect_redirect(&app, &request.with("code_challenge", ""), "invalid_request").await;
}

#[tokio::test]
async fn response_type_missing_or_anything_but_code() {
    let app = TestApp::new().await;
    let request = app.standard().request();
    expect_redirect(&app, &request.clone().without("response_type"), "invalid_request").await;
    for kind in ["token", "id_token", "code id_token", "none", "CODE"] {
        expect_redirect(&app, &request.clone().with("response_type", kind), "unsupported_response_type").await;
    }
}

#[tokio::test]
async fn response_mode_query_and_form_post_work_and_an_unknown_one_is_a_page() {
    let app = TestApp::new().await;
    let request = app.standard().request();
    for mode in ["query", "form_post"] {
        expect_sign_in(&app, &request.clone().with("response_mode", mode)).await;
    }
    for mode in ["fragment", "web_message", "QUERY"] {
        expect_page(&app, &request.clone().with("response_mode", mode)).await;
    }
}

#[tokio::test]
async fn scope_without_openid_for_an_oidc_client_and_unknown_values() {
    let app = TestApp::new().await;
    let request = app.standard().request();
    expect_redirect(&app, &request.clone().without("scope"), "invalid_scope").await;
    expect_redirect(&app, &request.clone().with("scope", "email profile"), "invalid_scope").await;
    expect_redirect(&app, &request.clone().with("scope", "OPENID"), "invalid_scope").await;
    expect_sign_in(&app, &request.clone().with("scope", "openid made-up email")).await;
    let sentry = app.sentry().request();
    expect_sign_in(&app, &sentry.clone().with("scope", "read made-up")).await;
    expect_named_page(&app, &sentry.with("scope", "made-up"), "invalid_scope").await;
}

#[tokio::test]
async fn code_challenge_where_pkce_is_required() {
    let app = TestApp::new().await;
    let request = app.standard().request();
    expect_redirect(&app, &request.clone().without("code_challenge"), "invalid_request").await;
    let neither = request.clone().without("code_challenge").without("code_challenge_method");
    expect_redirect(&app, &neither, "invalid_request").await;
    expect_redirect(&app, &request.clone().without("code_challenge_method"), "invalid_request").await;
    for method in ["plain", "s256", "S512"] {
        expect_redirect(&app, &request.clone().with("code_challenge_method", method), "invalid_request").await;
    }
    for challenge in [&CHALLENGE[1..], &"a".repeat(129), &CHALLENGE.replace('-', "+"), &format!("{CHALLENGE}=")] {
        expect_redirect(&app, &request.clone().with("code_challenge", challenge), "invalid_request").await;
    }
    expect_sign_in(&app, &request).await;
    expect_sign_in(&app, &app.sentry().request()).await;
    let plain = app.sentry().request().with("code_challenge", CHALLENGE).with("code_challenge_method", "plain");
    // PKCE is no weaker where it is optional.
    expect_named_page(&app, &plain, "invalid_request").await;
}

#[tokio::test]
async fn request_request_uri_and_registration_are_not_supported() {
    let app = TestApp::new().await;
    let request = app.standard().request();
    expect_redirect(&app, &request.clone().with("request", "eyJ"), "request_not_supported").await;
    let uri = "https://rp.test/request.jwt";
    expect_redirect(&app, &request.clone().with("request_uri", uri), "request_uri_not_supported").await;
    expect_redirect(&app, &request.with("registration", "{}"), "registration_not_supported").await;
}

#[tokio::test]
async fn prompt_none_without_a_session_is_login_required() {
    let app = TestApp::new().await;
    let request = app.standard().request().with("prompt", "none");
    expect_redirect(&app, &request, "login_required").await;
}

#[tokio::test]
async fn prompt_none_stands_alone() {
    let app = TestApp::new().await;
    let request = app.standard().request().with("prompt", "none login");
    expect_redirect(&app, &request, "invalid_request").await;
}

#[tokio::test]
async fn the_page_for_a_client_says_once_whom_to_tell_and_leads_back_to_its_home() {
    let app = TestApp::new().await;
    let known = app.sentry().request().with("request", "eyJ");
    let homeless = app.standard().request().with("redirect_uri", "https://elsewhere.test/");
    let unknown = app.standard().request().with("client_id", "nobody");
    for (request, home) in [(known, Some("https://sentry.test/login")), (homeless, None), (unknown, None)] {
        for answer in ask(&app, &request).await {
            let text = answer.text();
            assert_eq!(text.matches("tell whoever").count(), 1, "{text}");
            assert!(!text.contains("Tell whoever"), "{text}");
            let links = answer.attributes("href");
            let away: Vec<&str> = links.iter().map(String::as_str).filter(|link| link.starts_with("http")).collect();
            assert_eq!(away, Vec::from_iter(home), "{text}");
        }
    }
}

#[tokio::test]
async fn sentry_is_never_sent_an_error_that_it_would_start_over_at() {
    let app = TestApp::new().await;
    let request = app.sentry().request();
    expect_named_page(&app, &request.clone().with("response_type", "token"), "unsupported_response_type").await;
    expect_named_page(&app, &request.clone().with("request", "eyJ"), "request_not_supported").await;
    expect_named_page(&app, &request.clone().with("max_age", "soon"), "invalid_request").await;
    expect_named_page(&app, &request.clone().and("state", STATE), "invalid_request").await;
    expect_named_page(&app, &request.with("prompt", "none"), "login_required").await;
    let request = app.sentry_oidc().request();
    expect_named_page(&app, &request.clone().with("max_age", "soon"), "invalid_request").await;
    expect_named_page(&app, &request.with("prompt", "none"), "login_required").await;
}

#[tokio::test]
async fn id_token_hint_that_is_not_ours_is_invalid_request() {
    let app = TestApp::new().await;
    let standard = app.standard();
    let tokens = standard.tokens(&mut app.browser(), "ines").await;
    let ours = tokens.id.clone().unwrap();
    let (signed, signature) = ours.rsplit_once('.').unwrap();
    let (header, claims) = signed.split_once('.').unwrap();
    let foreign = [
        "eyJ".to_owned(),
        tokens.access.clone(),
        format!("{signed}."),
        format!("{header}.{}.{signature}", claims.chars().rev().collect::<String>()),
        format!("eyJhbGciOiJub25lIn0.{claims}."),
    ];
    for hint in foreign {
        expect_redirect(&app, &standard.request().with("id_token_hint", &hint), "invalid_request").await;
    }
    expect_sign_in(&app, &standard.request().with("id_token_hint", &ours)).await;
    let twice = standard.request().with("id_token_hint", &ours).and("id_token_hint", &ours);
    expect_redirect(&app, &twice, "invalid_request").await;
}
