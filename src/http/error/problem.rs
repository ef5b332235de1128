//! Refusals and failures of the machine API (RFC 9457): a code for the program, a sentence for whoever wrote it.

use std::time::Duration;

use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde_json::{Map, Value, json};

use super::OAuthFailure;
pub use super::codes::Code;
use super::line::{Line, Way};
use crate::config::Issuer;
use crate::domain::authorize::{OAuthCode, Received};
use crate::store::StoreError;

/// Where the API is described, and each of its problems.
pub const DESCRIPTION: &str = "/api/v1/openapi.json";

const KIND: HeaderValue = HeaderValue::from_static("application/problem+json");

/// A refusal or failure that a program gets.
#[derive(Debug, Clone)]
pub struct Problem(Box<Parts>);

#[derive(Debug, Clone)]
struct Parts {
    code: Code,
    /// What is wrong with this request; the title alone where that says it all.
    detail: Option<String>,
    members: Map<String, Value>,
    /// For the `WWW-Authenticate` header (RFC 9110, section 11.6.1).
    challenge: Option<&'static str>,
    retry_after: Option<Duration>,
    /// For the log alone.
    reason: Option<String>,
}

impl From<Code> for Problem {
    fn from(code: Code) -> Self {
        let (detail, challenge, retry_after, reason) = (None, None, None, None);
        Self(Box::new(Parts { code, detail, members: Map::new(), challenge, retry_after, reason }))
    }
}

impl Problem {
    #[must_use]
    pub fn new(code: Code, detail: impl Into<String>) -> Self {
        let mut problem = Self::from(code);
        problem.0.detail = Some(detail.into());
        problem
    }

    /// A member for this kind of problem (RFC 9457, section 3.2).
    #[must_use]
    pub fn with(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.0.members.insert(name.to_owned(), value.into());
        self
    }

    /// When it is worth while to try again (RFC 9110, section 10.2.3).
    #[must_use]
    pub fn retry_after(mut self, wait: Duration) -> Self {
        self.0.retry_after = Some(wait);
        self
    }

    fn status(&self) -> StatusCode {
        StatusCode::from_u16(self.0.code.status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
    }

    pub(super) fn render(self, issuer: &Issuer, id: &str) -> Response {
        let status = self.status();
        let Parts { code, detail, members, challenge, retry_after, reason } = *self.0;
        // A detail may repeat words of the request.
        let shown = detail.as_deref().map(Received::of);
        let line = Line {
            way: Way::Problem,
            title: Some(code.as_str()),
            error: None,
            detail: reason.as_deref().or(shown.as_ref().map(Received::as_str)),
            failed: status.is_server_error(),
        };
        line.write();
        let mut body = json!({
            "type": issuer.join(&format!("{DESCRIPTION}#/components/responses/{}", code.as_str())),
            "title": code.title(),
            "status": code.status(),
            "detail": detail.unwrap_or_else(|| format!("{}.", code.title())),
            "code": code.as_str(),
            "what_to_do": code.what_to_do(),
            "request_id": id,
        });
        if let Some(body) = body.as_object_mut() {
            body.extend(members);
        }
        let mut response = (status, body.to_string()).into_response();
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, KIND);
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        if let Some(challenge) = challenge {
            headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static(challenge));
        }
        if let Some(wait) = retry_after {
            headers.insert(header::RETRY_AFTER, HeaderValue::from(wait.as_secs()));
        }
        response
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let mut response = self.status().into_response();
        response.extensions_mut().insert(self);
        response
    }
}

impl From<StoreError> for Problem {
    fn from(error: StoreError) -> Self {
        OAuthFailure::from(error).into()
    }
}

/// Access tokens are refused as at the other endpoints that take them, in the words of the API.
impl From<OAuthFailure> for Problem {
    fn from(failure: OAuthFailure) -> Self {
        let OAuthFailure { status, error, challenge, retry_after } = failure;
        let code = match error.code {
            OAuthCode::InvalidToken => Code::InvalidToken,
            OAuthCode::InvalidDpopProof => Code::InvalidDpopProof,
            OAuthCode::InsufficientScope => Code::InsufficientScope,
            _ if status == StatusCode::UNAUTHORIZED => Code::MissingToken,
            _ => Code::of_status(status),
        };
        let mut problem = Self::new(code, format!("{}.", error.description));
        problem.0.challenge = challenge;
        problem.0.retry_after = retry_after;
        problem.0.reason.clone_from(&error.cause.reason);
        problem
    }
}
