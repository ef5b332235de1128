//! `/oauth/authorize`, by GET and by POST, with the answer in a query and in a form.

use std::time::Duration;

use axum::body::Body;
use axum::http::Request;
use flybridge::demo::fly::{Endpoint, Fault};
use flybridge::store::records::{Stored, TypedKey};
use flybridge::store::{Outcome, keys};
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::{HINT, NAMED, NONCE, SECRET, Told, UNNAMED, Watched, both, watched_with_a_secret};
use crate::support::browser_client::send;
use crate::support::relying_party::{Parameters, Rp, STATE, VERIFIER};

const AUTHORIZE: &str = "/oauth/authorize";
const SENTRY: &str = "The fault is at Sentry, not with you.";

/// Registered to hand over its requests.
const PUSHING: &str = r#"
[[clients]]
id = "pushing"
name = "Grafana"
require_par = true
secret = "the secret of a client that pushes"
redirect_uris = ["https://rp.test/cb"]
"#;

#[tokio::test]
async fn of_authorize_where_nobody_can_be_sent_back() {
    let watched = watched_with_a_secret().await;
    let good = watched.app.standard().request().with("nonce", NONCE);
    let invalid = |parameter| Told::of("invalid_request", parameter);
    let urn = "urn:ietf:params:oauth:request_uri:nobody-handed-this-over";
    let rows = [
        (good.clone().without("client_id"), UNNAMED, invalid("client_id").from(None)),
        (good.clone().and("client_id", "standard"), UNNAMED, invalid("client_id").from(None)),
        (
            good.clone().with("client_id", "nob\r\nody"),
            UNNAMED,
            invalid("client_id").from(None).because("of 8 bytes, it has not the form of an id"),
        ),
        (
            good.clone().with("client_id", "nobody"),
            UNNAMED,
            invalid("client_id").from(None).received("nobody").because("no client of this id"),
        ),
        (good.clone().with("client_id", SECRET), UNNAMED, invalid("client_id").from(None).because("changed places")),
        (good.clone().without("redirect_uri"), NAMED, invalid("redirect_uri")),
        (good.clone().and("redirect_uri", "https://rp.test/cb"), NAMED, invalid("redirect_uri")),
        (good.clone().with("response_mode", "fragment"), NAMED, invalid("response_mode").received("fragment")),
        (good.clone().and("request_uri", urn).and("request_uri", urn), NAMED, invalid("request_uri")),
        (good.clone().with("request_uri", urn), NAMED, invalid("request_uri")),
        (good.clone().with("state", &"s".repeat(4_000)), NAMED, invalid("state").because("4000 bytes")),
    ];
    for (request, side, told) in rows {
        for answer in both(&watched, AUTHORIZE, &request).await {
            watched.page(&answer, (400, side), &told, AUTHORIZE);
        }
    }
    watched.nothing_leaked();
    assert!(!watched.lines.text().contains(urn) && !watched.lines.text().contains("ssss"));
}

#[tokio::test]
async fn of_an_address_that_is_not_registered() {
    let watched = Watched::new("").await;
    for (uri, reason) in [
        ("https://rp.test/cb/", "the registered https://rp.test/cb in its trailing slash"),
        ("https://rp.test/CB", "the registered https://rp.test/cb in the case of its path"),
        ("https://rp.test/c%62", "the registered https://rp.test/cb in the percent-encoding of its path"),
        ("http://rp.test/cb", "the registered https://rp.test/cb in its scheme"),
        ("https://rp.test:8443/cb", "the registered https://rp.test/cb in its port"),
        ("https://rp.test/cb?x=1", "the registered https://rp.test/cb in its query"),
        ("https://rp.test/cb2", "the registered https://rp.test/cb2?keep=a%20b in its query"),
        ("https://rp.test/cb#x", "the registered https://rp.test/cb in its fragment"),
    ] {
        let request = watched.app.standard().request().with("redirect_uri", uri);
        let told = Told::of("invalid_request", "redirect_uri").received(uri).because(reason);
        for answer in both(&watched, AUTHORIZE, &request).await {
            watched.page(&answer, (400, NAMED), &told, AUTHORIZE);
        }
    }
    let request = watched.app.standard().request().with("redirect_uri", "https://rp.test@evil.test/cb");
    let told = Told::of("invalid_request", "redirect_uri")
        .received("https://...@evil.test/cb")
        .because("in user information before the host, its host");
    for answer in both(&watched, AUTHORIZE, &request).await {
        watched.page(&answer, (400, NAMED), &told, AUTHORIZE);
    }
    // The address that an application is at, with all that came there.
    let full = format!("https://rp.test/cb?code={NONCE}&state={STATE}");
    let request = watched.app.standard().request().with("redirect_uri", &full);
    let told = Told::of("invalid_request", "redirect_uri")
        .received("https://rp.test/cb?code=...&state=...")
        .because("in its query");
    for answer in both(&watched, AUTHORIZE, &request).await {
        watched.page(&answer, (400, NAMED), &told, AUTHORIZE);
    }
    let long = format!("https://rp.test/{}", "x".repeat(3_000));
    let answer = &both(&watched, AUTHORIZE, &watched.app.standard().request().with("redirect_uri", &long)).await[0];
    let line = watched.line(answer, AUTHORIZE);
    assert_eq!(line["received"], format!("{}... (3016 bytes in all)", &long[..200]));
    assert!(line.to_string().len() < 1_200, "{line}");
    watched.nothing_leaked();
}

