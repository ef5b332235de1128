//! Every refusal of the provider, as the person reads it and as the developers of the client find it: one sentence about
//! what is wrong, whose side it is on, what to do; and by the id on the page, in the redirect or in the JSON, one line in
//! the log that names the client, the endpoint and the parameter, and no secret.

#[path = "refusals/api.rs"]
mod api;
#[path = "refusals/authorize.rs"]
mod authorize;
#[path = "refusals/back.rs"]
mod back;
#[path = "refusals/logout.rs"]
mod logout;
#[path = "refusals/tokens.rs"]
mod tokens;

use axum::body::Body;
use axum::http::Request;
use flybridge::telemetry::{LogFormat, subscriber};
use serde_json::Value;
use tracing::subscriber::DefaultGuard;

use crate::support::answer::Answer;
use crate::support::app::{Options, TestApp};
use crate::support::browser_client::send;
use crate::support::log::Lines;
use crate::support::relying_party::{Parameters, STATE, VERIFIER};

/// Sent in requests, and never to be found in the log.
const NONCE: &str = "nonce-of-the-client-81c4";
const HINT: &str = "aGludA.aGludC1vZi1zb21lYm9keQ.c2lnbmF0dXJl";

/// Secrets of the clients: those that are right, and those that are sent.
const SECRETS: [&str; 6] = [
    "the secret of sentry-fly",
    "the secret of sentry-oidc",
    "the secret of standard",
    "another secret of standard",
    "a guess at the secret of standard",
    "the secret of jwt",
];

/// Of a client, in the form that an id could have.
const SECRET: &str = "Kingfisher-0f-the-lower-weir-9c41f07e";

const NAMED: &str = "The fault is at Grafana, not with you. Go back there and start again.";
const UNNAMED: &str = "The fault is at the application you came from, not with you. Go back there and start again.";

/// What a refusal has to say to its readers.
#[derive(Debug, Clone, Copy)]
struct Told<'a> {
    /// As the client knows it.
    error: &'a str,
    /// The client, if it can be known.
    client: Option<&'a str>,
    parameter: Option<&'a str>,
    /// What came in the parameter, if it may be written down.
    received: Option<&'a str>,
    /// Part of the reason, where the log gives one beside the description.
    reason: &'a str,
}

impl<'a> Told<'a> {
    const fn of(error: &'a str, parameter: &'a str) -> Self {
        Self { error, client: Some("standard"), parameter: Some(parameter), received: None, reason: "" }
    }

    const fn from(self, client: Option<&'a str>) -> Self {
        Self { client, ..self }
    }

    const fn received(self, received: &'a str) -> Self {
        Self { received: Some(received), ..self }
    }

    const fn because(self, reason: &'a str) -> Self {
        Self { reason, ..self }
    }
}

/// A program whose log is read.
struct Watched {
    app: TestApp,
    lines: Lines,
    secrets: Vec<String>,
    _guard: DefaultGuard,
}

impl Watched {
    async fn new(config: &str) -> Self {
        let app = TestApp::with(Options { config: config.to_owned(), ..Options::default() }).await;
        let lines = Lines::default();
        let writer = lines.clone();
        let log = subscriber(LogFormat::Json, "info".parse().unwrap(), move || writer.clone());
        let secrets = SECRETS.iter().chain([&STATE, &VERIFIER, &NONCE, &HINT]).map(|text| (*text).to_owned());
        Self { app, lines, secrets: secrets.collect(), _guard: tracing::subscriber::set_default(log) }
    }

    /// From now on nobody may find it in the log.
    fn keep_secret(&mut self, text: &str) {
        assert!(text.len() > 8, "too short to be looked for: {text}");
        self.secrets.push(text.to_owned());
    }

    /// The line about an answer, found by its id. What else its request left says how it was answered, and no more.
    #[track_caller]
    fn line(&self, answer: &Answer, route: &str) -> Value {
        let id = answer.header("x-request-id");
        let log = self.lines.text();
        let events = log.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
        let (mut about, rest): (Vec<Value>, Vec<Value>) = (events.filter(|event| event["span"]["id"] == id))
            .partition(|event| event["message"] == "refused" || event["message"] == "failed");
        assert_eq!(about.len(), 1, "{about:?} {}", answer.said());
        assert!(rest.iter().all(|event| event["message"] == "answered"), "{rest:?}");
        let line = about.remove(0);
        assert_eq!(line["span"]["route"], route, "{line}");
        line
    }

