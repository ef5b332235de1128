//! The single-use link by which a person sets a password.
//!
//! The password belongs to the person, and so does the link: one record per person, in the person's partition. Its
//! token is HMAC(link key, user, generation), computed when a mail is sent and kept only as a hash.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::ids::{OrganizationId, RunId};
use super::secret::TokenHash;
use crate::clock::Timestamp;

/// A link delivered less than this ago serves a second organization too, instead of a second mail.
pub const SHARED_FOR: Duration = Duration::from_hours(12);

/// A person who asks again within this time has the mail, or will have it in a moment.
pub const ASKED_AGAIN: Duration = Duration::from_mins(5);

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SetUpLink {
    /// Rises with every new link; only the newest works.
    pub generation: u32,
    pub hash: TokenHash,
    /// Counted from the last time a mail with it was made.
    pub expires_at: Timestamp,
    /// The last mail with it that a mail server took.
    pub delivered: Option<Delivered>,
    pub state: LinkState,
}

/// When, where and for what a link was delivered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Delivered {
    pub at: Timestamp,
    pub to: String,
    /// The run whose mail carried it; none when the person asked for it.
    pub run: Option<(OrganizationId, RunId)>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LinkState {
    Live,
    Used,
}

impl SetUpLink {
    #[must_use]
    pub fn is_live(&self, now: Timestamp) -> bool {
        self.state == LinkState::Live && now < self.expires_at
    }

    /// The delivery less than `span` ago of a link that works, to this address. A link that is only on its way is in
    /// nobody's mailbox.
    #[must_use]
    pub fn in_mailbox(&self, to: &str, span: Duration, now: Timestamp) -> Option<&Delivered> {
        let delivered = self.delivered.as_ref().filter(|_| self.is_live(now));
        delivered.filter(|delivered| delivered.to == to && now < delivered.at.plus(span))
    }
}
