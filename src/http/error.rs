//! The only mapping from what went wrong to an answer over HTTP.
//!
//! A handler fails with a [`PageError`] (a page for a person), an [`OAuthFailure`] (JSON for a client) or a [`Problem`]
//! (JSON for a program at the API). Each is rendered by [`render_errors`], which knows the id of the request and the time. Each leaves one [line](mod@line) in the log.

mod codes;
pub mod line;
pub mod problem;
mod trouble;

use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use serde_json::json;

use self::line::{Line, Way};
use self::problem::Problem;
use super::pages::error::{ErrorPage, Side};
use super::pages::when::Stamp;
use super::pages::{Action, Frame, Page};
use super::web::Web;
use crate::domain::authorize::{OAuthCode, OAuthError};
use crate::domain::client::Client;
use crate::domain::parameters::Repeated;
use crate::services::grants::GrantError;
use crate::store::StoreError;
use crate::telemetry::RequestId;

/// A refusal or failure that a person sees.
#[derive(Debug, Clone)]
pub struct PageError(Box<Details>);

#[derive(Debug, Clone)]
struct Details {
    status: StatusCode,
    title: String,
    message: String,
    side: Side,
    actions: Vec<Action>,
    retry_after: Option<Duration>,
    /// For the log, beside the id of the request.
    detail: Option<String>,
    /// What the client did wrong, or is not told because the person stays here.
    error: Option<OAuthError>,
}

impl PageError {
    #[must_use]
    pub fn new(status: StatusCode, title: &str, message: impl Into<String>) -> Self {
        Self(Box::new(Details {
            status,
            title: title.to_owned(),
            message: message.into(),
            side: Side::Request,
            actions: vec![],
            retry_after: None,
            detail: None,
            error: None,
        }))
    }

    #[must_use]
    pub fn side(mut self, side: Side) -> Self {
        self.0.side = side;
        self
    }

    #[must_use]
    pub fn action(mut self, label: &str, url: impl Into<String>) -> Self {
        self.0.actions.push(Action::new(label, url));
        self
    }

    #[must_use]
    pub fn detail(mut self, detail: impl Into<String>) -> Self {
        self.0.detail = Some(detail.into());
        self
    }

    /// The same as a client would be told it.
    #[must_use]
    pub fn error(mut self, error: OAuthError) -> Self {
        self.0.error = Some(error);
        self
    }

    /// When it is worth while to try again (RFC 9110, section 10.2.3).
    #[must_use]
    pub fn retry_after(mut self, wait: Duration) -> Self {
        self.0.retry_after = Some(wait);
        self
    }

    /// A form from an old tab, another browser, or somebody else's page.
    #[must_use]
    pub fn stale_form() -> Self {
        let message = "What you sent came from a page that is no longer current, or your browser did not send its \
                       cookie along. Nothing has changed. Open the page again and send it once more.";
        Self::new(StatusCode::FORBIDDEN, "This page was open for too long", message).action("Start again", "/sign-in")
    }

    /// A form that names another person than the one whom the browser's link or session now stands for.
    #[must_use]
    pub fn other_person(tx_query: &str) -> Self {
        let message = "Since you opened this page, somebody else has opened their link or signed in, in this browser. \
                       Nothing has changed. Open the link in your own mail once more, or sign in again.";
        Self::new(StatusCode::CONFLICT, "This browser is now somebody else's", message)
            .action("Sign in", format!("/sign-in{tx_query}"))
            .action("Send me a link", format!("/forgot{tx_query}"))
    }

    #[must_use]
    pub fn stale_transaction() -> Self {
        let message = "This sign-in was begun too long ago, or in another browser. Nothing has changed. Go back to \
                       where you came from and start again.";
        Self::new(StatusCode::BAD_REQUEST, "This sign-in has run out", message).action("Start again", "/sign-in")
    }

