//! The machine API: what clients do in their own name.

#[path = "api/access.rs"]
mod access;
#[path = "api/changes.rs"]
mod changes;
#[path = "api/document.rs"]
mod document;
#[path = "api/once.rs"]
mod once;
#[path = "api/shape.rs"]
mod shape;
#[path = "api/whole_run.rs"]
mod whole_run;

use axum::Router;
use axum::body::Body;
use axum::http::Request;
use serde_json::{Value, json};

use crate::support::answer::Answer;
use crate::support::app::{ISSUER, Options, TestApp};
use crate::support::browser_client::send;
use crate::support::relying_party::{Parameters, Rp, Tokens};

pub(super) const MACHINES: &str = r#"
[[clients]]
id = "machine"
name = "Sentry's back end"
machine_scopes = ["organizations:read", "organizations:disable"]
secret = "the secret of machine"
redirect_uris = ["https://rp.test/cb"]
[[clients]]
id = "other-machine"
name = "A script"
machine_scopes = ["organizations:read", "organizations:disable"]
secret = "the secret of other-machine"
redirect_uris = ["https://rp.test/cb"]
[[clients]]
id = "bound"
name = "A script with a key"
dpop_bound_access_tokens = true
machine_scopes = ["organizations:read", "organizations:disable"]
secret = "the secret of bound"
redirect_uris = ["https://rp.test/cb"]
"#;

pub(super) const ORGANIZATION: &str = "/api/v1/organizations/saltmarsh-labs";
pub(super) const DISABLE: &str = "/api/v1/organizations/saltmarsh-labs/disable-fly-auth";
const ENABLE: &str = "/api/v1/organizations/saltmarsh-labs/enable-fly-auth";

/// A client with a token, at one of the nodes.
#[derive(Clone)]
pub(super) struct Machine {
    router: Router,
    pub(super) authorization: String,
}

async fn program() -> TestApp {
    TestApp::with(Options { config: MACHINES.to_owned(), ..Options::default() }).await
}

impl Machine {
    /// With a token for all that the client may do.
    pub(super) async fn new(app: &TestApp) -> Self {
        Self::of(app, "machine", None).await
    }

    pub(super) async fn of(app: &TestApp, client: &'static str, scope: Option<&str>) -> Self {
        let form = Parameters::of(&[("grant_type", "client_credentials")]);
        let form = scope.into_iter().fold(form, |form, scope| form.and("scope", scope));
        let token = Tokens::of(&Rp::new(app, client).token(form).await).access;
        Self { router: app.router.clone(), authorization: format!("Bearer {token}") }
    }

    /// With a token that was given at this node.
    async fn from(app: &TestApp, router: &Router) -> Self {
        let form = Parameters::of(&[("grant_type", "client_credentials")]);
        let token = Tokens::of(&Rp::new(app, "machine").at(router).token(form).await).access;
        Self { router: router.clone(), authorization: format!("Bearer {token}") }
    }

    fn at(&self, router: &Router) -> Self {
        Self { router: router.clone(), ..self.clone() }
    }

    /// Sends JSON, or nothing, with these headers.
    pub(super) async fn ask(
        &self,
        method: &str,
        path: &str,
        body: Option<&Value>,
        headers: &[(&str, &str)],
    ) -> Answer {
        let request = Request::builder().method(method).uri(path).header("authorization", &self.authorization);
        let request = headers.iter().fold(request, |request, (name, value)| request.header(*name, *value));
        let request = match body {
            Some(body) => {
                request.header("content-type", "application/json").body(Body::from(body.to_string())).unwrap()
            }
            None => request.body(Body::empty()).unwrap(),
        };
        send(&self.router, request).await
    }

    /// Posts a text of that kind.
    pub(super) async fn raw(&self, path: &str, kind: &str, text: &str) -> Answer {
        let request = Request::post(path).header("authorization", &self.authorization).header("content-type", kind);
        send(&self.router, request.body(Body::from(text.to_owned())).unwrap()).await
    }

    pub(super) async fn get(&self, path: &str) -> Answer {
        self.ask("GET", path.strip_prefix(ISSUER).unwrap_or(path), None, &[]).await
    }

    pub(super) async fn post(&self, path: &str, body: &Value) -> Answer {
        self.ask("POST", path, Some(body), &[]).await
    }

    async fn post_once(&self, path: &str, body: &Value, key: &str) -> Answer {
        self.ask("POST", path, Some(body), &[("idempotency-key", key)]).await
    }
}

/// Somebody of the world as Sentry's Fly provider knows them.
pub(super) fn as_fly(app: &TestApp, who: &str) -> Value {
    json!({ "acting_user": { "fly_user_id": app.fly.world().person(who).unwrap().user_id } })
}

/// A problem with this code, as RFC 9457 has it.
#[track_caller]
pub(super) fn problem(answer: &Answer, status: u16, code: &str) -> Value {
    assert_eq!(answer.status.as_u16(), status, "{code}: {}", answer.said());
    assert_eq!(answer.header("content-type"), "application/problem+json", "{code}");
    assert_eq!(answer.header("cache-control"), "no-store", "{code}");
    let json = answer.json();
    assert_eq!((&json["code"], &json["status"]), (&json!(code), &json!(status)), "{json}");
    assert_eq!(json["request_id"], answer.header("x-request-id"), "{json}");
    assert_eq!(json["type"], format!("{ISSUER}/api/v1/openapi.json#/components/responses/{code}"));
    for sentence in ["detail", "what_to_do"] {
        assert!(json[sentence].as_str().unwrap().ends_with('.'), "{json}");
    }
    shape::check_problem(&json);
    json
}

/// What an answer of success says, held against the description.
#[track_caller]
fn good(answer: &Answer, status: u16, schema: &str) -> Value {
    assert_eq!(answer.status.as_u16(), status, "{schema}: {}", answer.said());
    assert_eq!(answer.header("content-type"), "application/json", "{schema}");
    let json = answer.json();
    shape::check(&json, schema);
    json
}

/// The address of the run that an answer names.
fn run_path(answer: &Value) -> String {
    answer["run"]["url"].as_str().unwrap().strip_prefix(ISSUER).unwrap().to_owned()
}
