//! Userinfo (OIDC Core, section 5.3), and the access token that it, `token/info` and the API take: from whoever holds it (RFC 6750),
//! or from whoever has the key that it is bound to (RFC 9449).

use std::collections::BTreeSet;
use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use axum::response::{IntoResponse, Response};

use super::dpop::Dpop;
use crate::domain::authorize::{OAuthCode, OAuthError, Scope, ScopeValue};
use crate::domain::claims::{OrganizationClaim, PersonClaims, UserInfo};
use crate::domain::client_keys::Thumbprint;
use crate::domain::dpop::ProofRefused;
use crate::domain::machine::{MachineScope, MachineToken};
use crate::domain::parameters::Parameters;
use crate::domain::requested_claims::ClaimName;
use crate::domain::user::User;
use crate::http::error::OAuthFailure;
use crate::services::access::Judged;
use crate::services::grants::{Authenticated, Grants, Opened, form_of};
use crate::telemetry::name_client;

const PATH: &str = "/oauth/userinfo";

/// `GET /oauth/userinfo`
pub async fn get(
    State(grants): State<Arc<Grants>>,
    State(dpop): State<Arc<Dpop>>,
    method: Method,
    headers: HeaderMap,
) -> Result<Response, OAuthFailure> {
    userinfo(&grants, &dpop, &Sent { method: &method, path: PATH, headers: &headers, in_form: None }).await
}

/// `POST /oauth/userinfo`: the token in the header or in the form (RFC 6750, section 2.2).
pub async fn post(
    State(grants): State<Arc<Grants>>,
    State(dpop): State<Arc<Dpop>>,
    headers: HeaderMap,
    body: String,
) -> Result<Response, OAuthFailure> {
    let form = Parameters::parse(&body);
    let in_form = form.one("access_token")?;
    userinfo(&grants, &dpop, &Sent { method: &Method::POST, path: PATH, headers: &headers, in_form }).await
}