    #[must_use]
    pub fn not_found() -> Self {
        let message = "There is no page at this address. If a link brought you here, it may be old or incomplete.";
        Self::new(StatusCode::NOT_FOUND, "Nothing here", message).action("Go to signing in", "/sign-in")
    }

    #[must_use]
    pub fn wrong_method() -> Self {
        let message = "This address does not take what was sent to it. Nothing has changed. Go back and start again.";
        Self::new(StatusCode::METHOD_NOT_ALLOWED, "Not in this way", message).action("Go to signing in", "/sign-in")
    }

    /// A fault of the program itself.
    #[must_use]
    pub fn failed() -> Self {
        let message = "Something went wrong on our side. What you sent may have been saved or not. Look again, and repeat \
                       it if needed: nothing happens twice.";
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, "That went wrong", message)
            .side(Side::Ours)
            .action("Start again", "/sign-in")
    }

    /// A client's mistake for which it must not be redirected to (RFC 6749, section 4.1.2.1). Where it is known, the way
    /// back leads to its home.
    #[must_use]
    pub fn client(client: Option<&Client>, message: impl Into<String>, error: OAuthError) -> Self {
        let title = "The application asked in a way we cannot answer";
        let page = Self::new(StatusCode::BAD_REQUEST, title, message).side(Side::Application(None)).error(error);
        client.into_iter().fold(page, Self::of)
    }

    /// Names the client whose fault it is, where only its side was known.
    #[must_use]
    pub fn of(mut self, client: &Client) -> Self {
        if self.0.side == Side::Application(None) {
            self.0.side = Side::Application(Some(client.name.clone()));
            if let Some(home) = &client.home {
                return self.action(&format!("Back to {}", client.name), home.as_str());
            }
        }
        self
    }

    /// For the log.
    fn note(&self) {
        let Details { status, title, detail, error, .. } = &*self.0;
        let (error, detail) = (error.as_ref(), detail.as_deref());
        let failed = status.is_server_error();
        Line { way: Way::Page, title: Some(title), error, detail, failed }.write();
    }
}

impl IntoResponse for PageError {
    fn into_response(self) -> Response {
        let mut response = self.0.status.into_response();
        response.extensions_mut().insert(self);
        response
    }
}

/// The layer that turns a [`PageError`] into its page, an [`OAuthFailure`] and a [`Problem`] into their JSON, with the id of
/// the request.
pub async fn render_errors(State(web): State<Arc<Web>>, request: Request, next: Next) -> Response {
    let id = request.extensions().get::<RequestId>().map(|id| id.as_str().to_owned()).unwrap_or_default();
    let mut response = next.run(request).await;
    let rendered = if let Some(error) = response.extensions_mut().remove::<PageError>() {
        error.render(&web, id)
    } else if let Some(failure) = response.extensions_mut().remove::<OAuthFailure>() {
        failure.render(&id)
    } else if let Some(problem) = response.extensions_mut().remove::<Problem>() {
        problem.render(&web.issuer, &id)
    } else {
        return response;
    };
    keep(response.headers(), rendered)
}

/// What the failed handler and the router said besides: cookies to clear, the methods that an address takes, who may
/// read the answer.
pub(super) fn keep(said: &HeaderMap, mut rendered: Response) -> Response {
    for cookie in said.get_all(header::SET_COOKIE) {
        rendered.headers_mut().append(header::SET_COOKIE, cookie.clone());
    }
    for name in [header::ALLOW, header::ACCESS_CONTROL_ALLOW_ORIGIN] {
        if let Some(value) = said.get(&name) {
            rendered.headers_mut().insert(name, value.clone());
        }
    }
    rendered
}

impl PageError {
    fn render(self, web: &Web, id: String) -> Response {
        self.note();
        let details = self.0;
        let page = ErrorPage {
            frame: Frame::new(web.demo, ""),
            title: details.title,
            message: details.message,
            side: details.side,
            id,
            at: Stamp::moment(web.clock.now()),
            actions: details.actions,
        };
        let mut rendered = Page::with_status(details.status, page).into_response();
        if let Some(wait) = details.retry_after {
            rendered.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(wait.as_secs()));
        }
        rendered
    }
}

