//! A registered relying party (OIDC Core, section 1; RFC 6749, section 2) and the settings each has of its own.

mod unregistered;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};
use url::Url;

use super::client_keys::ClientKeys;
use super::ids::{ClientId, RegistrationId};
use super::machine::MachineScopes;
use super::secret::{Secret, TokenHash};
use crate::clock::Timestamp;
use crate::random::Random;

/// Secrets that are accepted side by side, so that one can be replaced without an interruption.
pub const MOST_SECRETS: usize = 4;

/// How a client proves itself at the token endpoint (OIDC Core, section 9).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TokenAuth {
    ClientSecretBasic,
    ClientSecretPost,
    /// By signing with a key of its own, so that nobody but the client has anything to keep.
    PrivateKeyJwt,
}

impl TokenAuth {
    /// As discovery and client metadata name it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::ClientSecretBasic => "client_secret_basic",
            Self::ClientSecretPost => "client_secret_post",
            Self::PrivateKeyJwt => "private_key_jwt",
        }
    }

    /// Whether there is a secret that both sides know.
    #[must_use]
    pub const fn takes_secret(self) -> bool {
        !matches!(self, Self::PrivateKeyJwt)
    }
}

/// With which algorithm the client's `id_token` is signed (RFC 7518, section 3.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum SigningAlgorithm {
    #[serde(rename = "ES256")]
    Es256,
    #[serde(rename = "RS256")]
    Rs256,
}

/// What an access token is to whoever is shown it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AccessTokenFormat {
    /// Nothing but a name: who wants to know more asks us.
    #[default]
    Opaque,
    /// A JWT (RFC 9068), which a service reads by itself and takes until it expires.
    Jwt,
}

/// What a client knows a person by in `user_id` of `token/info`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Subject {
    /// Our own id, the same as `sub`.
    UserId,
    /// The id at Fly.io, by which Sentry's existing identities are keyed.
    FlyUserId,
}

/// One secret of a client, as far as it is kept.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClientSecret {
    pub hash: TokenHash,
    /// Unknown of one that stands in the configuration.
    pub created_at: Option<Timestamp>,
    /// Until when it is accepted, where another is to take its place.
    pub accepted_until: Option<Timestamp>,
}

impl ClientSecret {
    /// One that somebody else chose.
    #[must_use]
    pub fn chosen(hash: TokenHash) -> Self {
        Self { hash, created_at: None, accepted_until: None }
    }

    /// A new one of 256 random bits, in base64url, which stays the same however a client encodes it (RFC 6749, section
    /// 2.3.1); and what is kept of it.
    #[must_use]
    pub fn mint(now: Timestamp, random: &dyn Random) -> (Secret, Self) {
        let secret = Secret::new(URL_SAFE_NO_PAD.encode(random.bytes_32()));
        let hash = TokenHash::of(secret.expose().as_bytes());
        (secret, Self { hash, created_at: Some(now), accepted_until: None })
    }

    #[must_use]
    pub fn is_accepted(&self, now: Timestamp) -> bool {
        self.accepted_until.is_none_or(|until| now < until)
    }
}

/// A relying party as configured or registered. What is written out of it are its settings, under the names that they
/// have in the configuration; a setting that older versions did not know needs a default.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[expect(clippy::struct_excessive_bools, reason = "independent switches, each named in the contract with Sentry")]
pub struct Client {
    pub id: ClientId,
    /// Shown to people: "Sign in to {name}".
    pub name: String,
    /// Several while one is being replaced.
    #[serde(skip)]
    pub secrets: Vec<ClientSecret>,
    /// Where it was registered, rather than configured, by which act.
    #[serde(skip)]
    pub registration: Option<RegistrationId>,
    /// Compared byte for byte (OIDC Core, section 3.1.2.1).
    pub redirect_uris: Vec<String>,
    pub post_logout_redirect_uris: Vec<String>,
    /// Where the client hears that somebody is signed out (OpenID Connect Back-Channel Logout 1.0, section 2.2).
    #[serde(default)]
    pub backchannel_logout_uri: Option<Url>,
    /// Where a person goes to start a sign-in at this client.
    pub home: Option<Url>,
    pub token_auth: TokenAuth,
    /// The public keys of a client that signs, and of no other.
    #[serde(default)]
    pub jwks: Option<ClientKeys>,
    pub algorithm: SigningAlgorithm,
    #[serde(default)]
    pub access_token_format: AccessTokenFormat,
    /// For which service, beside us, an access token that is a JWT is meant: compared byte for byte there.
    #[serde(default)]
    pub access_token_audience: Option<String>,
    pub require_pkce: bool,
    /// Every request is handed over at the back first (RFC 9126, section 6: `require_pushed_authorization_requests`).
    #[serde(default)]
    pub require_par: bool,
    /// No token is given to it that is not bound to a key (RFC 9449, section 5.2).
    #[serde(default)]
    pub dpop_bound_access_tokens: bool,
    /// Whether `scope` must contain `openid`.
    pub require_openid: bool,
    /// Claims of scopes stand in the `id_token` too, not only in userinfo.
    pub claims_in_id_token: bool,
    /// A refresh token without `offline_access`.
    pub always_refresh_token: bool,
    /// A denial stays on our own page: Sentry starts over on an error, in an endless loop, whichever its provider.
    pub denials_on_own_page: bool,
    pub subject: Subject,
    /// Whether whoever runs this program answers for the client as for their own. One that is not asks each person what it
    /// may learn. A client is registered by hand, by an operator who chose it, so it is theirs unless they say otherwise;
    /// and one that was registered before this could be said goes on as it did.
    #[serde(default = "yes")]
    pub first_party: bool,
    /// What the client may do in its own name.
    #[serde(default)]
    pub machine_scopes: MachineScopes,
}

fn yes() -> bool {
    true
}

impl Client {
    /// Whether `secret` is one that is accepted at `now`, compared in constant time.
    #[must_use]
    pub fn knows(&self, secret: &str, now: Timestamp) -> bool {
        let hash = TokenHash::of(secret.as_bytes());
        self.secrets.iter().any(|known| known.hash == hash && known.is_accepted(now))
    }

    /// Whether `secret` was one of this client's, and is no longer accepted at `now`.
    #[must_use]
    pub fn has_retired(&self, secret: &str, now: Timestamp) -> bool {
        let hash = TokenHash::of(secret.as_bytes());
        self.secrets.iter().any(|known| known.hash == hash && !known.is_accepted(now))
    }

    /// Whether a grant that was given under `registration` is still one of this client. Whoever writes a client into the
    /// configuration has taken over what its id was given before.
    #[must_use]
    pub fn stands_by(&self, registration: Option<&RegistrationId>) -> bool {
        self.registration.is_none() || self.registration.as_ref() == registration
    }

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

    /// For the log: in what an address differs from those that [`Self::verify_redirect`] takes.
    #[must_use]
    pub fn why_no_redirect(&self, uri: &str) -> String {
        unregistered::difference(&self.redirect_uris, uri)
    }

    /// The same for [`Self::verify_post_logout`].
    #[must_use]
    pub fn why_no_post_logout(&self, uri: &str) -> String {
        unregistered::difference(&self.post_logout_redirect_uris, uri)
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
