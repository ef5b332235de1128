//! Pages about trouble that is neither the person's nor the client's: our own records, or Fly.io.

use std::time::Duration;

use axum::http::StatusCode;

use super::{Details, PageError};
use crate::domain::authorize::{OAuthCode, OAuthError};
use crate::http::pages::error::Side;
use crate::services::upstream::UpstreamError;
use crate::services::upstream_tokens::AskError;
use crate::store::StoreError;

impl PageError {
    /// The same for a client, if it is trouble upstream or our own (RFC 6749, section 4.1.2.1). The log is told why where
    /// the client is.
    #[must_use]
    pub fn as_trouble(&self) -> Option<OAuthError> {
        let Details { status, title, detail, .. } = &*self.0;
        let error = match *status {
            StatusCode::SERVICE_UNAVAILABLE => {
                let what = "the person cannot be signed in at the moment, try again";
                OAuthError::new(OAuthCode::TemporarilyUnavailable, what)
            }
            status if status.is_server_error() => {
                OAuthError::new(OAuthCode::ServerError, "the person could not be signed in")
            }
            _ => return None,
        };
        Some(error.because(match detail {
            Some(detail) => format!("{title}: {detail}"),
            None => title.clone(),
        }))
    }

    #[must_use]
    pub fn fly_unavailable(detail: impl Into<String>) -> Self {
        let message = "Fly.io did not answer in time, or not as agreed, so we could not go on. Nothing has changed. \
                       Wait a minute and start again.";
        Self::new(StatusCode::SERVICE_UNAVAILABLE, "We could not ask Fly.io", message)
            .side(Side::Upstream("Fly.io".to_owned()))
            .detail(detail)
            .retry_after(Duration::from_mins(1))
    }
}

impl From<StoreError> for PageError {
    fn from(error: StoreError) -> Self {
        let (status, message) = match &error {
            StoreError::Unavailable(_) | StoreError::Unfit(_) | StoreError::Contention(_) => (
                StatusCode::SERVICE_UNAVAILABLE,
                "We cannot reach our own records at the moment. What you sent may have been saved or not. Wait a \
                 minute, look again, and repeat it if needed: nothing happens twice.",
            ),
            StoreError::Full(_) => (
                StatusCode::INSUFFICIENT_STORAGE,
                "We cannot save anything at the moment. Nothing has changed. Tell whoever runs this service.",
            ),
            StoreError::Corrupt(_) | StoreError::Misuse(_) => (
                StatusCode::INTERNAL_SERVER_ERROR,
                "Something is wrong with our own records. Nothing has changed. Tell whoever runs this service.",
            ),
        };
        let mut page = Self::new(status, "Our records cannot be used", message).side(Side::Ours);
        page.0.detail = Some(error.to_string());
        if status == StatusCode::SERVICE_UNAVAILABLE {
            page.0.retry_after = Some(Duration::from_secs(5));
        }
        page
    }
}

impl From<AskError> for PageError {
    fn from(error: AskError) -> Self {
        match error {
            AskError::SignInAgain => {
                let message = "Fly.io wants you to sign in there again before it answers us. Nothing has changed.";
                Self::new(StatusCode::FORBIDDEN, "Sign in with Fly.io once more", message)
                    .action("Sign in again", "/sign-in")
            }
            AskError::Upstream(error) => error.into(),
            AskError::Store(error) => error.into(),
        }
    }
}

impl From<UpstreamError> for PageError {
    fn from(error: UpstreamError) -> Self {
        Self::fly_unavailable(error.to_string())
    }
}
