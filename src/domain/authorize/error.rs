//! What a client is told when it gets nothing, and what the log says of it.

use super::received::Received;

/// Error codes that go back to a client (RFC 6749, sections 4.1.2.1 and 5.2; OIDC Core, section 3.1.2.6).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OAuthCode {
    InvalidRequest,
    InvalidClient,
    InvalidGrant,
    UnauthorizedClient,
    UnsupportedGrantType,
    UnsupportedResponseType,
    InvalidScope,
    AccessDenied,
    LoginRequired,
    AccountSelectionRequired,
    ConsentRequired,
    TemporarilyUnavailable,
    ServerError,
    /// RFC 6750, section 3.1.
    InvalidToken,
    InsufficientScope,
    /// RFC 9449, section 5.
    InvalidDpopProof,
    RequestNotSupported,
    RequestUriNotSupported,
    RegistrationNotSupported,
}

impl OAuthCode {
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::InvalidRequest => "invalid_request",
            Self::InvalidClient => "invalid_client",
            Self::InvalidGrant => "invalid_grant",
            Self::UnauthorizedClient => "unauthorized_client",
            Self::UnsupportedGrantType => "unsupported_grant_type",
            Self::UnsupportedResponseType => "unsupported_response_type",
            Self::InvalidScope => "invalid_scope",
            Self::AccessDenied => "access_denied",
            Self::LoginRequired => "login_required",
            Self::AccountSelectionRequired => "account_selection_required",
            Self::ConsentRequired => "consent_required",
            Self::TemporarilyUnavailable => "temporarily_unavailable",
            Self::ServerError => "server_error",
            Self::InvalidToken => "invalid_token",
            Self::InsufficientScope => "insufficient_scope",
            Self::InvalidDpopProof => "invalid_dpop_proof",
            Self::RequestNotSupported => "request_not_supported",
            Self::RequestUriNotSupported => "request_uri_not_supported",
            Self::RegistrationNotSupported => "registration_not_supported",
        }
    }
}

/// A refusal with the code for the client and one sentence for its developers (ASCII without quotes, RFC 6749,
/// section 5.2).
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}: {description}", code.as_str())]
pub struct OAuthError {
    pub code: OAuthCode,
    pub description: String,
    /// For the log alone.
    pub cause: Box<Cause>,
}

/// What the log says of a refusal beside what the client is told, so that its developers find what to mend.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Cause {
    /// The parameter or other part of the request that is at fault.
    pub parameter: Option<Received>,
    /// Its value, of a parameter whose values are no secrets.
    pub received: Option<Received>,
    /// What the description leaves out, because whoever asks may be anybody or because it would be too long.
    pub reason: Option<String>,
}

impl OAuthError {
    #[must_use]
    pub fn new(code: OAuthCode, description: impl Into<String>) -> Self {
        Self { code, description: description.into(), cause: Box::default() }
    }

    /// Which parameter it is about.
    #[must_use]
    pub fn about(mut self, parameter: &str) -> Self {
        self.cause.parameter = Some(Received::of(parameter));
        self
    }

    /// What came in it. Never for a code, a token, a verifier, a secret, an assertion, a state or a nonce.
    #[must_use]
    pub fn received(mut self, value: &str) -> Self {
        self.cause.received = Some(Received::of(value));
        self
    }

    /// [`OAuthError::received`] for an address, which may carry anything.
    #[must_use]
    pub fn received_address(mut self, address: &str) -> Self {
        self.cause.received = Some(Received::address(address));
        self
    }

    /// Why, for the log alone. Nothing that was sent stands in it as it came.
    #[must_use]
    pub fn because(mut self, reason: impl Into<String>) -> Self {
        self.cause.reason = Some(reason.into());
        self
    }
}
