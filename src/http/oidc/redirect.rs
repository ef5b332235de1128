//! Answers that go back to the client through the browser (RFC 6749, sections 4.1.2 and 4.1.2.1; RFC 9207).

use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use url::Url;

use crate::domain::authorize::{OAuthError, ResponseMode};
use crate::domain::client::{Client, VerifiedRedirect};
use crate::http::error::line::{Line, Way};
use crate::http::pages::Page;
use crate::http::pages::form_post::FormPostPage;
use crate::http::security_headers::OnlyFormTarget;
use crate::http::web::Web;

/// Where an answer goes and how: only to a verified redirect, with the state byte for byte.
pub struct Back<'a> {
    pub redirect: &'a VerifiedRedirect,
    pub client: &'a Client,
    pub mode: ResponseMode,
    pub state: Option<&'a str>,
    pub web: &'a Web,
}

impl Back<'_> {
    #[must_use]
    pub fn code(&self, code: &str) -> Response {
        self.send(&[("code", code)])
    }

    #[must_use]
    pub fn error(&self, error: &OAuthError) -> Response {
        Line::of(Way::Redirect, error).write();
        self.send(&[("error", error.code.as_str()), ("error_description", &error.description)])
    }

    fn send(&self, answer: &[(&str, &str)]) -> Response {
        let state = self.state.map(|state| ("state", state));
        let issuer = ("iss", self.web.issuer.as_str());
        let all = answer.iter().copied().chain(state).chain([issuer]);
        match self.mode {
            ResponseMode::Query => self.redirect(all),
            ResponseMode::FormPost => self.post(all),
        }
    }

    /// 303, so that a POST is not repeated at the client (RFC 9700, section 4.12).
    fn redirect<'p>(&self, parameters: impl Iterator<Item = (&'p str, &'p str)>) -> Response {
        let Ok(mut url) = Url::parse(self.redirect.as_str()) else {
            return StatusCode::INTERNAL_SERVER_ERROR.into_response();
        };
        url.query_pairs_mut().extend_pairs(parameters);
        to_client(self.client, url.as_str())
    }

    /// A page whose form the browser posts (OAuth 2.0 Form Post Response Mode, section 2).
    fn post<'p>(&self, parameters: impl Iterator<Item = (&'p str, &'p str)>) -> Response {
        let page = FormPostPage {
            frame: self.web.frame(""),
            client: self.client.name.clone(),
            action: self.redirect.as_str().to_owned(),
            fields: parameters.map(|(name, value)| (name.to_owned(), value.to_owned())).collect(),
        };
        let mut response = Page::ok(page).into_response();
        response.extensions_mut().insert(OnlyFormTarget::of(self.redirect));
        response
    }
}

/// Goes with a redirect to an application: its name, as people know it.
#[derive(Debug, Clone)]
pub struct Toward(pub String);

/// 303 to an address of `client` that has been verified.
#[must_use]
pub fn to_client(client: &Client, url: &str) -> Response {
    let mut response = see_other(url);
    response.extensions_mut().insert(Toward(client.name.clone()));
    response
}

/// 303 to an address that is our own or has been verified.
#[must_use]
pub fn see_other(url: &str) -> Response {
    let Ok(location) = HeaderValue::from_str(url) else { return StatusCode::INTERNAL_SERVER_ERROR.into_response() };
    let headers = [(header::LOCATION, location), (header::CACHE_CONTROL, HeaderValue::from_static("no-store"))];
    (StatusCode::SEE_OTHER, headers).into_response()
}
