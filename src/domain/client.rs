//! A registered relying party (OIDC Core, section 1; RFC 6749, section 2) and the settings each has of its own.

use serde::Deserialize;
use url::Url;

use super::ids::ClientId;

/// How a client proves itself at the token endpoint (OIDC Core, section 9).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TokenAuth {
    ClientSecretBasic,
    ClientSecretPost,
}

/// With which algorithm the client's `id_token` is signed (RFC 7518, section 3.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Deserialize)]
pub enum SigningAlgorithm {
    #[serde(rename = "ES256")]
    Es256,
    #[serde(rename = "RS256")]
    Rs256,
}

/// What a client knows a person by in `user_id` of `token/info`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Subject {
    /// Our own id, the same as `sub`.
    UserId,
    /// The id at Fly.io, by which Sentry's existing identities are keyed.
    FlyUserId,
}

/// A relying party as configured.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(clippy::struct_excessive_bools, reason = "independent switches, each named in the contract with Sentry")]
pub struct Client {
    pub id: ClientId,
    /// Shown to people: "Sign in to {name}".
    pub name: String,
    /// SHA-256 of each accepted secret; several while one is being replaced.
    pub secrets: Vec<[u8; 32]>,
    /// Compared byte for byte (OIDC Core, section 3.1.2.1).
    pub redirect_uris: Vec<String>,
    pub post_logout_redirect_uris: Vec<String>,
    /// Where the client hears that somebody is signed out (OpenID Connect Back-Channel Logout 1.0, section 2.2).
    pub backchannel_logout_uri: Option<Url>,
    /// Where a person goes to start a sign-in at this client.
    pub home: Option<Url>,
    pub token_auth: TokenAuth,
    pub algorithm: SigningAlgorithm,
    pub require_pkce: bool,
    /// Whether `scope` must contain `openid`.
    pub require_openid: bool,
    /// Claims of scopes stand in the `id_token` too, not only in userinfo.
    pub claims_in_id_token: bool,
    /// A refresh token without `offline_access`.
    pub always_refresh_token: bool,
    /// A denial stays on our own page: Sentry starts over on an error, in an endless loop, whichever its provider.
    pub denials_on_own_page: bool,
    pub subject: Subject,
}

impl Client {
    /// Whether the client fails without an address: both of Sentry's providers end on an error page of their own.
    #[must_use]
    pub fn needs_email(&self) -> bool {
        self.subject == Subject::FlyUserId || self.claims_in_id_token
    }

    /// The registered URI that equals `uri` byte for byte. The result is the proof that it may be redirected to.
    #[must_use]
    pub fn verify_redirect(&self, uri: &str) -> Option<VerifiedRedirect> {
        self.redirect_uris.iter().find(|known| known.as_str() == uri).map(|known| VerifiedRedirect(known.clone()))
    }

    /// The same for where a person is sent after signing out (RP-Initiated Logout, section 3).
    #[must_use]
    pub fn verify_post_logout(&self, uri: &str) -> Option<VerifiedRedirect> {
        let mut registered = self.post_logout_redirect_uris.iter();
        registered.find(|known| known.as_str() == uri).map(|known| VerifiedRedirect(known.clone()))
    }
}

/// A redirect URI that the client registered. Only a [`Client`] makes one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VerifiedRedirect(String);

impl VerifiedRedirect {
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}
