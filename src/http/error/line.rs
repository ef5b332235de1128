//! The one line in the log for an answer that refuses or fails, whichever way it goes: a page, a redirect, or JSON.
//!
//! It stands among the events of its request, so the id that the answer carries, the method, the route and the client are
//! in the same line. What it says about the request is bounded and escaped ([`Cause`]).

use crate::domain::authorize::{Cause, OAuthCode, OAuthError, Received};

/// How the answer reaches whoever asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    /// A page of our own, for the person.
    Page,
    /// Through the browser, to the client.
    Redirect,
    Json,
    /// At the API.
    Problem,
}

impl Way {
    fn as_str(self) -> &'static str {
        match self {
            Self::Page => "page",
            Self::Redirect => "redirect",
            Self::Json => "json",
            Self::Problem => "problem",
        }
    }
}

/// What is said of an answer.
#[derive(Debug, Clone, Copy)]
pub struct Line<'a> {
    pub way: Way,
    /// Of a page; of a problem its code.
    pub title: Option<&'a str>,
    /// What a client is told, or would be if it could be.
    pub error: Option<&'a OAuthError>,
    /// Where there is no such error, or none of its own.
    pub detail: Option<&'a str>,
    /// The fault is ours, or of whom we ask.
    pub failed: bool,
}

impl Line<'_> {
    /// For an error that goes to a client.
    #[must_use]
    pub fn of(way: Way, error: &OAuthError) -> Line<'_> {
        let failed = matches!(error.code, OAuthCode::ServerError | OAuthCode::TemporarilyUnavailable);
        Line { way, title: None, error: Some(error), detail: None, failed }
    }

    pub fn write(self) {
        let (answer, title) = (self.way.as_str(), self.title);
        let error = self.error.map(|error| error.code.as_str());
        let description = self.error.map(|error| error.description.as_str());
        let cause = self.error.map(|error| &*error.cause);
        let shown = |part: fn(&Cause) -> Option<&str>| cause.and_then(part);
        let parameter = shown(|cause| cause.parameter.as_ref().map(Received::as_str));
        let received = shown(|cause| cause.received.as_ref().map(Received::as_str));
        let reason = shown(|cause| cause.reason.as_deref()).or(self.detail);
        if self.failed {
            tracing::error!(answer, title, error, description, parameter, received, reason, "failed");
        } else {
            tracing::info!(answer, title, error, description, parameter, received, reason, "refused");
        }
    }
}
