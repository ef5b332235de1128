//! `POST /oauth/revoke` (RFC 7009): a client gives back a token that it no longer needs.

use std::sync::Arc;

use axum::extract::{RawQuery, State};
use axum::http::{HeaderMap, StatusCode};

use super::token::{TokenEndpoint, missing};
use crate::http::error::OAuthFailure;
use crate::http::web::Visitor;

/// 200 whether there was such a token or not: either way the client has none afterwards (RFC 7009, section 2.2).
pub async fn post(
    State(endpoint): State<Arc<TokenEndpoint>>,
    visitor: Visitor,
    headers: HeaderMap,
    RawQuery(query): RawQuery,
    body: String,
) -> Result<StatusCode, OAuthFailure> {
    let (client, form) = endpoint.form("/oauth/revoke", &visitor, &headers, (query.as_deref(), &body)).await?;
    let token = form.one("token")?.ok_or_else(|| missing("token is missing").about("token"))?;
    endpoint.grants.give_back(&client, token).await?;
    Ok(StatusCode::OK)
}
