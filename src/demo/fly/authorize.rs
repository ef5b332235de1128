//! `GET /oauth/authorize`: who is there, and do they agree. Without a memory: the form carries the request.

use askama::Template;
use axum::extract::rejection::{FormRejection, QueryRejection};
use axum::extract::{Form, Query, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use serde::{Deserialize, Serialize};
use url::Url;

use super::faults::{Endpoint, Verdict};
use super::grants::Code;
use super::{FlyStandIn, page};
use crate::demo::Links;
use crate::demo::world::Person;

/// The parameters as sent. A repeated one does not read, as OAuth wants it (RFC 6749, section 3.1).
#[derive(Debug, Clone, Default, Deserialize, Serialize)]
#[serde(default)]
pub(super) struct Parameters {
    client_id: String,
    redirect_uri: String,
    response_type: String,
    scope: String,
    state: Option<String>,
    code_challenge: Option<String>,
    code_challenge_method: Option<String>,
}

/// The consent form: the request again, and the decision.
#[derive(Debug, Deserialize)]
pub(super) struct Decision {
    #[serde(flatten)]
    request: Parameters,
    user: Option<String>,
    approve: Option<String>,
}

/// Why there is no code.
enum Refusal {
    /// Shown here: the redirect URI is not to be trusted.
    Page { title: &'static str, text: String },
    /// Told to the application.
    Back { error: &'static str, description: &'static str },
}

#[derive(Template)]
#[template(path = "demo/fly_consent.html")]
struct Consent<'a> {
    links: &'a Links,
    request: &'a Parameters,
    people: Vec<Choice>,
}

struct Choice {
    key: String,
    label: String,
}

pub(super) async fn ask(
    State(fly): State<FlyStandIn>,
    parameters: Result<Query<Parameters>, QueryRejection>,
) -> Response {
    if let Verdict::Answer(response) = fly.0.faults.meet(Endpoint::Authorize).await {
        return response;
    }
    let Ok(Query(request)) = parameters else {
        return unreadable(&fly);
    };
    if let Err(refusal) = check(&fly, &request) {
        return refused(&fly, &request, refusal);
    }
    let world = fly.world();
    let choice = |person: &Person| Choice {
        key: person.key.clone(),
        label: format!("{}, {}", person.name, world.standing(person)),
    };
    let people = world.people.iter().map(choice).collect();
    page::html(StatusCode::OK, &Consent { links: &fly.0.settings.links, request: &request, people })
}

pub(super) async fn decide(
    State(fly): State<FlyStandIn>,
    headers: HeaderMap,
    decision: Result<Form<Decision>, FormRejection>,
) -> Response {
    let Ok(Form(decision)) = decision else {
        return unreadable(&fly);
    };
    if page::sent_from_elsewhere(&headers) {
        let text = "The answer came from a page of another site.".to_owned();
        return refused(&fly, &decision.request, Refusal::Page { title: "Not taken", text });
    }
    if let Err(refusal) = check(&fly, &decision.request) {
        return refused(&fly, &decision.request, refusal);
    }
    if decision.approve.is_none() {
        let denied = Refusal::Back {
            error: "access_denied",
            description: "The resource owner or authorization server denied the request.",
        };
        return refused(&fly, &decision.request, denied);
    }
    approve(&fly, &decision)
}

fn approve(fly: &FlyStandIn, decision: &Decision) -> Response {
    let request = &decision.request;
    let chosen = decision.user.as_deref().unwrap_or_default();
    let issued_at = fly.0.clock.now();
    let code = fly.update(|state| {
        let user_id = state.world.person(chosen)?.user_id.clone();
        let code = Code {
            client_id: request.client_id.clone(),
            redirect_uri: request.redirect_uri.clone(),
            user_id,
            challenge: request.code_challenge.clone(),
            issued_at,
        };
        Some(state.grants.issue_code(code, &*fly.0.random))
    });
    let Some(code) = code else {
        let text = "The stand-in does not know the person who was chosen.".to_owned();
        return refused(fly, request, Refusal::Page { title: "Nobody was chosen", text });
    };
    back(request, &[("code", &code)])
}

/// Doorkeeper's order: what makes the redirect untrustworthy first, then the rest.
fn check(fly: &FlyStandIn, request: &Parameters) -> Result<(), Refusal> {
    let page = |text: &str| Refusal::Page { title: "Fly.io does not accept this request", text: text.to_owned() };
    let application = fly.application(&request.client_id).ok_or_else(|| {
        page(
            "Client authentication failed due to unknown client, no client authentication included, or unsupported \
              authentication method.",
        )
    })?;
    if !application.redirect_uris.contains(&request.redirect_uri) {
        return Err(page("The requested redirect uri is malformed or doesn't match client redirect URI."));
    }
    if request.response_type != "code" {
        let description = "The authorization server does not support this response type.";
        return Err(Refusal::Back { error: "unsupported_response_type", description });
    }
    if request.scope != "read" {
        let description = "The requested scope is invalid, unknown, or malformed.";
        return Err(Refusal::Back { error: "invalid_scope", description });
    }
    match (&request.code_challenge, request.code_challenge_method.as_deref()) {
        (None, None) | (Some(_), Some("S256")) => Ok(()),
        _ => Err(Refusal::Back {
            error: "invalid_code_challenge_method",
            description: "The code challenge method must be S256.",
        }),
    }
}

fn unreadable(fly: &FlyStandIn) -> Response {
    let text = "The request has a parameter twice, or does not read as one.".to_owned();
    refused(fly, &Parameters::default(), Refusal::Page { title: "Fly.io does not accept this request", text })
}

fn refused(fly: &FlyStandIn, request: &Parameters, refusal: Refusal) -> Response {
    match refusal {
        Refusal::Back { error, description } => {
            back(request, &[("error", error), ("error_description", description)])
        }
        Refusal::Page { title, text } => {
            let links = &fly.0.settings.links;
            let hint = "Go back to where you came from and start again.";
            let message = page::Message { links, title, text: &text, hint, way_on: ("/", "People at Fly.io") };
            page::html(StatusCode::BAD_REQUEST, &message)
        }
    }
}

/// Only called after [`check`] has found the redirect URI among the registered ones.
fn back(request: &Parameters, answer: &[(&str, &str)]) -> Response {
    let Ok(mut url) = Url::parse(&request.redirect_uri) else {
        return page::redirect(&request.redirect_uri);
    };
    url.query_pairs_mut().extend_pairs(answer);
    if let Some(state) = &request.state {
        url.query_pairs_mut().append_pair("state", state);
    }
    page::redirect(url.as_str())
}
