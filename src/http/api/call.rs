//! What every request to the API brings along, each checked by one rule.

use std::convert::Infallible;
use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::{FromRef, FromRequestParts};
use axum::http::request::Parts;
use axum::http::{HeaderMap, Method, header};
use serde::de::DeserializeOwned;

use super::Api;
use crate::domain::ids::{OrganizationId, RegistrationId};
use crate::domain::machine::{MachineScope, MachineToken};
use crate::domain::parameters::{Parameters, Repeated};
use crate::domain::secret::TokenHash;
use crate::http::error::problem::{Code, Problem};
use crate::http::oidc::userinfo::{Sent, authenticate_client};
use crate::http::web::{Visitor, Web};
use crate::services::disable::order::Once;
use crate::services::limits::{Subject, Wait};

/// The header by which a repeated request is known (draft-ietf-httpapi-idempotency-key-header).
pub const IDEMPOTENCY_KEY: &str = "idempotency-key";
const LONGEST_KEY: usize = 255;
/// Of what a parser says about a body.
const LONGEST_COMPLAINT: usize = 200;

/// A request to the API.
pub struct Call {
    pub method: Method,
    /// As it was sent.
    pub path: String,
    pub query: String,
    pub headers: HeaderMap,
    /// Network address, behind the proxies we trust.
    pub address: String,
}

impl<S> FromRequestParts<S> for Call
where
    S: Send + Sync,
    Arc<Web>: FromRef<S>,
{
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Infallible> {
        let Visitor { address, .. } = Visitor::from_request_parts(parts, state).await?;
        Ok(Self {
            method: parts.method.clone(),
            path: parts.uri.path().to_owned(),
            query: parts.uri.query().unwrap_or_default().to_owned(),
            headers: parts.headers.clone(),
            address,
        })
    }
}

impl Call {
    /// The client that asks, if it may look at organizations.
    pub async fn may_look(&self, api: &Api) -> Result<MachineToken, Problem> {
        self.client(api, MachineScope::OrganizationsRead).await
    }

    /// The client that asks, if it may change organizations and has not done so too often.
    pub async fn may_change(&self, api: &Api) -> Result<MachineToken, Problem> {
        let token = self.client(api, MachineScope::OrganizationsDisable).await?;
        api.limits.attempt(Subject::Change, token.client.as_str()).await??;
        Ok(token)
    }

    async fn client(&self, api: &Api, scope: MachineScope) -> Result<MachineToken, Problem> {
        let sent = Sent { method: &self.method, path: &self.path, headers: &self.headers, in_form: None };
        Ok(authenticate_client(&api.grants, &api.dpop, &sent, scope).await?)
    }

    pub fn body<T: DeserializeOwned>(&self, body: &Bytes) -> Result<T, Problem> {
        let kind = self.headers.get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
        let kind = kind.split(';').next().unwrap_or_default().trim();
        if !kind.eq_ignore_ascii_case("application/json") {
            return Err(Code::UnsupportedMediaType.into());
        }
        serde_json::from_slice(body).map_err(|error| {
            let complaint: String = error.to_string().chars().take(LONGEST_COMPLAINT).collect();
            Problem::new(Code::InvalidRequest, format!("The body is not what this address takes: {complaint}."))
        })
    }

    pub fn parameters(&self) -> Result<Parameters, Problem> {
        let parameters = Parameters::parse(&self.query);
        parameters
            .check_text()
            .map_err(|error| Problem::new(Code::InvalidRequest, format!("{}.", error.description)))?;
        parameters.check_once_each()?;
        Ok(parameters)
    }

    /// The request as one that is fulfilled once, if it has a key. Two are the same when the client, the method, the
    /// address and the body are.
    pub fn once(
        &self,
        client: &MachineToken,
        organization: &OrganizationId,
        (operation, body): (&str, &Bytes),
    ) -> Result<Option<Once>, Problem> {
        let mut keys = self.headers.get_all(IDEMPOTENCY_KEY).iter();
        let key = match (keys.next(), keys.next()) {
            (None, _) => return Ok(None),
            (Some(key), None) => key.as_bytes(),
            (Some(_), Some(_)) => return Err(Code::InvalidIdempotencyKey.into()),
        };
        if !(1..=LONGEST_KEY).contains(&key.len()) || !key.iter().all(u8::is_ascii_graphic) {
            return Err(Code::InvalidIdempotencyKey.into());
        }
        // No id and no address has a line end in it.
        let registration = client.registration.as_ref().map(RegistrationId::as_str).unwrap_or_default();
        let named = [client.client.as_str().as_bytes(), registration.as_bytes(), key].join(&b'\n');
        let asked = [organization.as_str().as_bytes(), operation.as_bytes(), body].join(&b'\n');
        Ok(Some(Once { name: TokenHash::of(&named), request: TokenHash::of(&asked) }))
    }
}

impl From<Repeated> for Problem {
    fn from(repeated: Repeated) -> Self {
        let name: String = repeated.0.chars().take(40).collect();
        Self::new(Code::InvalidRequest, format!("The parameter {name:?} stands more than once."))
    }
}

impl From<Wait> for Problem {
    fn from(wait: Wait) -> Self {
        Self::from(Code::TooManyRequests).retry_after(wait.rounded_up())
    }
}