/// `OPTIONS /oauth/userinfo`: a browser asks before it sends headers such as `Authorization` to another origin (Fetch,
/// section 3.3.7).
pub async fn preflight() -> Response {
    let allowed = [
        (header::ACCESS_CONTROL_ALLOW_METHODS, HeaderValue::from_static("GET, POST")),
        (header::ACCESS_CONTROL_ALLOW_HEADERS, HeaderValue::from_static("authorization, content-type, dpop")),
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

async fn userinfo(grants: &Grants, dpop: &Dpop, sent: &Sent<'_>) -> Result<Response, OAuthFailure> {
    let authenticated = authenticate(grants, dpop, sent).await?;
    let scope = &authenticated.token.scope;
    if !scope.contains(ScopeValue::OpenId) {
        return Err(Refusal::Scope.to(Scheme::of(authenticated.token.key)));
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

/// A request for something that an access token opens.
pub struct Sent<'r> {
    pub method: &'r Method,
    pub path: &'r str,
    pub headers: &'r HeaderMap,
    pub in_form: Option<&'r str>,
}

/// How an access token is presented (RFC 9110, section 11.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scheme {
    Bearer,
    Dpop,
}

impl Scheme {
    /// In which a token must be presented that is bound to this key, or to none.
    #[must_use]
    pub fn of(key: Option<Thumbprint>) -> Self {
        if key.is_some() { Self::Dpop } else { Self::Bearer }
    }
}

/// Why an access token is not accepted (RFC 6750, section 3.1; RFC 9449, section 7.1).
#[derive(Debug, Clone, Copy)]
pub enum Refusal {
    /// No token at all: the challenge names no error.
    Missing,
    /// In the header and in the form, or in two headers.
    Twice,
    Invalid,
    /// A bound token in the scheme of one that is not, or the other way round.
    OtherScheme,
    Proof(ProofRefused),
    Scope,
    /// At `token/info`, for a client that is not the operator's own.
    Read,
    /// A good token of a client itself: a new one of the same kind would be refused as well.
    NoPerson,
    /// At the API, a client's own token that does not stand for this.
    OfClient(MachineScope),
    /// At the API, a token that stands for a person.
    NoClient(MachineScope),
}

/// A challenge to whoever used the scheme, or might have used either.
macro_rules! challenge {
    (Bearer $($what:literal)?) => { concat!("Bearer realm=\"flybridge\"", $(", ", $what)?) };
    (DPoP $($what:literal)?) => { concat!("DPoP ", $($what, ", ",)? "algs=\"RS256 PS256 ES256 EdDSA\"") };
    (Either $($what:literal)?) => { concat!(challenge!(Bearer $($what)?), ", ", challenge!(DPoP)) };
}

impl Refusal {
    /// For whoever presented a token in this scheme.
    #[must_use]
    pub fn to(self, scheme: Scheme) -> OAuthFailure {
        let challenge = match scheme {
            Scheme::Bearer => self.to_bearer(),
            Scheme::Dpop => self.to_holder(),
        };
        let failure =
            OAuthFailure { challenge: Some(challenge), ..self.error(scheme).about(self.parameter()).into() };
        match self {
            Self::Missing | Self::Proof(_) => OAuthFailure { status: StatusCode::UNAUTHORIZED, ..failure },
            _ => failure,
        }
    }

    fn error(self, scheme: Scheme) -> OAuthError {
        let (code, description) = match self {
            Self::Missing => (OAuthCode::InvalidRequest, "No access token"),
            Self::Twice => (OAuthCode::InvalidRequest, "Two access tokens in one request"),
            Self::Invalid => (OAuthCode::InvalidToken, "The access token is invalid"),
            Self::OtherScheme if scheme == Scheme::Bearer => (
                OAuthCode::InvalidToken,
                "The access token is bound to a key: it goes with the scheme DPoP and a proof",
            ),
            Self::OtherScheme => {
                (OAuthCode::InvalidToken, "The access token is bound to no key: it goes with the scheme Bearer")
            }
            // The proof is good, and the token is another's.
            Self::Proof(refused @ ProofRefused::OtherKey) => {
                return OAuthError::new(OAuthCode::InvalidToken, refused.to_string());
            }
            Self::Proof(refused) => return OAuthError::new(OAuthCode::InvalidDpopProof, refused.to_string()),
            Self::Scope => (OAuthCode::InsufficientScope, "The scope openid is needed"),
            Self::Read => (OAuthCode::InsufficientScope, "The scope read is needed"),
            Self::NoPerson => {
                (OAuthCode::InsufficientScope, "The access token stands for a client, not for a person")
            }
            Self::OfClient(scope) => {
                let description = format!("The scope {} is needed", scope.as_str());
                return OAuthError::new(OAuthCode::InsufficientScope, description);
            }
            Self::NoClient(scope) => {
                let needed = scope.as_str();
                let description = format!(
                    "The access token stands for a person; one of a client itself with the scope {needed} is needed"
                );
                return OAuthError::new(OAuthCode::InsufficientScope, description);
            }
        };
        OAuthError::new(code, description)
    }

    /// For the log: where a developer of the client looks first.
    fn parameter(self) -> &'static str {
        match self {
            Self::Proof(refused) if refused != ProofRefused::OtherKey => "DPoP",
            _ => "access_token",
        }
    }

    fn to_bearer(self) -> &'static str {
        match self {
            Self::Missing => challenge!(Either),
            Self::Twice => challenge!(Bearer "error=\"invalid_request\""),
            Self::Invalid | Self::OtherScheme | Self::Proof(_) => {
                challenge!(Either "error=\"invalid_token\", error_description=\"The access token is invalid\"")
            }
            Self::Scope => challenge!(Bearer "error=\"insufficient_scope\", scope=\"openid\""),
            Self::Read => challenge!(Bearer "error=\"insufficient_scope\", scope=\"read\""),
            Self::NoPerson => challenge!(Bearer "error=\"insufficient_scope\""),
            Self::OfClient(scope) | Self::NoClient(scope) => match scope {
                MachineScope::OrganizationsRead => {
                    challenge!(Bearer "error=\"insufficient_scope\", scope=\"organizations:read\"")
                }
                MachineScope::OrganizationsDisable => {
                    challenge!(Bearer "error=\"insufficient_scope\", scope=\"organizations:disable\"")
                }
            },
        }
    }

    fn to_holder(self) -> &'static str {
        match self {
            Self::Missing => challenge!(Either),
            Self::Twice => challenge!(DPoP "error=\"invalid_request\""),
            Self::Invalid | Self::OtherScheme | Self::Proof(ProofRefused::OtherKey) => {
                challenge!(DPoP "error=\"invalid_token\", error_description=\"The access token is invalid\"")
            }
            Self::Proof(_) => challenge!(DPoP "error=\"invalid_dpop_proof\""),
            Self::Scope => challenge!(DPoP "error=\"insufficient_scope\", scope=\"openid\""),
            Self::Read => challenge!(DPoP "error=\"insufficient_scope\", scope=\"read\""),
            Self::NoPerson => challenge!(DPoP "error=\"insufficient_scope\""),
            Self::OfClient(scope) | Self::NoClient(scope) => match scope {
                MachineScope::OrganizationsRead => {
                    challenge!(DPoP "error=\"insufficient_scope\", scope=\"organizations:read\"")
                }
                MachineScope::OrganizationsDisable => {
                    challenge!(DPoP "error=\"insufficient_scope\", scope=\"organizations:disable\"")
                }
            },
        }
    }
}

