//! Userinfo (OIDC Core, section 5.3), and the bearer token that it and `token/info` take (RFC 6750).

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};

use crate::domain::authorize::{Scope, ScopeValue};
use crate::domain::claims::{OrganizationClaim, PersonClaims, UserInfo};
use crate::domain::parameters::Parameters;
use crate::domain::user::User;
use crate::http::error::OAuthFailure;
use crate::services::access::Judged;
use crate::services::directory::Directory;
use crate::services::grants::{Authenticated, Grants};

/// `GET /oauth/userinfo`
pub async fn get(
    State(grants): State<Arc<Grants>>,
    State(directory): State<Arc<Directory>>,
    headers: HeaderMap,
) -> Result<Response, OAuthFailure> {
    userinfo(&grants, &directory, &headers, None).await.map(readable_everywhere)
}

/// `POST /oauth/userinfo`: the token in the header or in the form (RFC 6750, section 2.2).
pub async fn post(
    State(grants): State<Arc<Grants>>,
    State(directory): State<Arc<Directory>>,
    headers: HeaderMap,
    body: String,
) -> Result<Response, OAuthFailure> {
    let form = Parameters::parse(&body);
    let token = form.one("access_token")?.map(str::to_owned);
    userinfo(&grants, &directory, &headers, token).await.map(readable_everywhere)
}

/// Clients that run in a browser read userinfo from their own origin; `token/info` is for servers.
fn readable_everywhere(mut response: Response) -> Response {
    response.headers_mut().insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*"));
    response
}

async fn userinfo(
    grants: &Grants,
    directory: &Directory,
    headers: &HeaderMap,
    in_form: Option<String>,
) -> Result<Response, OAuthFailure> {
    let authenticated = match bearer(grants, headers, in_form).await? {
        Ok(authenticated) => authenticated,
        Err(refusal) => return Ok(refusal.into_response()),
    };
    let scope = &authenticated.token.scope;
    if !scope.contains(ScopeValue::OpenId) {
        return Ok(Refusal::Scope.into_response());
    }
    let Some(user) = directory.user(&authenticated.grant.user).await? else {
        return Ok(Refusal::Invalid.into_response());
    };
    let person = person_claims(&user.value, scope, &authenticated.opened);
    let headers = [(header::CACHE_CONTROL, HeaderValue::from_static("no-store"))];
    Ok((headers, Json(UserInfo { sub: user.value.id, person })).into_response())
}

/// The claims that a scope gives (OIDC Core, section 5.4).
#[must_use]
pub fn person_claims(user: &User, scope: &Scope, opened: &[Judged]) -> PersonClaims {
    let email = user.email.clone().filter(|_| scope.contains(ScopeValue::Email));
    let organizations = || opened.iter().filter_map(Judged::claim).collect::<Vec<OrganizationClaim>>();
    PersonClaims {
        name: scope.contains(ScopeValue::Profile).then(|| user.name.clone()),
        // Fly.io's addresses are confirmed by Fly.io.
        email_verified: email.is_some().then_some(true),
        email,
        organizations: scope.contains(ScopeValue::Organizations).then(organizations),
    }
}

/// Why a bearer token is not accepted (RFC 6750, section 3.1).
#[derive(Debug, Clone, Copy)]
pub enum Refusal {
    /// No token at all: the challenge names no error.
    Missing,
    Invalid,
    Scope,
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let (status, challenge) = match self {
            Self::Missing => (StatusCode::UNAUTHORIZED, "Bearer realm=\"flybridge\""),
            Self::Invalid => (
                StatusCode::UNAUTHORIZED,
                "Bearer realm=\"flybridge\", error=\"invalid_token\", error_description=\"The access token is invalid\"",
            ),
            Self::Scope => {
                (StatusCode::FORBIDDEN, "Bearer realm=\"flybridge\", error=\"insufficient_scope\", scope=\"openid\"")
            }
        };
        let body = match self {
            Self::Missing => {
                serde_json::json!({ "error": "invalid_request", "error_description": "No access token" })
            }
            Self::Invalid => {
                serde_json::json!({ "error": "invalid_token", "error_description": "The access token is invalid" })
            }
            Self::Scope => {
                serde_json::json!({ "error": "insufficient_scope", "error_description": "The scope openid is needed" })
            }
        };
        let headers = [
            (header::WWW_AUTHENTICATE, HeaderValue::from_static(challenge)),
            (header::CACHE_CONTROL, HeaderValue::from_static("no-store")),
        ];
        (status, headers, Json(body)).into_response()
    }
}

/// The grant behind the bearer token of a request.
pub async fn bearer(
    grants: &Grants,
    headers: &HeaderMap,
    in_form: Option<String>,
) -> Result<Result<Authenticated, Refusal>, OAuthFailure> {
    let in_header = headers.get(header::AUTHORIZATION).map(|value| {
        let text = value.to_str().unwrap_or_default();
        let (scheme, token) = text.split_once(' ').unwrap_or_default();
        if scheme.eq_ignore_ascii_case("bearer") { token.trim().to_owned() } else { String::new() }
    });
    let token = match (in_header, in_form) {
        (Some(token), None) | (None, Some(token)) => token,
        (None, None) => return Ok(Err(Refusal::Missing)),
        (Some(_), Some(_)) => return Ok(Err(Refusal::Invalid)),
    };
    Ok(grants.authenticate(&token).await?.ok_or(Refusal::Invalid))
}
