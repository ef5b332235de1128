//! The single-use link by which a person sets a password.
//!
//! The password belongs to the person, and so does the link: one record per person, in the person's partition. Its
//! token is HMAC(link key, user, generation), computed when a mail is sent and kept only as a hash.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::ids::{JobId, OrganizationId, RunId};
use super::secret::TokenHash;
use crate::clock::Timestamp;

/// A link delivered less than this ago serves a second organization too, instead of a second mail.
pub const SHARED_FOR: Duration = Duration::from_hours(12);

/// A person who asks again within this time has the mail, or will have it in a moment: counted from when a mail asked
/// for was last made, and again from when it was delivered. With the default settings one attempt takes less, waiting
/// for its turn included, so that two are not under way at once; and whoever waits for a mail that a server puts off
/// for longer can have another attempt at once.
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
    /// Who made the last mail that the person asked for, while it may still leave.
    #[serde(default)]
    pub asked: Option<Asked>,
    pub state: LinkState,
}

/// The reservation by which of several requests for a link one is mailed: each has to write it, by compare-and-set,
/// before its mail leaves. Mails of a run neither write nor heed it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Asked {
    pub job: JobId,
    pub to: String,
    /// When the job last made its mail.
    pub at: Timestamp,
}

/// Somebody's request for a link, as a worker comes to it.
#[derive(Debug, Clone, Copy)]
pub struct Request<'a> {
    pub job: &'a JobId,
    pub to: &'a str,
    pub made_at: Timestamp,
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

    /// Whether a mail that was asked for, with this link as long as it works, is all that `request` can ask for: it was
    /// delivered a short time ago or since the request was made, or another request's is about to leave.
    #[must_use]
    pub fn answers(&self, request: &Request<'_>, now: Timestamp) -> bool {
        if !self.is_live(now) {
            return false;
        }
        let recent = |at: Timestamp| now < at.plus(ASKED_AGAIN);
        let delivered = self.delivered.as_ref().filter(|sent| sent.run.is_none() && sent.to == request.to);
        let under_way = self.asked.as_ref().filter(|asked| asked.job != *request.job && asked.to == request.to);
        delivered.is_some_and(|sent| sent.at >= request.made_at || recent(sent.at))
            || under_way.is_some_and(|asked| recent(asked.at))
    }
}