/// What an access token stands for, once whoever sent it has shown the key that it is bound to.
enum Shown {
    Person(Box<Authenticated>),
    Client(MachineToken),
}

/// The grant behind the access token of a request.
pub async fn authenticate(grants: &Grants, dpop: &Dpop, sent: &Sent<'_>) -> Result<Authenticated, OAuthFailure> {
    match show(grants, dpop, sent).await? {
        (_, Shown::Person(authenticated)) => Ok(*authenticated),
        (scheme, Shown::Client(_)) => Err(Refusal::NoPerson.to(scheme)),
    }
}

/// The client in whose own name a request is made, if its token stands for `scope`.
pub async fn authenticate_client(
    grants: &Grants,
    dpop: &Dpop,
    sent: &Sent<'_>,
    scope: MachineScope,
) -> Result<MachineToken, OAuthFailure> {
    match show(grants, dpop, sent).await? {
        (_, Shown::Client(token)) if token.scopes.contains(scope) => Ok(token),
        (scheme, Shown::Client(_)) => Err(Refusal::OfClient(scope).to(scheme)),
        (scheme, Shown::Person(_)) => Err(Refusal::NoClient(scope).to(scheme)),
    }
}

async fn show(grants: &Grants, dpop: &Dpop, sent: &Sent<'_>) -> Result<(Scheme, Shown), OAuthFailure> {
    let (scheme, token) = presented(sent).map_err(|refusal| refusal.to(Scheme::Bearer))?;
    let (shown, key) = match grants.authenticate(token).await? {
        Some(authenticated) => {
            name_client(authenticated.grant.client.as_str());
            let key = authenticated.token.key;
            (Shown::Person(Box::new(authenticated)), key)
        }
        None => match grants.machine_token(token).await? {
            Some(own) => {
                name_client(own.client.as_str());
                let key = own.key;
                (Shown::Client(own), key)
            }
            None => return Err(Refusal::Invalid.to(scheme).because(why_invalid(token))),
        },
    };
    if scheme != Scheme::of(key) {
        return Err(Refusal::OtherScheme.to(scheme));
    }
    if let Some(key) = key {
        let proven = dpop.of_holder(sent.headers, (sent.method, sent.path), (token, key)).await?;
        proven.map_err(|refused| Refusal::Proof(refused).to(scheme))?;
    }
    Ok((scheme, shown))
}

/// The one access token of a request. A form is for those that are bound to nothing (RFC 9449, section 7.1).
fn presented<'r>(sent: &Sent<'r>) -> Result<(Scheme, &'r str), Refusal> {
    let mut in_headers = sent.headers.get_all(header::AUTHORIZATION).iter();
    match (in_headers.next(), in_headers.next(), sent.in_form) {
        (None, _, None) => Err(Refusal::Missing),
        (None, _, Some(token)) => Ok((Scheme::Bearer, token)),
        (Some(value), None, None) => {
            let (scheme, token) = value.to_str().ok().and_then(|text| text.split_once(' ')).unwrap_or_default();
            Ok(match scheme.to_ascii_lowercase().as_str() {
                "bearer" => (Scheme::Bearer, token.trim()),
                "dpop" => (Scheme::Dpop, token.trim()),
                _ => (Scheme::Bearer, ""),
            })
        }
        (Some(_), _, _) => Err(Refusal::Twice),
    }
}

/// For the log: the token itself must not stand there.
fn why_invalid(token: &str) -> String {
    if token.is_empty() {
        return "the Authorization header holds neither a Bearer token nor one for DPoP".to_owned();
    }
    let form = form_of(token);
    format!("what was sent {form}; it was never an access token, has expired, or its sign-in no longer counts")
}
