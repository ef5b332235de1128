//! Answers that go back to the client through the browser (RFC 6749, sections 4.1.2 and 4.1.2.1; RFC 9207).

use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use url::Url;

use crate::config::Issuer;
use crate::domain::authorize::OAuthError;
use crate::domain::client::VerifiedRedirect;

/// Where an answer goes: only a verified redirect, with the state byte for byte.
pub struct Back<'a> {
    pub redirect: &'a VerifiedRedirect,
    pub state: Option<&'a str>,
    pub issuer: &'a Issuer,
}

impl Back<'_> {
    #[must_use]
    pub fn code(&self, code: &str) -> Response {
        self.send(&[("code", code)])
    }

    #[must_use]
    pub fn error(&self, error: &OAuthError) -> Response {
        tracing::info!(code = error.code.as_str(), description = error.description, "sent an error to the client");
        self.send(&[("error", error.code.as_str()), ("error_description", &error.description)])
    }

    /// 303, so that a POST is not repeated at the client (RFC 9700, section 4.12).
    fn send(&self, parameters: &[(&str, &str)]) -> Response {
        let Ok(mut url) = Url::parse(self.redirect.as_str()) else {
            return StatusCode::INTERNAL_SERVER_ERROR.into_response();
        };
        {
            let mut query = url.query_pairs_mut();
            for (name, value) in parameters {
                query.append_pair(name, value);
            }
            if let Some(state) = self.state {
                query.append_pair("state", state);
            }
            query.append_pair("iss", self.issuer.as_str());
        }
        see_other(url.as_str())
    }
}

/// 303 to an address that is our own or has been verified.
#[must_use]
pub fn see_other(url: &str) -> Response {
    let Ok(location) = HeaderValue::from_str(url) else { return StatusCode::INTERNAL_SERVER_ERROR.into_response() };
    let headers = [(header::LOCATION, location), (header::CACHE_CONTROL, HeaderValue::from_static("no-store"))];
    (StatusCode::SEE_OTHER, headers).into_response()
}
