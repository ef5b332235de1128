//! `POST /oauth/introspect` (RFC 7662): whether a token of the asking client is good, and what it stands for.

use std::sync::Arc;

use axum::Json;
use axum::extract::{RawQuery, State};
use axum::http::{HeaderMap, HeaderValue, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use serde_json::json;

use super::dpop::token_type;
use super::token::{TokenEndpoint, missing};
use crate::domain::claims::{Confirmation, OrganizationClaim};
use crate::domain::client::Client;
use crate::domain::consent::{Permission, tells};
use crate::domain::machine::MachineToken;
use crate::domain::secret::TokenKind;
use crate::http::error::OAuthFailure;
use crate::http::web::{Visitor, Web};
use crate::services::access::Judged;
use crate::services::grants::inspect::Active;

/// RFC 7662, section 2.2. Everything else is `{"active":false}`.
#[derive(Serialize)]
struct Answer<'a> {
    active: bool,
    iss: &'a str,
    client_id: &'a str,
    sub: &'a str,
    scope: String,
    /// Only of an access token (RFC 7662 names the type of RFC 6749, section 5.1).
    #[serde(skip_serializing_if = "Option::is_none")]
    token_type: Option<&'static str>,
    /// The key that the token is bound to (RFC 9449, section 6.2).
    #[serde(skip_serializing_if = "Option::is_none")]
    cnf: Option<Confirmation>,
    iat: i64,
    exp: i64,
    /// What the token opens at this moment, if it stands for a person and the client may know it.
    #[serde(skip_serializing_if = "Option::is_none")]
    organizations: Option<Vec<OrganizationClaim>>,
}

pub async fn post(
    State(web): State<Arc<Web>>,
    State(endpoint): State<Arc<TokenEndpoint>>,
    visitor: Visitor,
    headers: HeaderMap,
    RawQuery(query): RawQuery,
    body: String,
) -> Result<Response, OAuthFailure> {
    let (client, form) = endpoint.form("/oauth/introspect", &visitor, &headers, (query.as_deref(), &body)).await?;
    // A hint about the kind is not needed: the token says it (RFC 7662, section 2.1).
    let token = form.one("token")?.ok_or_else(|| missing("token is missing").about("token"))?;
    let no_store = [(header::CACHE_CONTROL, HeaderValue::from_static("no-store"))];
    if let Some(active) = endpoint.grants.introspect(&client, token).await? {
        return Ok((no_store, Json(answer(&web, &client, &active))).into_response());
    }
    let own = endpoint.grants.machine_token(token).await?.filter(|own| own.client == client.id);
    Ok(match own {
        Some(own) => (no_store, Json(of_client(&web, &own))).into_response(),
        None => (no_store, Json(json!({ "active": false }))).into_response(),
    })
}

/// A token without a person is about its client (RFC 9068, section 2.2, says so of `sub`).
fn of_client<'a>(web: &'a Web, own: &'a MachineToken) -> Answer<'a> {
    Answer {
        active: true,
        iss: web.issuer.as_str(),
        client_id: own.client.as_str(),
        sub: own.client.as_str(),
        scope: own.scopes.to_string(),
        token_type: Some(token_type(own.key)),
        cnf: own.key.map(|jkt| Confirmation { jkt }),
        iat: own.issued_at.as_seconds(),
        exp: own.expires_at.as_seconds(),
        organizations: None,
    }
}

fn answer<'a>(web: &'a Web, client: &Client, active: &'a Active) -> Answer<'a> {
    let told = tells(client, &active.scope, &active.grant.claims, Permission::Organizations);
    Answer {
        active: true,
        iss: web.issuer.as_str(),
        client_id: active.grant.client.as_str(),
        sub: active.grant.user.as_str(),
        scope: active.scope.to_string(),
        token_type: (active.kind == TokenKind::AccessToken).then(|| token_type(active.key)),
        cnf: active.key.map(|jkt| Confirmation { jkt }),
        iat: active.issued_at.as_seconds(),
        exp: active.expires_at.as_seconds(),
        organizations: told.then(|| active.opened.iter().filter_map(Judged::claim).collect()),
    }
}
