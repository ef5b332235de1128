//! What one request may cost, and the answers to those that cost more or cannot be read: a page for a person, JSON for
//! a program, always with the id of the request.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use futures_util::FutureExt as _;

use super::error::problem::{Code, Problem};
use super::error::{OAuthFailure, PageError, keep};
use super::pages::error::Side;
use super::server::{LateBody, Unreadable};
use super::web::Web;
use crate::domain::authorize::{OAuthCode, OAuthError};

/// The layer that refuses an address or a header that is too long (RFC 9110, section 15.5.15; RFC 6585, section 5), and
/// answers for the connection where it could not read a request.
///
/// The connection reads twice the header it lets through here, so that programs get their refusal in JSON.
pub async fn sizes(State(web): State<Arc<Web>>, request: Request, next: Next) -> Response {
    if let Some(Unreadable { status, detail }) = request.extensions().get() {
        let page = if *status == StatusCode::BAD_REQUEST { no_request() } else { page(*status) };
        return page.detail(detail).into_response();
    }
    let address = request.uri().path_and_query().map_or(0, |path| path.as_str().len());
    let too_large = if address > web.limits.max_url {
        Some(StatusCode::URI_TOO_LONG)
    } else if address + bytes(request.headers()) > web.limits.max_header {
        Some(StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE)
    } else {
        None
    };
    match too_large {
        Some(status) => refusal(status, Language::of(request.uri().path())),
        None => next.run(request).await,
    }
}

/// The layer for the refusals of axum's own extractors (a body that is too long, a form that is none) and for a body
/// that did not come in time, whatever a handler made of it.
pub async fn rejections(request: Request, next: Next) -> Response {
    let language = Language::of(request.uri().path());
    let body = request.extensions().get::<LateBody>().cloned();
    let response = next.run(request).await;
    if body.is_some_and(|body| body.is_late()) {
        return refusal(StatusCode::REQUEST_TIMEOUT, language);
    }
    let bare =
        response.headers().get(header::CONTENT_TYPE).is_none_or(|kind| kind.as_bytes().starts_with(b"text/plain"));
    let said = response.extensions();
    let rendered_later =
        said.get::<PageError>().is_some() || said.get::<OAuthFailure>().is_some() || said.get::<Problem>().is_some();
    if !response.status().is_client_error() || !bare || rendered_later {
        return response;
    }
    keep(response.headers(), refusal(response.status(), language))
}

/// The layer that makes an answer of a panic in a handler.
pub async fn panics(request: Request, next: Next) -> Response {
    let language = Language::of(request.uri().path());
    AssertUnwindSafe(next.run(request)).catch_unwind().await.unwrap_or_else(|_| {
        tracing::error!("the request ended in a panic");
        refusal(StatusCode::INTERNAL_SERVER_ERROR, language)
    })
}

/// Bytes of the fields as they came: name, colon, space, value and line end.
fn bytes(headers: &HeaderMap) -> usize {
    headers.iter().map(|(name, value)| name.as_str().len() + value.len() + 4).sum()
}

/// How an address answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Language {
    /// In pages, for people.
    Pages,
    /// In JSON, for clients (RFC 6749, section 5.2).
    OAuth,
    /// In JSON, for programs at the API (RFC 9457).
    Problems,
}

impl Language {
    #[must_use]
    pub fn of(path: &str) -> Self {
        let starts = |with: &[&str]| with.iter().any(|start| path.starts_with(start));
        if starts(&["/api/"]) {
            Self::Problems
        } else if ["/oauth/authorize", "/oauth/logout"].contains(&path) {
            Self::Pages
        } else if starts(&["/oauth/", "/.well-known/", "/healthz", "/readyz", "/inbound/"]) {
            Self::OAuth
        } else {
            Self::Pages
        }
    }
}

fn refusal(status: StatusCode, language: Language) -> Response {
    match language {
        Language::Pages => page(status).into_response(),
        Language::OAuth => in_json(status),
        Language::Problems => Problem::from(Code::of_status(status)).into_response(),
    }
}

fn in_json(status: StatusCode) -> Response {
    let (part, what) = match status {
        StatusCode::INTERNAL_SERVER_ERROR => (None, "something went wrong on our side, try again"),
        StatusCode::METHOD_NOT_ALLOWED => (Some("method"), "this address takes another method, see the Allow header"),
        StatusCode::PAYLOAD_TOO_LARGE => (Some("body"), "the body is longer than any request to this address"),
        StatusCode::URI_TOO_LONG => {
            (Some("query"), "the address is longer than any of ours; send the parameters in the body of a POST")
        }
        StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE => {
            (Some("header"), "the header fields are longer than any request needs")
        }
        StatusCode::REQUEST_TIMEOUT => (Some("body"), "the body did not arrive in time, send the request again"),
        _ => (Some("body"), "the request cannot be read"),
    };
    let ours = status.is_server_error();
    let error = OAuthError::new(if ours { OAuthCode::ServerError } else { OAuthCode::InvalidRequest }, what);
    let error = part.into_iter().fold(error, OAuthError::about);
    OAuthFailure { status, ..OAuthFailure::from(error) }.into_response()
}

fn no_request() -> PageError {
    let message = "What was sent is no request of HTTP/1.1, the language that this address speaks. Nothing has changed. \
                   Open the address in a browser.";
    PageError::new(StatusCode::BAD_REQUEST, "We cannot read that", message).action("Go to signing in", "/sign-in")
}

fn page(status: StatusCode) -> PageError {
    let (title, message) = match status {
        StatusCode::NOT_FOUND => return PageError::not_found(),
        StatusCode::METHOD_NOT_ALLOWED => return PageError::wrong_method(),
        StatusCode::INTERNAL_SERVER_ERROR => return PageError::failed(),
        StatusCode::PAYLOAD_TOO_LARGE => {
            ("That was too much", "What you sent is longer than anything this page asks for. Nothing has changed.")
        }
        StatusCode::URI_TOO_LONG => (
            "This address is too long",
            "The link that brought you here is longer than any of ours. Nothing has changed. Go back to where you \
             came from and start again.",
        ),
        StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE => (
            "Your browser sent too much along",
            "Your browser keeps more cookies for this site than we can read. Nothing has changed. Delete this site's \
             cookies in the settings of your browser, then start again.",
        ),
        StatusCode::REQUEST_TIMEOUT => (
            "That took too long to arrive",
            "What you sent did not arrive in time; the connection may be slow. Nothing has changed. Send it again.",
        ),
        _ => ("We cannot read that", "What was sent is not a form of ours. Nothing has changed. Start again."),
    };
    let page = PageError::new(status, title, message);
    if status == StatusCode::URI_TOO_LONG {
        return page.side(Side::Application(None));
    }
    page.action("Start again", "/sign-in")
}
