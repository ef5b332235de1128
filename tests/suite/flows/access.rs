//! Who may enter where: every route of the table by everybody. A route without a row fails.

use std::collections::BTreeSet;
use std::time::Duration;

use axum::body::Body;
use axum::http::{Method, Request};
use flybridge::http::routes::{self, Route};

use crate::support::answer::Answer;
use crate::support::app::TestApp;
use crate::support::browser_client::Browser;

/// What somebody gets. Forms are sent with their token and no other field.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Gets {
    /// The thing itself, or what it says to an empty form.
    In,
    /// To the sign-in page.
    SignIn,
    /// Somewhere else, as everybody is sent on from here.
    On,
    /// 401 as JSON, for programs.
    Unauthorized,
    /// A page with this status.
    Page(u16),
}

use Gets::{In, On, Page, SignIn, Unauthorized};

/// Nobody, an admin of another organization, a member, an admin, an admin whose session has ended.
type Row = (&'static str, Method, [Gets; 5]);

const SIGN_IN: [Gets; 5] = [SignIn, Page(404), Page(403), In, SignIn];
const SCRIPT: [Gets; 5] = [Unauthorized, Page(404), Page(403), In, Unauthorized];

/// A session in the browser is nothing to these.
fn of_the_api() -> Vec<Row> {
    vec![
        ("/api/v1/openapi.json", Method::GET, [In; 5]),
        ("/api/v1/organizations/{id}", Method::GET, [Unauthorized; 5]),
        ("/api/v1/organizations/{id}/disable-fly-auth", Method::POST, [Unauthorized; 5]),
        ("/api/v1/organizations/{id}/enable-fly-auth", Method::POST, [Unauthorized; 5]),
        ("/api/v1/organizations/{id}/disable-runs/{run}", Method::GET, [Unauthorized; 5]),
        ("/api/v1/organizations/{id}/disable-runs/{run}/members", Method::GET, [Unauthorized; 5]),
        ("/api/v1/organizations/{id}/disable-runs/{run}/resend", Method::POST, [Unauthorized; 5]),
    ]
}

/// Nor to those for programs.
fn for_programs() -> Vec<Row> {
    vec![
        ("/oauth/token", Method::POST, [Unauthorized; 5]),
        ("/oauth/par", Method::POST, [Unauthorized; 5]),
        ("/oauth/introspect", Method::POST, [Unauthorized; 5]),
        ("/oauth/revoke", Method::POST, [Unauthorized; 5]),
        ("/oauth/token/info", Method::GET, [Unauthorized; 5]),
        ("/inbound/bounces", Method::POST, [Unauthorized; 5]),
        ("/oauth/userinfo", Method::GET, [Unauthorized; 5]),
        ("/oauth/userinfo", Method::POST, [Unauthorized; 5]),
        ("/oauth/userinfo", Method::OPTIONS, [In; 5]),
    ]
}

fn matrix() -> Vec<Row> {
    [of_the_api(), for_programs(), for_browsers(), of_an_organization(), the_end()].concat()
}

/// Ends the sessions.
fn the_end() -> Vec<Row> {
    vec![("/sign-out", Method::POST, [On; 5])]
}

fn for_browsers() -> Vec<Row> {
    vec![
        ("/.well-known/openid-configuration", Method::GET, [In; 5]),
        ("/.well-known/oauth-authorization-server", Method::GET, [In; 5]),
        ("/oauth/jwks", Method::GET, [In; 5]),
        ("/healthz", Method::GET, [In; 5]),
        ("/readyz", Method::GET, [In; 5]),
        (flybridge::http::assets::ROUTE, Method::GET, [Page(404); 5]),
        ("/oauth/authorize", Method::GET, [Page(400); 5]),
        ("/oauth/authorize", Method::POST, [Page(400); 5]),
        ("/oauth/logout", Method::GET, [On, In, In, In, On]),
        ("/oauth/logout", Method::POST, [On, In, In, In, On]),
        ("/connectors/fly/callback", Method::GET, [Page(400); 5]),
        ("/set-up/{token}", Method::GET, [On; 5]),
        ("/confirm-address/{token}", Method::GET, [On; 5]),
        ("/go", Method::GET, [On; 5]),
        ("/", Method::GET, [On; 5]),
        ("/sign-in", Method::GET, [SignIn; 5]),
        ("/sign-in/password", Method::POST, [Page(400); 5]),
        ("/sign-in/fly", Method::GET, [Page(400); 5]),
        ("/sign-in/denied", Method::GET, [Page(400); 5]),
        ("/sign-in/next", Method::GET, [Page(400); 5]),
        ("/sign-in/next", Method::POST, [Page(400); 5]),
        ("/sign-in/consent", Method::GET, [Page(400); 5]),
        ("/sign-in/consent", Method::POST, [Page(400); 5]),
        // Who signs in with Fly.io and has no password may give an address.
        ("/account", Method::GET, [SignIn, In, In, In, SignIn]),
        ("/account", Method::POST, [SignIn, Page(422), Page(422), Page(422), SignIn]),
        ("/confirm-address", Method::GET, [Page(410); 5]),
        ("/confirm-address", Method::POST, [Page(410); 5]),
        ("/account/applications", Method::GET, [SignIn, In, In, In, SignIn]),
        ("/account/applications", Method::POST, [SignIn, On, On, On, SignIn]),
        ("/sign-out", Method::GET, [On, In, In, In, On]),
        ("/signed-out", Method::GET, [In; 5]),
        ("/forgot", Method::GET, [In; 5]),
        ("/forgot", Method::POST, [Page(422); 5]),
        ("/set-up", Method::GET, [Page(410); 5]),
        ("/set-up", Method::POST, [Page(410); 5]),
        // After the switch: for those just proven by Fly.io who are members where passwords count.
        ("/set-up/now", Method::GET, [Page(403), Page(409), Page(409), In, Page(403)]),
        ("/set-up/now", Method::POST, [Page(403), Page(409), Page(409), Page(422), Page(403)]),
        ("/set-up/renew", Method::POST, [On, In, In, In, On]),
    ]
}

fn of_an_organization() -> Vec<Row> {
    let run = "/organizations/{slug}/auth/disable/{run}";
    vec![
        ("/organizations/{slug}/auth", Method::GET, SIGN_IN),
        ("/organizations/{slug}/members", Method::GET, SIGN_IN),
        ("/organizations/{slug}/audit", Method::GET, SIGN_IN),
        ("/organizations/{slug}/audit.jsonl", Method::GET, SIGN_IN),
        ("/organizations/{slug}/auth/disable", Method::GET, SIGN_IN),
        ("/organizations/{slug}/auth/disable", Method::POST, [SignIn, Page(404), Page(403), Page(422), SignIn]),
        ("/organizations/{slug}/auth/disable/left-out", Method::POST, [SignIn, Page(404), Page(403), On, SignIn]),
        ("/organizations/{slug}/auth/disable/test-mail", Method::POST, [SignIn, Page(404), Page(403), On, SignIn]),
        (
            "/organizations/{slug}/auth/disable/{run}/let-in",
            Method::POST,
            [SignIn, Page(404), Page(403), Page(400), SignIn],
        ),
        (run, Method::GET, SIGN_IN),
        ("/organizations/{slug}/auth/disable/{run}/members.csv", Method::GET, SIGN_IN),
        ("/organizations/{slug}/auth/disable/{run}/events", Method::GET, SCRIPT),
        ("/organizations/{slug}/auth/disable/{run}/status", Method::GET, SCRIPT),
        (
            "/organizations/{slug}/auth/disable/{run}/resend",
            Method::POST,
            [SignIn, Page(404), Page(403), Page(400), SignIn],
        ),
        ("/organizations/{slug}/auth/enable", Method::GET, SIGN_IN),
        ("/organizations/{slug}/auth/enable", Method::POST, [SignIn, Page(404), Page(403), On, SignIn]),
    ]
}

fn all_routes() -> Vec<Route> {
    let programs = routes::protocol().into_iter().chain(routes::machine());
    programs.chain(routes::entrances()).chain(routes::pages()).collect()
}

#[test]
fn every_route_and_method_has_a_row() {
    let table: BTreeSet<String> =
        all_routes().iter().flat_map(|r| r.methods.iter().map(|m| format!("{m} {}", r.path))).collect();
    let rows: Vec<String> = matrix().iter().map(|(path, method, _)| format!("{method} {path}")).collect();
    let distinct: BTreeSet<String> = rows.iter().cloned().collect();
    assert_eq!(distinct.len(), rows.len(), "one row each");
    assert_eq!(table, distinct);
}

/// In which state of the organization a row is tried: the pages of a run exist once it has left.
fn is_about_a_run(path: &str) -> bool {
    path.contains("{run}") || path.ends_with("/enable") || path == "/set-up/now"
}

struct Cast {
    app: TestApp,
    browsers: [Browser; 5],
    /// Ids of those who are signed in in them.
    people: [String; 5],
    run: String,
}

async fn cast(left: bool) -> Cast {
    let app = TestApp::new().await;
    let mut nobody = app.browser();
    nobody.get("/forgot").await;
    let mut expired = app.browser();
    expired.sign_in_with_fly("ines").await;
    expired.get("/forgot").await;
    expired.keep_everything();
    app.advance(Duration::from_hours(25));
    let run = if left { app.leave().await.1 } else { "x/none".to_owned() };
    let mut browsers = [nobody, app.browser(), app.browser(), app.browser(), expired];
    for (browser, who) in browsers[1..4].iter_mut().zip(["hana", "leo", "chloe"]) {
        browser.sign_in_with_fly(who).await;
        browser.get("/forgot").await;
    }
    if left {
        // The member has a password by then; the admin has the session they clicked with.
        browsers[2] = app.settle_in("leo").await;
        browsers[2].get("/forgot").await;
    }
    let mut people = [const { String::new() }; 5];
    for (id, who) in people[1..].iter_mut().zip(["hana", "leo", "chloe", "ines"]) {
        *id = app.user(who).await.id.to_string();
    }
    Cast { app, browsers, people, run: run.rsplit('/').next().unwrap().to_owned() }
}

fn request(path: &str, method: &Method, csrf: &str, person: &str) -> Request<Body> {
    let request = Request::builder().method(method.clone()).uri(path).header("sec-fetch-site", "same-origin");
    if method == Method::GET {
        return request.body(Body::empty()).unwrap();
    }
    let request = request.header("content-type", "application/x-www-form-urlencoded");
    request.body(Body::from(format!("csrf={csrf}&person={person}"))).unwrap()
}

fn judge(answer: &Answer) -> Gets {
    let location = answer.header("location");
    match answer.status.as_u16() {
        200 if answer.shows("go-on") => On,
        200 | 204 => In,
        303 if location.starts_with("/sign-in") => SignIn,
        303 => On,
        401 => Unauthorized,
        status => Page(status),
    }
}

async fn walk(left: bool) {
    let cast = cast(left).await;
    let names = ["nobody", "another organization's admin", "a member", "an admin", "an expired session"];
    for (path, method, expected) in matrix().into_iter().filter(|(path, ..)| is_about_a_run(path) == left) {
        let address = path
            .replace("{slug}", "saltmarsh-labs")
            .replace("{id}", "saltmarsh-labs")
            .replace("{run}", &cast.run)
            .replace("{token}", "x");
        let address = address.replace(['{', '}', '*'], "");
        for (((browser, person), gets), name) in cast.browsers.iter().zip(&cast.people).zip(expected).zip(names) {
            // A copy: cookies that one row sets are nothing to the next.
            let mut browser = browser.clone();
            let request = request(&address, &method, &browser.csrf, person);
            let answer = if path.ends_with("/events") && gets == In {
                browser.stream(request).await.0
            } else {
                browser.send(request).await
            };
            assert_eq!(judge(&answer), gets, "{method} {path} by {name}: {}", answer.said());
            assert!(answer.headers.contains_key("content-security-policy"), "{path}");
        }
    }
    cast.app.leave_jobs();
}

#[tokio::test]
async fn everybody_gets_what_the_matrix_says_before_the_switch() {
    walk(false).await;
}

#[tokio::test]
async fn everybody_gets_what_the_matrix_says_after_the_switch() {
    walk(true).await;
}

#[tokio::test]
async fn other_methods_are_405_and_say_which_are_right() {
    let app = TestApp::new().await;
    for route in all_routes() {
        let path = route
            .path
            .replace("{slug}", "saltmarsh-labs")
            .replace("{id}", "saltmarsh-labs")
            .replace(['{', '}', '*'], "");
        for method in [Method::GET, Method::POST, Method::PUT, Method::PATCH, Method::DELETE] {
            if route.methods.contains(&method) {
                continue;
            }
            let mut browser = app.browser();
            let request = Request::builder().method(method.clone()).uri(&path).body(Body::empty()).unwrap();
            let answer = browser.send(request).await;
            assert_eq!(answer.status, 405, "{method} {path}: {}", answer.said());
            let allowed: Vec<&str> = answer.header("allow").split(',').map(str::trim).collect();
            for right in route.methods {
                assert!(allowed.contains(&right.as_str()), "{method} {path}: {allowed:?}");
            }
        }
    }
}

#[tokio::test]
async fn no_get_changes_anything_but_what_was_seen_and_tried() {
    let cast = cast(true).await;
    let before = cast.app.dump();
    for (path, method, _) in
        matrix().into_iter().filter(|(path, m, _)| m == Method::GET && !path.ends_with("/events"))
    {
        let address = path
            .replace("{slug}", "saltmarsh-labs")
            .replace("{id}", "saltmarsh-labs")
            .replace("{run}", &cast.run)
            .replace("{token}", "x");
        for browser in &cast.browsers {
            let mut browser = browser.clone();
            browser.send(request(&address.replace(['{', '}', '*'], ""), &method, "", "")).await;
        }
        assert_eq!(cast.app.dump(), before, "{path}");
    }
}
