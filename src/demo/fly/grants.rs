//! Codes and tokens: issued, redeemed once, rotated, expired by the clock.

use std::collections::HashMap;
use std::time::Duration;

use aws_lc_rs::digest;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};

use crate::clock::Timestamp;
use crate::random::Random;

/// A code is good for 600 seconds.
pub const CODE_LIFE: Duration = Duration::from_mins(10);
/// An access token is good for 7200 seconds.
pub const ACCESS_TOKEN_LIFE: Duration = Duration::from_hours(2);

#[derive(Default, Serialize, Deserialize)]
pub(super) struct Grants {
    codes: HashMap<String, Code>,
    /// By access token. As in Doorkeeper, access and refresh token share one row and end together.
    tokens: HashMap<String, Token>,
}

/// What the person agreed to, waiting to be fetched.
#[derive(Clone, Serialize, Deserialize)]
pub(super) struct Code {
    pub(super) client_id: String,
    pub(super) redirect_uri: String,
    pub(super) user_id: String,
    /// PKCE, S256 (RFC 7636, section 4.2).
    pub(super) challenge: Option<String>,
    pub(super) issued_at: Timestamp,
}

#[derive(Clone, Serialize, Deserialize)]
pub(super) struct Token {
    pub(super) client_id: String,
    pub(super) user_id: String,
    refresh: String,
    pub(super) created_at: Timestamp,
}

/// A fresh pair.
pub(super) struct Issued {
    pub(super) access_token: String,
    pub(super) refresh_token: String,
    pub(super) created_at: Timestamp,
}

/// `invalid_grant`; which rule was broken stays inside, as at Fly.io.
pub(super) struct InvalidGrant;

/// What the token request says about a code.
pub(super) struct Redemption<'a> {
    pub(super) code: &'a str,
    pub(super) client_id: &'a str,
    pub(super) redirect_uri: &'a str,
    pub(super) verifier: Option<&'a str>,
}

impl Grants {
    pub(super) fn issue_code(&mut self, code: Code, random: &dyn Random) -> String {
        let now = code.issued_at;
        self.codes.retain(|_, old| now < old.issued_at.plus(CODE_LIFE));
        let text = opaque(random);
        self.codes.insert(text.clone(), code);
        text
    }

    pub(super) fn redeem(
        &mut self,
        request: &Redemption<'_>,
        now: Timestamp,
        random: &dyn Random,
    ) -> Result<Issued, InvalidGrant> {
        let code = self.codes.get(request.code).ok_or(InvalidGrant)?;
        let fits = code.client_id == request.client_id
            && code.redirect_uri == request.redirect_uri
            && now < code.issued_at.plus(CODE_LIFE)
            && code.challenge.as_deref().is_none_or(|challenge| answers(challenge, request.verifier));
        if !fits {
            return Err(InvalidGrant);
        }
        let code = self.codes.remove(request.code).ok_or(InvalidGrant)?;
        Ok(self.issue(code.client_id, code.user_id, now, random))
    }

    /// Ends the old pair at once, as Doorkeeper does, and makes a new one. A refresh token has no life time of its own.
    pub(super) fn refresh(
        &mut self,
        refresh_token: &str,
        client_id: &str,
        now: Timestamp,
        random: &dyn Random,
    ) -> Result<Issued, InvalidGrant> {
        let mine = |token: &Token| token.refresh == refresh_token && token.client_id == client_id;
        let access_token = self.tokens.iter().find(|(_, token)| mine(token)).map(|(key, _)| key.clone());
        let old = access_token.and_then(|key| self.tokens.remove(&key)).ok_or(InvalidGrant)?;
        Ok(self.issue(old.client_id, old.user_id, now, random))
    }

    /// The live token, if it is one.
    pub(super) fn access(&self, access_token: &str, now: Timestamp) -> Option<&Token> {
        self.tokens.get(access_token).filter(|token| now < token.created_at.plus(ACCESS_TOKEN_LIFE))
    }

    pub(super) fn revoke(&mut self, user_id: &str) {
        self.codes.retain(|_, code| code.user_id != user_id);
        self.tokens.retain(|_, token| token.user_id != user_id);
    }

    fn issue(&mut self, client_id: String, user_id: String, now: Timestamp, random: &dyn Random) -> Issued {
        let access_token = format!("fo1_{}", opaque(random));
        let refresh_token = opaque(random);
        let token = Token { client_id, user_id, refresh: refresh_token.clone(), created_at: now };
        self.tokens.insert(access_token.clone(), token);
        Issued { access_token, refresh_token, created_at: now }
    }
}

fn opaque(random: &dyn Random) -> String {
    URL_SAFE_NO_PAD.encode(random.bytes_32())
}

fn answers(challenge: &str, verifier: Option<&str>) -> bool {
    let hashed = |verifier: &str| URL_SAFE_NO_PAD.encode(digest::digest(&digest::SHA256, verifier.as_bytes()));
    verifier.is_some_and(|verifier| hashed(verifier) == challenge)
}
