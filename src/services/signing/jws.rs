//! Compact JWS (RFC 7515, section 7.1), made and checked with held keys.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::{Header, Validation, decode, decode_header};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::SigningError;
use super::key::Algorithm;
use super::ring::ReadyKeys;
use crate::clock::Timestamp;

/// Longer tokens are not ours.
const MAX_TOKEN: usize = 16 * 1024;

/// What a token that comes back to us must be.
#[derive(Debug, Clone, Copy)]
pub struct Expected<'a> {
    /// The `typ` of the header, such as `JWT`: a token of one kind is never taken for another (RFC 8725, 3.11).
    pub typ: &'a str,
    pub issuer: &'a str,
    /// A value that `aud` must hold; `None` takes a token for any audience.
    pub audience: Option<&'a str>,
    pub expiry: Expiry,
}

/// Whether an expired token is good enough.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Expiry {
    /// `exp` must be there and in the future.
    Enforced,
    /// For an `id_token_hint`, which may be old (OpenID Connect RP-Initiated Logout 1.0, section 2).
    Ignored,
}

/// Why a token is not taken. The reasons are for logs; the holder learns only that the token is not accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum TokenRefused {
    #[error("not a signed token")]
    Malformed,
    #[error("a token of another kind")]
    WrongType,
    #[error("signed with a key that is not ours")]
    UnknownKey,
    #[error("the signature, issuer or audience is wrong")]
    Invalid,
    #[error("expired")]
    Expired,
}

impl ReadyKeys {
    /// A compact JWS over `claims`, with `alg`, `kid` and `typ` in its header and nothing else.
    ///
    /// # Errors
    /// When there is no key or the claims do not serialize.
    pub fn sign(
        &self,
        algorithm: Algorithm,
        typ: &str,
        claims: &impl Serialize,
        now: Timestamp,
    ) -> Result<String, SigningError> {
        let key = self.current(algorithm, now).ok_or(SigningError::Key("there is no key for this algorithm"))?;
        let mut header = Header::new(algorithm.jose());
        header.typ = Some(typ.to_owned());
        header.kid = Some(key.kid().to_owned());
        let unwritable = |_| SigningError::Key("the header or the claims cannot be written as JSON");
        let header = serde_json::to_vec(&header).map_err(unwritable)?;
        let claims = serde_json::to_vec(claims).map_err(unwritable)?;
        let mut token = String::with_capacity((header.len() + claims.len()) * 4 / 3 + 520);
        URL_SAFE_NO_PAD.encode_string(header, &mut token);
        token.push('.');
        URL_SAFE_NO_PAD.encode_string(claims, &mut token);
        let signature = key.pair.sign(token.as_bytes())?;
        token.push('.');
        URL_SAFE_NO_PAD.encode_string(signature, &mut token);
        Ok(token)
    }

    /// The claims of a token that we signed. The algorithm is the key's, whatever the header says.
    ///
    /// # Errors
    /// When the token is not one of ours, or not what is expected.
    pub fn verify<T: DeserializeOwned>(
        &self,
        token: &str,
        expected: &Expected<'_>,
        now: Timestamp,
    ) -> Result<T, TokenRefused> {
        if token.len() > MAX_TOKEN {
            return Err(TokenRefused::Malformed);
        }
        let header = decode_header(token).map_err(|_| TokenRefused::Malformed)?;
        if header.typ.as_deref() != Some(expected.typ) {
            return Err(TokenRefused::WrongType);
        }
        let key = header.kid.as_deref().and_then(|kid| self.by_kid(kid)).ok_or(TokenRefused::UnknownKey)?;
        let validation = validation(key.pair.algorithm(), expected);
        let data =
            decode::<serde_json::Value>(token, &key.decoding, &validation).map_err(|_| TokenRefused::Invalid)?;
        if expected.expiry == Expiry::Enforced && !is_fresh(&data.claims, now) {
            return Err(TokenRefused::Expired);
        }
        serde_json::from_value(data.claims).map_err(|_| TokenRefused::Malformed)
    }
}

fn validation(algorithm: Algorithm, expected: &Expected<'_>) -> Validation {
    let mut validation = Validation::new(algorithm.jose());
    // The library asks the system for the time; expiry is judged by the caller's clock instead.
    validation.validate_exp = false;
    validation.set_issuer(&[expected.issuer]);
    if let Some(audience) = expected.audience {
        validation.set_audience(&[audience]);
        validation.set_required_spec_claims(&["iss", "aud"]);
    } else {
        validation.validate_aud = false;
        validation.set_required_spec_claims(&["iss"]);
    }
    validation
}

fn is_fresh(claims: &serde_json::Value, now: Timestamp) -> bool {
    claims.get("exp").and_then(serde_json::Value::as_i64).is_some_and(|exp| now < Timestamp::from_seconds(exp))
}
