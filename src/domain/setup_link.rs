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
    /// Who made the last reminder with the person's link, whichever link that was.
    #[serde(default)]
    pub reminded: Option<Reminded>,
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

/// The reservation by which of several reminders, for organizations that left at about the same time, one is mailed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reminded {
    pub job: JobId,
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
    /// It may lie in a mailbox whose address no longer signs the person in.
    Withdrawn,
}

impl SetUpLink {
    #[must_use]
    pub fn is_live(&self, now: Timestamp) -> bool {
        self.state == LinkState::Live && now < self.expires_at
    }

    /// The link that a mail made at `now` carries, and its text: the one there is while it works, or else a new one. It is
    /// valid from now.
    ///
    /// `known` is the text of a link that works, if it can be made again; `fresh` makes the text of a generation.
    pub fn for_mail(
        before: Option<&Self>,
        known: impl FnOnce(&Self) -> Option<String>,
        fresh: impl FnOnce(u32) -> String,
        request: Option<&Request<'_>>,
        (now, lifetime): (Timestamp, Duration),
    ) -> (Self, String) {
        let same = before.filter(|link| link.is_live(now)).and_then(|link| known(link).map(|text| (link, text)));
        let (same, generation, text) = match (same, before) {
            (Some((link, text)), _) => (Some(link), link.generation, text),
            (None, before) => {
                let generation = before.map_or(1, |link| link.generation + 1);
                (None, generation, fresh(generation))
            }
        };
        let asked = match request {
            Some(request) => Some(Asked { job: request.job.clone(), to: request.to.to_owned(), at: now }),
            None => same.and_then(|link| link.asked.clone()),
        };
        let link = Self {
            generation,
            hash: TokenHash::of(text.as_bytes()),
            expires_at: now.plus(lifetime),
            delivered: same.and_then(|link| link.delivered.clone()),
            asked,
            reminded: before.and_then(|link| link.reminded.clone()),
            state: LinkState::Live,
        };
        (link, text)
    }

    /// Whether a password can be set with this text now.
    #[must_use]
    pub fn accepts(&self, text: &str, now: Timestamp) -> bool {
        self.hash == TokenHash::of(text.as_bytes()) && self.is_live(now)
    }

    /// The link after a password was set.
    #[must_use]
    pub fn used(&self) -> Self {
        Self { state: LinkState::Used, ..self.clone() }
    }

    /// The link after an address ceased to sign the person in: where every mail with it went is not written down.
    #[must_use]
    pub fn withdrawn(&self) -> Self {
        Self { state: LinkState::Withdrawn, ..self.clone() }
    }

    /// The link after a mail server took a mail with it.
    #[must_use]
    pub fn delivered(&self, to: &str, run: Option<&(OrganizationId, RunId)>, now: Timestamp) -> Self {
        let delivered = Delivered { at: now, to: to.to_owned(), run: run.cloned() };
        Self { delivered: Some(delivered), ..self.clone() }
    }

    /// The delivery less than `span` ago of a link that works, to this address. A link that is only on its way is in
    /// nobody's mailbox.
    #[must_use]
    pub fn in_mailbox(&self, to: &str, span: Duration, now: Timestamp) -> Option<&Delivered> {
        let delivered = self.delivered.as_ref().filter(|_| self.is_live(now));
        delivered.filter(|delivered| delivered.to == to && now < delivered.at.plus(span))
    }

    /// Whether the person needs no reminder by `job`: they were reminded less than `rest` ago, or got a mail with a link
    /// that works. The same job may come again.
    #[must_use]
    pub fn rests(&self, job: &JobId, rest: Duration, now: Timestamp) -> bool {
        let recent = |at: Timestamp| now < at.plus(rest);
        match &self.reminded {
            Some(reminded) if reminded.job == *job => false,
            Some(reminded) if recent(reminded.at) => true,
            _ => self.is_live(now) && self.delivered.as_ref().is_some_and(|sent| recent(sent.at)),
        }
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