/// What is registered is no secret, however it looks.
#[tokio::test]
async fn of_an_address_that_is_not_registered_next_to_a_long_one() {
    let registered = "https://rp.test/tenants/4f2a9c07e1b3d586/Callback";
    let client = format!(
        "[[clients]]\nid = \"tenant\"\nname = \"Grafana\"\nsecret = \"the secret of a tenant\"\n\
         redirect_uris = [\"{registered}\"]"
    );
    let watched = Watched::new(&client).await;
    let reason = format!("the registered {registered} in its trailing slash");
    let told = Told::of("invalid_request", "redirect_uri")
        .from(Some("tenant"))
        .received("https://rp.test/tenants/.../Callback/")
        .because(&reason);
    let request = Rp::new(&watched.app, "tenant").request().with("redirect_uri", &format!("{registered}/"));
    for answer in both(&watched, AUTHORIZE, &request).await {
        watched.page(&answer, (400, NAMED), &told, AUTHORIZE);
    }
    watched.nothing_leaked();
}

fn told_to_the_client(good: &Parameters) -> Vec<(Parameters, Told<'static>)> {
    let invalid = |parameter| Told::of("invalid_request", parameter);
    let scope = Told::of("invalid_scope", "scope");
    let challenge = invalid("code_challenge");
    let method = invalid("code_challenge_method");
    let response_type = Told::of("unsupported_response_type", "response_type");
    vec![
        (good.clone().and("nonce", NONCE).and("nonce", NONCE), invalid("nonce")),
        (good.clone().with("nonce", &NONCE.repeat(30)), invalid("nonce")),
        (good.clone().without("response_type"), invalid("response_type")),
        (good.clone().with("response_type", "token"), response_type.received("token")),
        (good.clone().with("scope", "email"), scope.received("email")),
        (good.clone().without("code_challenge").without("code_challenge_method"), challenge.because("require_pkce")),
        (good.clone().without("code_challenge"), challenge),
        (good.clone().without("code_challenge_method"), method.because("missing")),
        (good.clone().with("code_challenge_method", "plain"), method.received("plain")),
        (good.clone().with("dpop_jkt", "short"), invalid("dpop_jkt")),
        (good.clone().with("code_challenge", &VERIFIER[..20]), challenge.because("20 bytes, all of base64url")),
        (good.clone().with("request", HINT), Told::of("request_not_supported", "request")),
        (
            good.clone().with("request_uri", "https://rp.test/request"),
            Told::of("request_uri_not_supported", "request_uri"),
        ),
        (good.clone().with("registration", "{}"), Told::of("registration_not_supported", "registration")),
        (good.clone().with("prompt", "none login"), invalid("prompt").received("none login")),
        (
            good.clone().with("prompt", "none"),
            Told::of("login_required", "prompt").received("none").because("the browser has no session"),
        ),
        (good.clone().with("max_age", "-1"), invalid("max_age")),
        (good.clone().with("max_age", "soon"), invalid("max_age")),
        (good.clone().with("id_token_hint", HINT), invalid("id_token_hint").because("not a signed token")),
    ]
}

