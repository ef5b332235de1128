//! What Sentry remembers: browser sessions and the identity table.

use std::collections::HashMap;
use std::time::Duration;

use axum::http::header::{COOKIE, SET_COOKIE};
use axum::http::{HeaderMap, HeaderValue};
use axum::response::Response;
use serde::{Deserialize, Serialize};

use crate::clock::Timestamp;
use crate::random::Random;

/// Loopback servers share their cookies whatever the port, so the name is this stand-in's own.
const COOKIE_NAME: &str = "demo_sentry";
const SESSION_LIFE: Duration = Duration::from_hours(24);

/// How somebody came.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Profile {
    /// Sentry's Fly.io provider.
    Fly,
    /// The generic OpenID Connect plug-in.
    Oidc,
}

impl Profile {
    /// The provider key behind the colon in `state`.
    #[must_use]
    pub const fn key(self) -> &'static str {
        match self {
            Self::Fly => "fly",
            Self::Oidc => "oidc",
        }
    }

    #[must_use]
    pub const fn words(self) -> &'static str {
        match self {
            Self::Fly => "Sentry's Fly.io provider",
            Self::Oidc => "OpenID Connect",
        }
    }
}

#[derive(Default, Serialize, Deserialize)]
pub(super) struct State {
    pub(super) sessions: HashMap<String, Session>,
    pub(super) identities: Vec<Identity>,
    /// The logout tokens that came lately, each with the time until which it must not come again.
    #[serde(default)]
    pub(super) logout_tokens: HashMap<String, Timestamp>,
}

#[derive(Clone, Serialize, Deserialize)]
pub(super) struct Session {
    pub(super) began_at: Timestamp,
    /// One slot, as in the real Sentry: a second tab that starts a sign-in makes the first tab's answer worthless.
    pub(super) pending: Option<Pending>,
    pub(super) account: Option<Account>,
    /// Shown once on the front page.
    pub(super) flash: Option<Flash>,
}

/// A sign-in under way.
#[derive(Clone, Serialize, Deserialize)]
pub(super) struct Pending {
    pub(super) profile: Profile,
    pub(super) state: String,
    /// How often an error has made it start over.
    pub(super) restarts: u8,
    /// The Fly.io id of the one organization that is wanted; any configured one when absent.
    pub(super) organization: Option<String>,
}

#[derive(Clone, Serialize, Deserialize)]
pub(super) struct Flash {
    pub(super) ok: bool,
    pub(super) text: String,
}

/// Somebody signed in.
#[derive(Clone, Serialize, Deserialize)]
pub struct Account {
    pub profile: Profile,
    /// Flybridge's `sub`; empty when the answer had none.
    pub sub: String,
    /// Fly.io's id; empty in profile 2, which knows only `sub`.
    pub user_id: String,
    pub email: String,
    pub name: String,
    pub organizations: Vec<Membership>,
    /// Whether Sentry had seen this identity before.
    pub recognized: bool,
    /// Flybridge's session, where it told one.
    #[serde(default)]
    pub(super) sid: Option<String>,
    pub(super) refresh_token: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Membership {
    pub id: String,
    pub role: String,
}

/// A row of the identity table. An unlinked one stays, and is linked again by the next sign-in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Identity {
    pub profile: Profile,
    /// Fly.io's `user_id` in profile 1, `sub` in profile 2.
    pub key: String,
    pub email: String,
    pub linked: bool,
    pub sign_ins: u32,
}

impl Account {
    pub(super) fn identity_key(&self) -> &str {
        match self.profile {
            Profile::Fly => &self.user_id,
            Profile::Oidc => &self.sub,
        }
    }
}

impl State {
    /// Notes the arrival; true when the identity was known.
    pub(super) fn recognize(&mut self, account: &Account) -> bool {
        let key = account.identity_key();
        let known = self.identities.iter_mut().find(|row| row.profile == account.profile && row.key == key);
        if let Some(row) = known {
            row.email.clone_from(&account.email);
            row.linked = true;
            row.sign_ins += 1;
            return true;
        }
        self.identities.push(Identity {
            profile: account.profile,
            key: key.to_owned(),
            email: account.email.clone(),
            linked: true,
            sign_ins: 1,
        });
        false
    }

    pub(super) fn unlink(&mut self, account: &Account) {
        let key = account.identity_key();
        for row in self.identities.iter_mut().filter(|row| row.profile == account.profile && row.key == key) {
            row.linked = false;
        }
    }

    /// A new session under a new id; forgets sessions that are too old.
    pub(super) fn open(&mut self, session: Session, random: &dyn Random) -> String {
        let now = session.began_at;
        self.sessions.retain(|_, old| now < old.began_at.plus(SESSION_LIFE));
        let id = hex(random.bytes_32());
        self.sessions.insert(id.clone(), session);
        id
    }
}

impl Session {
    pub(super) fn new(now: Timestamp) -> Self {
        Self { began_at: now, pending: None, account: None, flash: None }
    }
}

/// 64 hexadecimal digits.
pub(super) fn hex(bytes: [u8; 32]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let digit = |value: u8| char::from(DIGITS[usize::from(value)]);
    bytes.iter().flat_map(|byte| [digit(byte >> 4), digit(byte & 15)]).collect()
}

/// The session id that the browser sent.
pub(super) fn cookie(headers: &HeaderMap) -> Option<&str> {
    let all = headers.get_all(COOKIE).iter().filter_map(|value| value.to_str().ok());
    let mut pairs = all.flat_map(|line| line.split(';')).filter_map(|pair| pair.trim().split_once('='));
    pairs.find(|(name, _)| *name == COOKIE_NAME).map(|(_, value)| value)
}

/// No `Secure`: the stand-in speaks plain HTTP on loopback.
pub(super) fn set_cookie(response: &mut Response, id: &str) {
    let line = format!("{COOKIE_NAME}={id}; Path=/; HttpOnly; SameSite=Lax");
    if let Ok(value) = HeaderValue::from_str(&line) {
        response.headers_mut().append(SET_COOKIE, value);
    }
}
