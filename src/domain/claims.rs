//! What a client learns about a person (OIDC Core, sections 2 and 5.1), in the shapes that go over the wire.

use serde::Serialize;

use super::client_keys::Thumbprint;
use super::ids::{OrganizationId, SessionId, Slug, UserId};
use super::member::Role;
use super::organization::LoginMethod;

/// An organization that a sign-in opened, as the `organizations` claim and `token/info` tell it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct OrganizationClaim {
    pub id: OrganizationId,
    pub slug: Slug,
    pub name: String,
    pub role: Role,
}

/// Claims about the person. Absent ones are omitted, never null.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct PersonClaims {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub email: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub email_verified: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub organizations: Option<Vec<OrganizationClaim>>,
}

/// The way somebody signed in, as `acr` tells it (OIDC Core, section 2). They are two ways, not two levels: what Fly.io
/// asks of a person is Fly.io's to say.
#[must_use]
pub fn acr(issuer: &str, method: LoginMethod) -> String {
    let way = match method {
        LoginMethod::Fly => "fly",
        LoginMethod::Password => "password",
    };
    format!("{issuer}/acr/{way}")
}

/// The `id_token` (OIDC Core, section 2).
#[derive(Debug, Clone, Serialize)]
pub struct IdToken<'a> {
    pub iss: &'a str,
    pub sub: &'a UserId,
    pub aud: &'a str,
    /// Seconds since the epoch, like every time here (RFC 7519, section 2).
    pub exp: i64,
    pub iat: i64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub auth_time: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub nonce: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub at_hash: Option<String>,
    /// RFC 8176. What Fly.io asked of the person is Fly.io's to say, so a Fly.io sign-in is only "fed".
    pub amr: &'a [&'static str],
    #[serde(skip_serializing_if = "Option::is_none")]
    pub acr: Option<String>,
    /// The session that the person signed in with (OpenID Connect Back-Channel Logout 1.0, section 2.1).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sid: Option<&'a SessionId>,
    #[serde(flatten)]
    pub person: PersonClaims,
}

/// An access token that a service reads by itself (RFC 9068, section 2.2).
#[derive(Debug, Clone, Serialize)]
pub struct AccessTokenClaims<'a> {
    pub iss: &'a str,
    pub sub: &'a UserId,
    pub aud: Audience<'a>,
    pub exp: i64,
    pub iat: i64,
    /// Names the record of the token; it opens nothing without the signature.
    pub jti: String,
    pub client_id: &'a str,
    pub scope: String,
    pub auth_time: i64,
    pub acr: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cnf: Option<Confirmation>,
}

/// The key that a token is bound to (RFC 7800, section 3.1; RFC 9449, section 6.1).
#[derive(Debug, Clone, Copy, Serialize)]
pub struct Confirmation {
    pub jkt: Thumbprint,
}

/// Whom a token is meant for (RFC 7519, section 4.1.3).
#[derive(Debug, Clone, Serialize)]
#[serde(untagged)]
pub enum Audience<'a> {
    One(&'a str),
    Two([&'a str; 2]),
}

/// Word to a client that a session is over (OpenID Connect Back-Channel Logout 1.0, section 2.4). It must not have a
/// `nonce`, or it could be taken for an `id_token`.
#[derive(Debug, Clone, Serialize)]
pub struct LogoutToken<'a> {
    pub iss: &'a str,
    pub sub: &'a UserId,
    pub aud: &'a str,
    pub iat: i64,
    pub exp: i64,
    /// Different in each token, also in one that is sent because nothing was heard of the last.
    pub jti: String,
    pub sid: &'a SessionId,
    pub events: LogoutEvents,
}

/// The one event that a logout token tells of.
#[derive(Debug, Clone, Default, Serialize)]
pub struct LogoutEvents {
    #[serde(rename = "http://schemas.openid.net/event/backchannel-logout")]
    backchannel_logout: NoDetails,
}

/// `{}`
#[derive(Debug, Clone, Default, Serialize)]
struct NoDetails {}

/// The answer of userinfo (OIDC Core, section 5.3.2).
#[derive(Debug, Clone, Serialize)]
pub struct UserInfo {
    pub sub: UserId,
    #[serde(flatten)]
    pub person: PersonClaims,
}

/// The answer of `token/info`, in Fly.io's shape. `sub` is our addition.
#[derive(Debug, Clone, Serialize)]
pub struct TokenInfo {
    pub resource_owner_id: String,
    pub user_id: String,
    pub user_name: String,
    pub email: Option<String>,
    pub organizations: Vec<TokenInfoOrganization>,
    pub scope: Vec<String>,
    /// Seconds that the token still lives.
    pub expires_in: i64,
    pub application: Application,
    pub created_at: i64,
    pub sub: UserId,
}

#[derive(Debug, Clone, Serialize)]
pub struct TokenInfoOrganization {
    pub id: OrganizationId,
    pub role: Role,
}

#[derive(Debug, Clone, Serialize)]
pub struct Application {
    pub uid: String,
}