#[tokio::test]
async fn of_authorize_that_go_back_to_the_client() {
    let watched = Watched::new(PUSHING).await;
    let good = watched.app.standard().request();
    for (request, told) in told_to_the_client(&good) {
        for request in [request.clone(), request.with("response_mode", "form_post")] {
            for answer in both(&watched, AUTHORIZE, &request).await {
                watched.redirect(&answer, &told, AUTHORIZE);
            }
        }
    }
    let pushing = good.clone().with("client_id", "pushing");
    let told = Told::of("invalid_request", "request_uri").from(Some("pushing")).because("require_par");
    for answer in both(&watched, AUTHORIZE, &pushing).await {
        watched.redirect(&answer, &told, AUTHORIZE);
    }
    let no_text = Request::get(format!("{}&nonce=%ff", good.authorize())).body(Body::empty()).unwrap();
    let answer = send(&watched.app.router, no_text).await;
    watched.redirect(&answer, &Told::of("invalid_request", "nonce"), AUTHORIZE);
    watched.nothing_leaked();
}

/// A client that would start over at an error: the same, on our own page.
#[tokio::test]
async fn of_authorize_that_stay_here_for_a_client_that_would_start_over() {
    let watched = Watched::new("").await;
    let good = watched.app.sentry().request();
    let invalid = |parameter| Told::of("invalid_request", parameter).from(Some("sentry"));
    let rows = [
        (
            good.clone().with("response_type", "token"),
            Told::of("unsupported_response_type", "response_type").from(Some("sentry")).received("token"),
        ),
        (good.clone().and("scope", "read"), invalid("scope")),
        (
            good.clone().with("scope", "write"),
            Told::of("invalid_scope", "scope").from(Some("sentry")).received("write"),
        ),
        (
            good.clone().with("prompt", "none"),
            Told::of("login_required", "prompt").from(Some("sentry")).received("none").because("no session"),
        ),
    ];
    for (request, told) in rows {
        for answer in both(&watched, AUTHORIZE, &request).await {
            watched.page(&answer, (400, SENTRY), &told, AUTHORIZE);
            assert!(answer.text().contains(told.error), "{}", answer.said());
            assert!(answer.attributes("href").contains(&"https://sentry.test/login".to_owned()));
        }
    }
    watched.nothing_leaked();
}

#[tokio::test]
async fn of_a_sign_in_that_ends_without_anybody() {
    const CALLBACK: &str = "/connectors/fly/callback";
    let watched = Watched::new("").await;
    let app = &watched.app;
    let standard = app.standard();
    let denied = Told { parameter: None, ..Told::of("access_denied", "") };

    let mut browser = app.browser();
    let tx = browser.begin(&standard.authorize()).await;
    let asked = browser.leave_for_fly(&tx).await;
    let back = browser.at_fly(&asked, "leo", "deny").await;
    watched.redirect(&browser.get(&back).await, &denied, CALLBACK);

    let tx = browser.begin(&standard.authorize()).await;
    app.fly.fault(Endpoint::Token, Fault::NotJson);
    let trouble = Told { error: "temporarily_unavailable", ..denied.because("We could not ask Fly.io: ") };
    watched.redirect(&browser.fly(&tx, "leo").await, &trouble, CALLBACK);
    app.fly.heal();

    let tx = browser.begin(&app.sentry().authorize()).await;
    let asked = browser.leave_for_fly(&tx).await;
    let back = browser.at_fly(&asked, "leo", "deny").await;
    let place = browser.get(&back).await.location();
    let page = browser.get(&place).await;
    assert_eq!(
        (page.status.as_u16(), page.element("error-id").unwrap().as_str()),
        (403, page.header("x-request-id"))
    );
    watched.check(&page, "/sign-in/denied", "page", &denied.from(Some("sentry")));
    watched.nothing_leaked();
}

