//! `GET /oauth/token/info`: whose token it is, and in which organizations that person is now.

use axum::extract::State;
use axum::http::header::{AUTHORIZATION, WWW_AUTHENTICATE};
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::response::Response;
use serde_json::{Value, json};

use super::faults::{Endpoint, Fault, Verdict};
use super::grants::{ACCESS_TOKEN_LIFE, Token};
use super::{FlyStandIn, json};
use crate::clock::Timestamp;
use crate::demo::world::Person;

pub(super) async fn tell(State(fly): State<FlyStandIn>, headers: HeaderMap) -> Response {
    let fault = match fly.0.faults.meet(Endpoint::Info).await {
        Verdict::Answer(response) => return response,
        Verdict::Go(fault) => fault,
    };
    let now = fly.0.clock.now();
    let found = bearer(&headers).and_then(|access_token| {
        let state = fly.lock();
        let token = state.grants.access(access_token, now)?;
        let person = state.world.person(&token.user_id)?;
        Some(describe(token, person, now))
    });
    match (found, fault) {
        (_, Some(Fault::LoseAnswer)) => json(StatusCode::BAD_GATEWAY, &json!({"error": "bad_gateway"})),
        (Some(body), fault) => json(StatusCode::OK, &spoilt(body, fault)),
        (None, _) => refuse(),
    }
}

/// The scheme is compared without case (RFC 9110, section 11.1).
fn bearer(headers: &HeaderMap) -> Option<&str> {
    let (scheme, token) = headers.get(AUTHORIZATION)?.to_str().ok()?.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}

fn describe(token: &Token, person: &Person, now: Timestamp) -> Value {
    let organizations: Vec<Value> = person
        .memberships
        .iter()
        .map(|membership| json!({"id": membership.organization_id, "role": membership.role.as_str()}))
        .collect();
    let left = token.created_at.plus(ACCESS_TOKEN_LIFE).since(now).as_secs();
    json!({
        "resource_owner_id": person.user_id,
        "user_id": person.user_id,
        "user_name": person.name,
        "email": person.email,
        "organizations": organizations,
        "scope": ["read"],
        "expires_in": left,
        "application": {"uid": token.client_id},
        "created_at": token.created_at.as_seconds(),
    })
}

fn spoilt(mut body: Value, fault: Option<Fault>) -> Value {
    match fault {
        Some(Fault::WrongApplication) => body["application"]["uid"] = json!("another-application"),
        Some(Fault::OtherResourceOwner) => body["resource_owner_id"] = json!("x0x0x0x0x0x0x0x0"),
        _ => {}
    }
    body
}

fn refuse() -> Response {
    let body = json!({"error": "invalid_token", "error_description": "The access token is invalid"});
    let mut response = json(StatusCode::UNAUTHORIZED, &body);
    let challenge = HeaderValue::from_static(
        "Bearer realm=\"Doorkeeper\", error=\"invalid_token\", error_description=\"The access token is invalid\"",
    );
    response.headers_mut().insert(WWW_AUTHENTICATE, challenge);
    response
}
