//! `GET /oauth/token/info`: what Sentry's Fly provider asks after a sign-in, in the shape Fly.io answers.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, Method, header};
use axum::response::{IntoResponse, Response};

use super::dpop::Dpop;
use super::userinfo::{Refusal, Scheme, Sent, authenticate};
use crate::domain::authorize::ScopeValue;
use crate::domain::claims::{Application, TokenInfo, TokenInfoOrganization};
use crate::domain::client::Subject;
use crate::http::error::OAuthFailure;
use crate::http::web::Web;
use crate::services::grants::{Grants, Opened};

pub async fn get(
    State(web): State<Arc<Web>>,
    State(grants): State<Arc<Grants>>,
    State(dpop): State<Arc<Dpop>>,
    method: Method,
    headers: HeaderMap,
) -> Result<Response, OAuthFailure> {
    let sent = Sent { method: &method, path: "/oauth/token/info", headers: &headers, in_form: None };
    let authenticated = authenticate(&grants, &dpop, &sent).await?;
    let Opened { client, user, organizations } = authenticated.opened;
    // All of it is told at once, so a client whose person was asked needs the scope that stands for all of it.
    if !client.first_party && !authenticated.token.scope.contains(ScopeValue::Read) {
        return Err(Refusal::Read.to(Scheme::of(authenticated.token.key)));
    }
    let id = match client.subject {
        Subject::FlyUserId => user.fly_id.to_string(),
        Subject::UserId => user.id.to_string(),
    };
    let organizations = organizations.iter().filter_map(|judged| {
        let role = judged.verdict.ok()?;
        Some(TokenInfoOrganization { id: judged.organization.id.clone(), role })
    });
    let left = authenticated.token.expires_at.since(web.clock.now()).as_secs();
    let info = TokenInfo {
        resource_owner_id: id.clone(),
        user_id: id,
        user_name: user.name,
        email: user.email,
        organizations: organizations.collect(),
        scope: authenticated.token.scope.to_string().split(' ').map(str::to_owned).collect(),
        expires_in: i64::try_from(left).unwrap_or(0),
        application: Application { uid: client.id.to_string() },
        created_at: authenticated.token.issued_at.as_seconds(),
        sub: user.id,
    };
    Ok(([(header::CACHE_CONTROL, HeaderValue::from_static("no-store"))], Json(info)).into_response())
}
