//! Bad input: a page or JSON that says what happened, with the id that stands in the log; nothing durable changes.

use axum::body::Body;
use axum::http::{Method, Request, StatusCode};
use flybridge::http::routes::{self, Route};
use flybridge::http::server::Unreadable;

use crate::support::answer::Answer;
use crate::support::app::{ISSUER, TestApp};
use crate::support::browser_client::{Browser, send};
use crate::support::relying_party::refused;

fn posts() -> Vec<Route> {
    let programs = routes::protocol().into_iter().chain(routes::machine());
    let all = programs.chain(routes::entrances()).chain(routes::pages());
    all.filter(|route| route.methods.contains(&Method::POST)).collect()
}

fn address(path: &str) -> String {
    path.replace("{slug}", "saltmarsh-labs")
        .replace("{id}", "saltmarsh-labs")
        .replace("{run}", "01k0000000000000000000000x")
}

fn is_for_programs(path: &str) -> bool {
    (path.starts_with("/oauth/") || path.starts_with("/inbound/"))
        && !["/oauth/authorize", "/oauth/logout"].contains(&path)
}

fn is_of_the_api(path: &str) -> bool {
    path.starts_with("/api/")
}

#[track_caller]
fn a_problem_with_its_id(answer: &Answer, code: &str) {
    assert_eq!(answer.header("content-type"), "application/problem+json", "{}", answer.said());
    let json = answer.json();
    assert_eq!(json["code"], code, "{json}");
    assert_eq!(json["request_id"], answer.header("x-request-id"), "{json}");
}

#[track_caller]
fn a_page_with_its_id(answer: &Answer, what: &str) {
    assert!(answer.header("content-type").starts_with("text/html"), "{what}: {}", answer.said());
    assert_eq!(
        answer.element("error-id").as_deref(),
        Some(answer.header("x-request-id")),
        "{what}: {}",
        answer.said()
    );
    assert!(!answer.header("x-request-id").is_empty());
    assert!(answer.shows("error-title") && answer.shows("error-message"), "{what}");
}

async fn post(browser: &mut Browser, path: &str, kind: &str, body: impl Into<Body>) -> Answer {
    let request = Request::post(path).header("sec-fetch-site", "same-origin").header("origin", ISSUER);
    browser.send(request.header("content-type", kind).body(body.into()).unwrap()).await
}

const FORM: &str = "application/x-www-form-urlencoded";

#[tokio::test]
async fn a_body_that_is_too_long_is_413() {
    let app = TestApp::new().await;
    let before = app.dump();
    for route in posts() {
        let mut browser = app.browser();
        browser.get("/forgot").await;
        let body = format!("csrf={}&password={}", browser.csrf, "a".repeat(70_000));
        let answer = post(&mut browser, &address(route.path), FORM, body).await;
        assert_eq!(answer.status, StatusCode::PAYLOAD_TOO_LARGE, "{}: {}", route.path, answer.said());
        if is_for_programs(route.path) {
            refused(&answer, 413, "invalid_request");
        } else if is_of_the_api(route.path) {
            a_problem_with_its_id(&answer, "content_too_large");
        } else {
            a_page_with_its_id(&answer, route.path);
        }
    }
    assert_eq!(app.dump(), before);
}

#[tokio::test]
async fn an_address_that_is_too_long_is_414_and_a_header_is_431() {
    let app = TestApp::new().await;
    let before = app.dump();
    let limits = app.program.app.web.limits;
    let api = "/api/v1/organizations/saltmarsh-labs";
    for path in ["/", "/sign-in", "/oauth/authorize", "/nowhere", "/oauth/userinfo", "/oauth/jwks", "/healthz", api] {
        let query = "x".repeat(limits.max_url - path.len() - 1);
        let long = |query: &str| Request::get(format!("{path}?{query}")).body(Body::empty()).unwrap();
        assert_ne!(send(&app.router, long(&query)).await.status, StatusCode::URI_TOO_LONG, "{path}");
        let address = send(&app.router, long(&format!("{query}x"))).await;
        let cookies = format!("a={}", "x".repeat(limits.max_header));
        let header = Request::get(path).header("cookie", cookies).body(Body::empty()).unwrap();
        let header = send(&app.router, header).await;
        for (answer, status) in [(address, 414), (header, 431)] {
            assert_eq!(answer.status, status, "{path}: {}", answer.said());
            if is_for_programs(path) || path == "/healthz" {
                refused(&answer, status, "invalid_request");
            } else if is_of_the_api(path) {
                a_problem_with_its_id(&answer, if status == 414 { "uri_too_long" } else { "headers_too_large" });
            } else {
                a_page_with_its_id(&answer, path);
            }
        }
    }
    assert_eq!(app.dump(), before);
}

#[tokio::test]
async fn what_is_no_request_gets_a_page_too() {
    let app = TestApp::new().await;
    for status in [StatusCode::BAD_REQUEST, StatusCode::REQUEST_TIMEOUT, StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE]
    {
        let request =
            Request::builder().extension(Unreadable { status, detail: String::new() }).body(Body::empty()).unwrap();
        let answer = send(&app.router, request).await;
        assert_eq!(answer.status, status);
        a_page_with_its_id(&answer, status.as_str());
    }
}

