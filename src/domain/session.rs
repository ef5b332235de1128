//! A browser that has proven who sits before it.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::access::Proof;
use super::ids::SessionId;
use super::organization::LoginMethod;
use super::user::User;
use crate::clock::Timestamp;

/// How long sessions live.
#[derive(Debug, Clone, Copy)]
pub struct SessionRules {
    /// Without a request.
    pub idle: Duration,
    /// In all.
    pub absolute: Duration,
    /// How recent a sign-in must be before a change of authentication.
    pub fresh: Duration,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Session {
    /// What clients know the session by. One that was begun before sessions had ids has none, and no client hears of its
    /// end.
    #[serde(default)]
    pub sid: Option<SessionId>,
    pub proof: Proof,
    /// The user's epoch at sign-in; the session is over when the user's has risen.
    pub epoch: u32,
    /// The same for what was proven at Fly.io.
    #[serde(default)]
    pub fly_epoch: u32,
    pub created_at: Timestamp,
    pub seen_at: Timestamp,
}

impl Session {
    /// Whether the session is one of `user`'s that nothing has ended since.
    #[must_use]
    pub fn still_counts(&self, user: &User) -> bool {
        let refused = self.proof.method == LoginMethod::Fly && self.fly_epoch != user.fly_epoch;
        user.is_in(self.epoch) && !refused
    }

    /// When the session ends if nothing more happens.
    #[must_use]
    pub fn expires_at(&self, rules: &SessionRules) -> Timestamp {
        self.seen_at.plus(rules.idle).min(self.ends_at(rules))
    }

    /// When the session ends at the latest.
    #[must_use]
    pub fn ends_at(&self, rules: &SessionRules) -> Timestamp {
        self.created_at.plus(rules.absolute)
    }

    /// Whether the sign-in is recent enough for a change of authentication.
    #[must_use]
    pub fn is_fresh(&self, rules: &SessionRules, now: Timestamp) -> bool {
        now < self.proof.auth_time.plus(rules.fresh)
    }

    /// `seen_at` is written at most once in a twelfth of the idle time: reading a page is no write.
    #[must_use]
    pub fn needs_touch(&self, rules: &SessionRules, now: Timestamp) -> bool {
        now.since(self.seen_at) > rules.idle / 12
    }
}