    #[track_caller]
    fn check(&self, answer: &Answer, route: &str, way: &str, told: &Told<'_>) {
        let line = self.line(answer, route);
        let text = |value: &Value| value.as_str().map(str::to_owned);
        assert_eq!(line["answer"], way, "{line}");
        assert_eq!(line["error"], told.error, "{line}");
        assert_eq!(text(&line["span"]["client"]).as_deref(), told.client, "{line}");
        assert_eq!(text(&line["parameter"]).as_deref(), told.parameter, "{line}");
        assert_eq!(text(&line["received"]).as_deref(), told.received, "{line}");
        let reason = text(&line["reason"]).unwrap_or_default();
        assert!(reason.contains(told.reason) && (told.reason.is_empty() == reason.is_empty()), "{line}");
        assert!(!line["description"].as_str().unwrap().is_empty(), "{line}");
    }

    /// A page: what is wrong, whose side it is on, what to do, and the id under which the log tells more.
    #[track_caller]
    fn page(&self, answer: &Answer, (status, side): (u16, &str), told: &Told<'_>, route: &str) {
        assert_eq!(answer.status.as_u16(), status, "{told:?} {}", answer.said());
        assert!(!answer.headers.contains_key("location"), "{told:?}");
        let said = answer.element("error-side").unwrap_or_else(|| panic!("{told:?} {}", answer.said()));
        assert!(said.contains(side), "{told:?} {said}");
        assert!(answer.element("error-title").is_some_and(|title| !title.is_empty()), "{told:?}");
        assert!(answer.element("error-message").unwrap().ends_with('.'), "{told:?}");
        let what_to_do = said.contains("Go back there") || answer.text().contains("class=\"actions\"");
        assert!(what_to_do, "{told:?} {}", answer.text());
        assert_eq!(answer.element("error-id").unwrap(), answer.header("x-request-id"), "{told:?}");
        self.check(answer, route, "page", told);
    }

    /// JSON that carries the id.
    #[track_caller]
    fn json(&self, answer: &Answer, status: u16, told: &Told<'_>, route: &str) {
        assert_eq!(answer.status.as_u16(), status, "{told:?} {}", answer.said());
        let json = answer.json();
        assert_eq!(json["error"], told.error, "{told:?} {json}");
        assert_eq!(json["request_id"], answer.header("x-request-id"), "{told:?} {json}");
        self.check(answer, route, "json", told);
    }

    /// An error that goes to the client through the browser, in a query or in a form.
    #[track_caller]
    fn redirect(&self, answer: &Answer, told: &Told<'_>, route: &str) {
        let sent = if answer.shows("form-post") { answer.posted().1 } else { answer.sent_back() };
        assert_eq!(sent["error"], told.error, "{told:?} {sent:?}");
        assert!(!sent["error_description"].is_empty(), "{told:?} {sent:?}");
        self.check(answer, route, "redirect", told);
    }

    /// Nothing that was kept secret stands in the log, as it is or encoded.
    #[track_caller]
    fn nothing_leaked(&self) {
        let log = self.lines.text();
        assert!(log.contains("refused"), "there is a log");
        for secret in &self.secrets {
            let encoded: String = url::form_urlencoded::byte_serialize(secret.as_bytes()).collect();
            assert!(!log.contains(secret.as_str()) && !log.contains(&encoded), "{secret} is in the log");
        }
    }
}

/// The answers to a request by GET, and by POST from the client's own site.
async fn both(watched: &Watched, path: &str, request: &Parameters) -> [Answer; 2] {
    let get = Request::get(format!("{path}?{}", request.encode())).body(Body::empty()).unwrap();
    let post = Request::post(path)
        .header("content-type", "application/x-www-form-urlencoded")
        .header("sec-fetch-site", "cross-site")
        .body(Body::from(request.encode()))
        .unwrap();
    let mut posted = send(&watched.app.router, post).await;
    if posted.header("location").starts_with(path) {
        let again = Request::get(posted.header("location")).body(Body::empty()).unwrap();
        posted = send(&watched.app.router, again).await;
    }
    [send(&watched.app.router, get).await, posted]
}

async fn watched_with_a_secret() -> Watched {
    let client = format!(
        "[[clients]]\nid = \"kingfisher\"\nname = \"Grafana\"\nsecret = \"{SECRET}\"\n\
         redirect_uris = [\"https://rp.test/cb\"]"
    );
    let mut watched = Watched::new(&client).await;
    watched.keep_secret(SECRET);
    watched
}
