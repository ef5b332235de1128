//! Userinfo (OIDC Core, section 5.3), and the bearer token that it and `token/info` take (RFC 6750).

use std::collections::BTreeSet;
use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};

use crate::domain::authorize::{OAuthCode, Scope, ScopeValue};
use crate::domain::claims::{OrganizationClaim, PersonClaims, UserInfo};
use crate::domain::parameters::Parameters;
use crate::domain::requested_claims::ClaimName;
use crate::domain::user::User;
use crate::http::error::OAuthFailure;
use crate::services::access::Judged;
use crate::services::grants::{Authenticated, Grants, Opened};

/// `GET /oauth/userinfo`
pub async fn get(State(grants): State<Arc<Grants>>, headers: HeaderMap) -> Result<Response, OAuthFailure> {
    userinfo(&grants, &headers, None).await
}

/// `POST /oauth/userinfo`: the token in the header or in the form (RFC 6750, section 2.2).
pub async fn post(
    State(grants): State<Arc<Grants>>,
    headers: HeaderMap,
    body: String,
) -> Result<Response, OAuthFailure> {
    let form = Parameters::parse(&body);
    let token = form.one("access_token")?.map(str::to_owned);
    userinfo(&grants, &headers, token).await
}

/// `OPTIONS /oauth/userinfo`: a browser asks before it sends an `Authorization` header to another origin (Fetch,
/// section 3.3.7).
pub async fn preflight() -> Response {
    let allowed = [
        (header::ACCESS_CONTROL_ALLOW_METHODS, HeaderValue::from_static("GET, POST")),
        (header::ACCESS_CONTROL_ALLOW_HEADERS, HeaderValue::from_static("authorization, content-type")),
        (header::ACCESS_CONTROL_MAX_AGE, HeaderValue::from_static("86400")),
    ];
    (StatusCode::NO_CONTENT, allowed).into_response()
}

/// The layer of userinfo: clients that run in a browser read it from their own origin, refusals too. `token/info` is for
/// servers.
pub async fn readable_everywhere(mut response: Response) -> Response {
    response.headers_mut().insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*"));
    response
}

async fn userinfo(grants: &Grants, headers: &HeaderMap, in_form: Option<String>) -> Result<Response, OAuthFailure> {
    let authenticated = bearer(grants, headers, in_form).await?;
    let scope = &authenticated.token.scope;
    if !scope.contains(ScopeValue::OpenId) {
        return Err(Refusal::Scope.into());
    }
    let Opened { user, organizations, .. } = &authenticated.opened;
    let person = person_claims(user, scope, &authenticated.grant.claims.userinfo, organizations);
    let headers = [(header::CACHE_CONTROL, HeaderValue::from_static("no-store"))];
    Ok((headers, Json(UserInfo { sub: user.id.clone(), person })).into_response())
}

/// The claims that a scope gives (OIDC Core, section 5.4), and those asked for by name (section 5.5).
#[must_use]
pub fn person_claims(user: &User, scope: &Scope, requested: &BTreeSet<ClaimName>, opened: &[Judged]) -> PersonClaims {
    let told = |value: ScopeValue, name: ClaimName| scope.contains(value) || requested.contains(&name);
    let organizations = || opened.iter().filter_map(Judged::claim).collect::<Vec<OrganizationClaim>>();
    // Fly.io's addresses are confirmed by Fly.io.
    let verified = user.email.is_some().then_some(true);
    PersonClaims {
        name: told(ScopeValue::Profile, ClaimName::Name).then(|| user.name.clone()),
        email: user.email.clone().filter(|_| told(ScopeValue::Email, ClaimName::Email)),
        email_verified: verified.filter(|_| told(ScopeValue::Email, ClaimName::EmailVerified)),
        organizations: told(ScopeValue::Organizations, ClaimName::Organizations).then(organizations),
    }
}

/// Why a bearer token is not accepted (RFC 6750, section 3.1).
#[derive(Debug, Clone, Copy)]
pub enum Refusal {
    /// No token at all: the challenge names no error.
    Missing,
    /// In the header and in the form.
    Twice,
    Invalid,
    Scope,
    /// At `token/info`, for a client that is not the operator's own.
    Read,
    /// A good token of a client itself: a new one of the same kind would be refused as well.
    NoPerson,
}

impl From<Refusal> for OAuthFailure {
    fn from(refusal: Refusal) -> Self {
        let (code, description, challenge) = match refusal {
            Refusal::Missing => (OAuthCode::InvalidRequest, "No access token", "Bearer realm=\"flybridge\""),
            Refusal::Twice => (
                OAuthCode::InvalidRequest,
                "Two access tokens in one request",
                "Bearer realm=\"flybridge\", error=\"invalid_request\"",
            ),
            Refusal::Invalid => (
                OAuthCode::InvalidToken,
                "The access token is invalid",
                "Bearer realm=\"flybridge\", error=\"invalid_token\", error_description=\"The access token is invalid\"",
            ),
            Refusal::Scope => (
                OAuthCode::InsufficientScope,
                "The scope openid is needed",
                "Bearer realm=\"flybridge\", error=\"insufficient_scope\", scope=\"openid\"",
            ),
            Refusal::Read => (
                OAuthCode::InsufficientScope,
                "The scope read is needed",
                "Bearer realm=\"flybridge\", error=\"insufficient_scope\", scope=\"read\"",
            ),
            Refusal::NoPerson => (
                OAuthCode::InsufficientScope,
                "The access token stands for a client, not for a person",
                "Bearer realm=\"flybridge\", error=\"insufficient_scope\"",
            ),
        };
        let failure = Self { challenge: Some(challenge), ..Self::new(code, description) };
        match refusal {
            Refusal::Missing => Self { status: StatusCode::UNAUTHORIZED, ..failure },
            Refusal::Twice | Refusal::Invalid | Refusal::Scope | Refusal::Read | Refusal::NoPerson => failure,
        }
    }
}

/// The grant behind the bearer token of a request.
pub async fn bearer(
    grants: &Grants,
    headers: &HeaderMap,
    in_form: Option<String>,
) -> Result<Authenticated, OAuthFailure> {
    let in_header = headers.get(header::AUTHORIZATION).map(|value| {
        let text = value.to_str().unwrap_or_default();
        let (scheme, token) = text.split_once(' ').unwrap_or_default();
        if scheme.eq_ignore_ascii_case("bearer") { token.trim().to_owned() } else { String::new() }
    });
    let token = match (in_header, in_form) {
        (Some(token), None) | (None, Some(token)) => token,
        (None, None) => return Err(Refusal::Missing.into()),
        (Some(_), Some(_)) => return Err(Refusal::Twice.into()),
    };
    if let Some(authenticated) = grants.authenticate(&token).await? {
        return Ok(authenticated);
    }
    let of_client = grants.machine_token(&token).await?.is_some();
    Err(if of_client { Refusal::NoPerson } else { Refusal::Invalid }.into())
}