#[tokio::test]
async fn a_method_that_an_address_does_not_take_is_405_in_its_language() {
    let app = TestApp::new().await;
    let api = "/api/v1/organizations/saltmarsh-labs/disable-fly-auth";
    for path in ["/oauth/token", "/oauth/jwks", "/.well-known/openid-configuration", "/healthz", "/forgot", api] {
        let answer = send(&app.router, Request::delete(path).body(Body::empty()).unwrap()).await;
        assert_eq!(answer.status, 405, "{path}");
        assert!(!answer.header("allow").is_empty(), "{path}");
        if path == "/forgot" {
            a_page_with_its_id(&answer, path);
        } else if path == api {
            a_problem_with_its_id(&answer, "method_not_allowed");
        } else {
            refused(&answer, 405, "invalid_request");
        }
    }
}

#[tokio::test]
async fn a_form_that_is_none_is_refused() {
    let app = TestApp::new().await;
    let mut browser = app.browser();
    browser.sign_in_with_fly("ines").await;
    browser.get("/forgot").await;
    let before = app.dump();
    for route in posts() {
        for (kind, body) in [("application/json", "{}"), ("text/plain", "csrf=x"), ("", ""), (FORM, "")] {
            let answer = post(&mut browser, &address(route.path), kind, body).await;
            if (route.path, kind) == ("/oauth/logout", FORM) {
                assert_eq!(answer.heading(), "Sign out of Flybridge?", "all of its parameters may be left out");
                continue;
            }
            assert!(answer.status.is_client_error(), "{} {kind}: {}", route.path, answer.said());
            if is_for_programs(route.path) {
                assert!(answer.header("content-type").starts_with("application/json"), "{}", answer.said());
            } else if is_of_the_api(route.path) {
                a_problem_with_its_id(&answer, "missing_token");
            } else {
                a_page_with_its_id(&answer, route.path);
            }
        }
    }
    assert_eq!(app.dump_but_limits(), before);
}

#[tokio::test]
async fn bytes_that_are_no_text_are_refused() {
    let app = TestApp::new().await;
    let mut browser = app.browser();
    browser.get("/forgot").await;
    let before = app.dump();
    for route in posts() {
        let mut body = format!("csrf={}&email=", browser.csrf).into_bytes();
        body.extend([0xff, 0xfe, 0x00, b'&', b'=', b'%', b'%', b'z']);
        let answer = post(&mut browser, &address(route.path), FORM, body).await;
        assert!(!answer.status.is_server_error(), "{}: {}", route.path, answer.said());
        assert!(answer.status.is_client_error() || answer.status == 303, "{}: {}", route.path, answer.said());
    }
    assert_eq!(app.dump_but_limits(), before);
}

#[tokio::test]
async fn rubbish_cookies_are_as_good_as_none() {
    let app = TestApp::new().await;
    let before = app.dump();
    let rubbish = [
        "__Host-fb_session=; __Host-fb_browser=; __Host-fb_set_up=",
        "__Host-fb_session=%00%ff; __Host-fb_browser='\"; __Host-fb_set_up=....",
        "__Host-fb_session=a; __Host-fb_session=b",
        "=; ;;; a; =b; __Host-fb_tx_=x; __Host-fb_tx_../../etc=y; __Host-fb_tx_abc=z",
        "__Host-fb_tx_aaaaaaaaaaaa=AAAA; __Host-fb_tx_bbbbbbbbbbbb=////",
    ];
    let long = format!("__Host-fb_session={}", "x".repeat(6_000));
    for cookie in rubbish.into_iter().chain([long.as_str()]) {
        for path in ["/sign-in?tx=aaaaaaaaaaaa", "/sign-out", "/set-up", "/forgot", "/sign-in", "/set-up/now"] {
            let request = Request::get(path).header("cookie", cookie).body(Body::empty()).unwrap();
            let answer = send(&app.router, request).await;
            assert!(!answer.status.is_server_error(), "{path} {cookie}: {}", answer.said());
        }
        let request = Request::get(app.sentry().authorize()).header("cookie", cookie).body(Body::empty()).unwrap();
        let answer = send(&app.router, request).await;
        assert!(answer.location().starts_with("/sign-in?tx="), "{cookie}");
    }
    assert_eq!(app.dump(), before);
}

#[tokio::test]
async fn a_browser_id_that_is_not_ours_gets_a_new_one() {
    let app = TestApp::new().await;
    let mut browser = app.browser();
    browser.get("/forgot").await;
    let own = browser.cookie("fb_browser").unwrap().value.clone();
    browser.get("/forgot").await;
    assert_eq!(browser.cookie("fb_browser").unwrap().value, own, "kept");
    for value in ["", "x", "a b c", &"a".repeat(27)] {
        browser.cookies.get_mut("__Host-fb_browser").unwrap().value = value.to_owned();
        let csrf = browser.csrf.clone();
        let fields = [("email", "nobody@x.test"), ("csrf", csrf.as_str())];
        assert_eq!(browser.post_bare("/forgot", &fields, &[("origin", ISSUER)]).await.status, 403);
        browser.get("/forgot").await;
        assert_ne!(browser.cookie("fb_browser").unwrap().value, value);
    }
}