/// A refusal in JSON (RFC 6749, section 5.2).
#[derive(Debug, Clone)]
pub struct OAuthFailure {
    pub status: StatusCode,
    pub error: OAuthError,
    /// For the `WWW-Authenticate` header (RFC 9110, section 11.6.1).
    pub challenge: Option<&'static str>,
    pub retry_after: Option<Duration>,
}

impl OAuthFailure {
    #[must_use]
    pub fn new(code: OAuthCode, description: &str) -> Self {
        OAuthError::new(code, description).into()
    }

    /// Which parameter it is about, for the log.
    #[must_use]
    pub fn about(self, parameter: &str) -> Self {
        Self { error: self.error.about(parameter), ..self }
    }

    /// Why, for the log alone.
    #[must_use]
    pub fn because(self, reason: impl Into<String>) -> Self {
        Self { error: self.error.because(reason), ..self }
    }

    fn unavailable(description: &str, reason: String) -> Self {
        let error = OAuthError::new(OAuthCode::TemporarilyUnavailable, description).because(reason);
        let retry_after = Some(Duration::from_secs(5));
        Self { status: StatusCode::SERVICE_UNAVAILABLE, error, challenge: None, retry_after }
    }
}

impl From<OAuthError> for OAuthFailure {
    fn from(error: OAuthError) -> Self {
        let status = match error.code {
            OAuthCode::InvalidClient | OAuthCode::InvalidToken => StatusCode::UNAUTHORIZED,
            OAuthCode::InsufficientScope => StatusCode::FORBIDDEN,
            OAuthCode::ServerError => StatusCode::INTERNAL_SERVER_ERROR,
            OAuthCode::TemporarilyUnavailable => StatusCode::SERVICE_UNAVAILABLE,
            _ => StatusCode::BAD_REQUEST,
        };
        Self { status, error, challenge: None, retry_after: None }
    }
}

impl From<Repeated> for OAuthFailure {
    fn from(repeated: Repeated) -> Self {
        OAuthError::from(repeated).into()
    }
}

impl From<StoreError> for OAuthFailure {
    fn from(error: StoreError) -> Self {
        Self::unavailable("our records cannot be reached, try again", error.to_string())
    }
}

impl From<GrantError> for OAuthFailure {
    fn from(error: GrantError) -> Self {
        match error {
            GrantError::OAuth(error) => error.into(),
            GrantError::CannotAsk(why) => Self::unavailable("Fly.io cannot be asked at the moment, try again", why),
            GrantError::Store(error) => error.into(),
        }
    }
}

impl IntoResponse for OAuthFailure {
    fn into_response(self) -> Response {
        let mut response = self.status.into_response();
        response.extensions_mut().insert(self);
        response
    }
}

impl OAuthFailure {
    /// `request_id` is an addition to RFC 6749 (section 5.2 lets clients ignore it): with it the developer of a client
    /// finds the line in the log.
    fn render(self, id: &str) -> Response {
        let (code, description) = (self.error.code.as_str(), &self.error.description);
        Line { failed: self.status.is_server_error(), ..Line::of(Way::Json, &self.error) }.write();
        let body = json!({ "error": code, "error_description": description, "request_id": id });
        let mut response = (self.status, Json(body)).into_response();
        let headers = response.headers_mut();
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        headers.insert(header::PRAGMA, HeaderValue::from_static("no-cache"));
        if let Some(challenge) = self.challenge {
            headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static(challenge));
        }
        if let Some(wait) = self.retry_after {
            headers.insert(header::RETRY_AFTER, HeaderValue::from(wait.as_secs()));
        }
        response
    }
}
