//! The JWT by which a client proves itself (RFC 7523, sections 2.2 and 3; OIDC Core, section 9, `private_key_jwt`).

use std::time::Duration;

use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::Number;

use super::client::Client;
use super::client_keys::ClientAlgorithm;
use super::compact::{Compact, SKEW, instant};
use crate::clock::Timestamp;

/// The one `client_assertion_type` there is (RFC 7523, section 2.2).
pub const ASSERTION_TYPE: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";

/// How far ahead an assertion may expire: as long as its `jti` has to be remembered. An hour is what some libraries write
/// unless they are told otherwise (Authlib does); that it is good once does not depend on it.
const LONGEST: Duration = Duration::from_hours(1);

/// Why an assertion proves nothing. For the log: who sent it learns only that.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum AssertionRefused {
    #[error("it is no signed JWT")]
    Malformed,
    #[error("its alg is none of RS256, PS256, ES256 and EdDSA")]
    Algorithm,
    #[error("it wants something understood that is not (crit)")]
    Critical,
    #[error("the client is not registered for private_key_jwt")]
    NoKeys,
    #[error("no key of the client made its signature")]
    Signature,
    #[error("it has no {0}")]
    Missing(&'static str),
    #[error("its iss or sub is not the client")]
    Client,
    #[error("its aud is not the issuer or this endpoint, or not these alone")]
    Audience,
    #[error("it has expired")]
    Expired,
    #[error("it expires more than an hour from now")]
    TooLong,
    #[error("its {0} is in the future")]
    Early(&'static str),
    #[error("its jti was used before")]
    Used,
}

/// Everything else in the header, `typ` too, says nothing about who signed.
#[derive(Debug, Deserialize)]
struct Header {
    alg: String,
    kid: Option<String>,
    crit: Option<IgnoredAny>,
}

#[derive(Debug, Deserialize)]
struct Claims {
    iss: Option<String>,
    sub: Option<String>,
    aud: Option<Audience>,
    exp: Option<Number>,
    nbf: Option<Number>,
    iat: Option<Number>,
    jti: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum Audience {
    One(String),
    Many(Vec<String>),
}

/// An assertion as it was sent. It proves nothing until it is [checked](Assertion::check).
#[derive(Debug)]
pub struct Assertion<'t>(Compact<'t, Header, Claims>);

/// What a good assertion may be used for once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Proven<'a> {
    pub jti: &'a str,
    pub expires_at: Timestamp,
}

impl<'t> Assertion<'t> {
    /// # Errors
    /// When the text is no JWT with the claims of an assertion, whatever their values.
    pub fn parse(text: &'t str) -> Result<Self, AssertionRefused> {
        Compact::parse(text).map(Self).ok_or(AssertionRefused::Malformed)
    }

    /// The client that it says it is from.
    #[must_use]
    pub fn subject(&self) -> Option<&str> {
        self.0.claims.sub.as_deref()
    }

    /// Whether `client` made it for one of `audiences`, to be used at `now`: the signature first.
    ///
    /// # Errors
    /// The first thing that is wrong with it.
    pub fn check(&self, client: &Client, audiences: &[&str], now: Timestamp) -> Result<Proven<'_>, AssertionRefused> {
        self.check_signature(client)?;
        let claims = &self.0.claims;
        for (name, value) in [("iss", &claims.iss), ("sub", &claims.sub)] {
            let value = value.as_deref().ok_or(AssertionRefused::Missing(name))?;
            if value != client.id.as_str() {
                return Err(AssertionRefused::Client);
            }
        }
        claims.check_audience(audiences)?;
        let expires_at = claims.check_times(now)?;
        let jti = claims.jti.as_deref().filter(|jti| !jti.is_empty());
        Ok(Proven { jti: jti.ok_or(AssertionRefused::Missing("jti"))?, expires_at })
    }

    fn check_signature(&self, client: &Client) -> Result<(), AssertionRefused> {
        let keys = client.jwks.as_ref().ok_or(AssertionRefused::NoKeys)?;
        let Compact { signed, signature, header, .. } = &self.0;
        if header.crit.is_some() {
            return Err(AssertionRefused::Critical);
        }
        let algorithm = ClientAlgorithm::named(&header.alg).ok_or(AssertionRefused::Algorithm)?;
        if keys.verify(algorithm, header.kid.as_deref(), signed.as_bytes(), signature) {
            Ok(())
        } else {
            Err(AssertionRefused::Signature)
        }
    }
}

impl Claims {
    /// Whoever else it is meant for could use it here.
    fn check_audience(&self, ours: &[&str]) -> Result<(), AssertionRefused> {
        let named = match self.aud.as_ref().ok_or(AssertionRefused::Missing("aud"))? {
            Audience::One(one) => std::slice::from_ref(one),
            Audience::Many(many) => many.as_slice(),
        };
        let all = named.iter().all(|name| ours.contains(&name.as_str()));
        if all && !named.is_empty() { Ok(()) } else { Err(AssertionRefused::Audience) }
    }

    fn check_times(&self, now: Timestamp) -> Result<Timestamp, AssertionRefused> {
        let instant = |number: &Number| instant(number).ok_or(AssertionRefused::Malformed);
        let time = |number: &Option<Number>| number.as_ref().map(instant).transpose();
        let expires_at = time(&self.exp)?.ok_or(AssertionRefused::Missing("exp"))?;
        if expires_at <= now {
            return Err(AssertionRefused::Expired);
        }
        if expires_at > now.plus(LONGEST + SKEW) {
            return Err(AssertionRefused::TooLong);
        }
        for (name, value) in [("nbf", &self.nbf), ("iat", &self.iat)] {
            if time(value)?.is_some_and(|from| from > now.plus(SKEW)) {
                return Err(AssertionRefused::Early(name));
            }
        }
        Ok(expires_at)
    }
}