#[tokio::test]
async fn a_repeated_parameter_is_a_page() {
    let app = TestApp::new().await;
    let mut browser = app.browser();
    browser.get("/forgot").await;
    let before = app.dump();
    for path in [
        "/sign-in?tx=a&tx=b",
        "/sign-in/fly?tx=a&tx=b",
        "/sign-in/next?tx=a&tx=b",
        "/sign-in/consent?tx=a&tx=b",
        "/sign-in/denied?tx=a&tx=b",
        "/account/applications?removed=a&removed=b",
        "/account?done=a&done=b",
        "/forgot?tx=a&tx=b",
        "/set-up/now?tx=a&tx=b",
    ] {
        let answer = browser.get(path).await;
        assert_eq!(answer.status, 400, "{path}: {}", answer.said());
        a_page_with_its_id(&answer, path);
    }
    let csrf = browser.csrf.clone();
    let cases = [
        ("/forgot", vec![("email", "a@x.test"), ("email", "b@x.test")]),
        ("/sign-in/password", vec![("password", "a"), ("password", "b")]),
        ("/set-up", vec![("password", "a"), ("password", "b")]),
        ("/sign-out", vec![("answer", "yes"), ("answer", "no")]),
        ("/sign-in/consent", vec![("answer", "deny"), ("answer", "allow")]),
        ("/account/applications", vec![("client", "a"), ("client", "b")]),
        ("/account", vec![("contact_email", "a@x.test"), ("contact_email", "b@x.test")]),
    ];
    for (path, mut fields) in cases {
        fields.push(("csrf", &csrf));
        let answer = browser.post_bare(path, &fields, &[("origin", ISSUER)]).await;
        assert!(answer.status == 400 || answer.status == 422, "{path}: {}", answer.said());
        a_page_with_its_id(&answer, path);
    }
    assert_eq!(app.dump(), before);
}

#[tokio::test]
async fn an_address_without_a_page_is_404() {
    let app = TestApp::new().await;
    let mut browser = app.browser();
    let paths = [
        "/nowhere",
        "/sign-in/",
        "/organizations",
        "/organizations/saltmarsh-labs",
        "/oauth",
        "/oauth/register",
        "/.well-known/security.txt",
        "/set-up/a/b",
        "/%2e%2e/%2e%2e/etc/passwd",
        "/assets/../flybridge.db",
        "/favicon.ico",
    ];
    for path in paths {
        let answer = browser.get(path).await;
        assert_eq!(answer.status, 404, "{path}: {}", answer.said());
        a_page_with_its_id(&answer, path);
    }
}

#[tokio::test]
async fn an_id_sent_along_is_not_taken_over() {
    let app = TestApp::new().await;
    let request = Request::get("/nowhere").header("x-request-id", "mine").body(Body::empty()).unwrap();
    let answer = send(&app.router, request).await;
    assert_ne!(answer.header("x-request-id"), "mine");
    assert!(!answer.text().contains("mine<"));
}

#[tokio::test]
async fn organizations_that_cannot_be_are_not_found() {
    let app = TestApp::new().await;
    let mut browser = app.browser();
    browser.sign_in_with_fly("ines").await;
    let before = app.dump();
    for slug in ["UPPER", "a%20b", "-x", "%00", "..%2f..", "x'--", "%3Cscript%3E", &"x".repeat(200)] {
        for page in [
            "auth",
            "auth/disable",
            "members",
            "audit",
            "audit.jsonl",
            "auth/enable",
            "auth/disable/x",
            "auth/disable/x/status",
            "auth/disable/x/members.csv",
        ] {
            let answer = browser.get(&format!("/organizations/{slug}/{page}")).await;
            assert_eq!(answer.status, 404, "{slug}/{page}: {}", answer.said());
            a_page_with_its_id(&answer, slug);
            assert!(!answer.text().contains("<script>"));
        }
    }
    assert_eq!(app.dump(), before);
}

#[tokio::test]
async fn lists_survive_whatever_is_searched_for() {
    let app = TestApp::new().await;
    let mut ines = app.browser();
    ines.sign_in_with_fly("ines").await;
    for page in ["auth/disable", "members", "audit"] {
        for query in
            ["q=%3Cscript%3E", "q=%F0%9F%A6%80", "after=-1", "after=..%2f", "role=x&status=y&kind=z", "q=", "q=%25"]
        {
            let answer = ines.get(&format!("/organizations/saltmarsh-labs/{page}?{query}")).await;
            assert_eq!(answer.status, 200, "{page}?{query}: {}", answer.said());
            assert!(!answer.text().contains("<script>"));
        }
        let answer = ines.get(&format!("/organizations/saltmarsh-labs/{page}?q=a&q=b")).await;
        assert_eq!(answer.status, 400);
        a_page_with_its_id(&answer, page);
    }
}