#[tokio::test]
async fn of_a_sign_in_of_somebody_else() {
    let mut watched = Watched::new("").await;
    let app = &watched.app;
    let standard = app.standard();
    let hint = standard.tokens(&mut app.browser(), "ines").await.id.unwrap();
    let request = standard.request().with("id_token_hint", &hint);
    let mut browser = app.browser();
    let tx = browser.begin(&request.authorize()).await;
    let told = Told::of("login_required", "id_token_hint").because("names somebody else");
    watched.redirect(&browser.fly(&tx, "leo").await, &told, "/connectors/fly/callback");
    let silent = request.with("prompt", "none").authorize();
    let told = Told::of("login_required", "id_token_hint").because("the session is of another person");
    watched.redirect(&browser.get(&silent).await, &told, AUTHORIZE);
    watched.keep_secret(&hint);
    watched.nothing_leaked();
}

#[tokio::test]
async fn of_what_the_person_was_not_asked_or_did_not_allow() {
    const CONSENT: &str = "/sign-in/consent";
    let outside = "[[clients]]\nid = \"outside\"\nname = \"Tideline\"\nfirst_party = false\n\
                   secret = \"the secret of outside\"\nredirect_uris = [\"https://rp.test/cb\"]";
    let watched = Watched::new(outside).await;
    let request = Rp::new(&watched.app, "outside").request();
    let mut browser = watched.app.browser();
    browser.sign_in_with_fly("leo").await;
    let silent = request.clone().with("prompt", "none").authorize();
    let told = Told::of("consent_required", "prompt").from(Some("outside")).received("none");
    watched.redirect(&browser.get(&silent).await, &told, AUTHORIZE);
    let place = browser.get(&request.authorize()).await.location();
    assert!(browser.get(&place).await.shows("consent-form"));
    let answer = browser.post_form(&place, &[("answer", "deny")]).await;
    let told = Told { parameter: None, ..Told::of("access_denied", "") }.from(Some("outside"));
    watched.redirect(&answer, &told, CONSENT);
    watched.nothing_leaked();
}

#[tokio::test]
async fn of_a_session_that_is_not_what_the_client_asks_for() {
    let mut watched = Watched::new("").await;
    let rp = watched.app.standard();
    let others = rp.tokens(&mut watched.app.browser(), "ines").await.id.unwrap();
    watched.keep_secret(&others);
    let mut browser = watched.app.browser();
    browser.sign_in_with_fly("leo").await;
    watched.app.advance(Duration::from_secs(3));
    let silent = rp.request().with("prompt", "none");
    let other = r#"{"id_token":{"sub":{"value":"somebody-else"}}}"#;
    let password = r#"{"id_token":{"acr":{"essential":true,"values":["https://login.test/acr/password"]}}}"#;
    for (name, value, reason) in [
        ("id_token_hint", others.as_str(), "of another person"),
        ("max_age", "2", "longer ago"),
        ("claims", other, "of another person than the sub"),
        ("claims", password, "in another way than the acr"),
    ] {
        let told = Told::of("login_required", name).because(reason);
        watched.redirect(&browser.get(&silent.clone().with(name, value).authorize()).await, &told, AUTHORIZE);
    }
    watched.nothing_leaked();
}

/// What lies in the store in place of a record that somebody broke.
#[derive(Serialize, Deserialize)]
struct Broken {}

impl Stored for Broken {}

#[tokio::test]
async fn of_an_internal_fault() {
    let watched = Watched::new("").await;
    let app = &watched.app;
    let mut browser = app.browser();
    browser.sign_in_with_fly("leo").await;
    let key = keys::organization(&app.organization("saltmarsh-labs")).into_key();
    let mut txn = app.store.txn(key.partition().clone());
    txn.put(&TypedKey::<Broken>::new(key), &Broken {}).unwrap();
    assert_eq!(app.store.commit(txn).await.unwrap(), Outcome::Committed);
    let told = Told { parameter: None, ..Told::of("server_error", "") }.because("Our records cannot be used: ");
    let answer = browser.get(&app.standard().authorize()).await;
    watched.redirect(&answer, &told, AUTHORIZE);
    assert_eq!(watched.line(&answer, AUTHORIZE)["level"], "ERROR");

    let page = browser.get(&app.sentry().authorize()).await;
    assert_eq!(
        (page.status.as_u16(), page.element("error-id").unwrap().as_str()),
        (500, page.header("x-request-id"))
    );
    assert!(page.element("error-side").unwrap().contains("The fault is on our side"));
    let line = watched.line(&page, AUTHORIZE);
    assert_eq!((&line["level"], &line["span"]["client"]), (&json!("ERROR"), &json!("sentry")));
}
