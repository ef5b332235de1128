//! How far a run is. The page and the event stream say it with the same words, since both print [`RunProgress`].

use std::time::Duration;

use serde::Serialize;

use crate::clock::Timestamp;
use crate::http::pages::thousands;
use crate::http::pages::when::{about, clock, iso};

/// How far the run is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum RunState {
    /// Sign-in is switched; the members are being written down.
    Switched,
    Mailing,
    Done,
    /// An admin has turned Fly.io Auth on again.
    Reverted,
}

impl RunState {
    /// The value of `data-state`.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Switched => "switched",
            Self::Mailing => "mailing",
            Self::Done => "done",
            Self::Reverted => "reverted",
        }
    }
}

/// State of one member's mail.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum MailStatus {
    Queued,
    Sending,
    Sent,
    Failed,
    Cancelled,
}

impl MailStatus {
    /// The value of `data-status`, the class and the word of the badge.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Queued => "queued",
            Self::Sending => "sending",
            Self::Sent => "sent",
            Self::Failed => "failed",
            Self::Cancelled => "cancelled",
        }
    }
}

/// The ledger in numbers: `queued + sending + sent + failed + cancelled = total`; `ready` is counted across them.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Counts {
    pub total: u64,
    pub queued: u64,
    pub sending: u64,
    pub sent: u64,
    pub failed: u64,
    pub cancelled: u64,
    /// Members who have a password.
    pub ready: u64,
    /// Members who are left out on purpose, and need none.
    pub left_out: u64,
}

impl Counts {
    /// Members who are to have a password.
    #[must_use]
    pub fn meant(&self) -> u64 {
        self.total.saturating_sub(self.left_out)
    }
}

/// What changes while one looks: in the page, and as JSON in each event.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct RunProgress {
    pub state: RunState,
    #[serde(flatten)]
    pub counts: Counts,
    /// Mails that need nothing more: sent, failed or cancelled.
    pub done: u64,
    /// `14:39:24`
    pub as_of: String,
    /// The same, RFC 3339.
    pub as_of_iso: String,
    /// `290 of 412 done`
    pub heading: String,
    /// `about 1 minute left`
    pub remaining: String,
    /// `3 mails could not be delivered.`
    pub failed_text: String,
    /// `Resend all 3 failed`
    pub resend_text: String,
}

impl RunProgress {
    /// `remaining` is the estimated time until the last mail has left, where there is an estimate.
    #[must_use]
    pub fn new(state: RunState, counts: Counts, as_of: Timestamp, remaining: Option<Duration>) -> Self {
        let done = counts.sent + counts.failed + counts.cancelled;
        let waiting = counts.queued + counts.sending;
        Self {
            state,
            counts,
            done,
            as_of: clock(as_of),
            as_of_iso: iso(as_of),
            heading: format!("{} of {} done", thousands(done), thousands(counts.total)),
            remaining: match remaining {
                Some(span) => format!("{} left", about(span)),
                None => format!("{} still to go", thousands(waiting)),
            },
            failed_text: match counts.failed {
                1 => "1 mail could not be delivered.".to_owned(),
                n => format!("{} mails could not be delivered.", thousands(n)),
            },
            resend_text: match counts.failed {
                1 => "Resend the 1 failed".to_owned(),
                n => format!("Resend all {} failed", thousands(n)),
            },
        }
    }
}

/// A message of `GET /organizations/{slug}/auth/disable/{run}/events`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct RunEvent {
    #[serde(flatten)]
    pub progress: RunProgress,
    /// No mail leaves at the moment, which the page says with the reason.
    pub stopped: bool,
    /// Rows that have changed since the last message.
    pub rows: Vec<RunRowUpdate>,
}

/// A changed row.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct RunRowUpdate {
    pub member: String,
    pub status: MailStatus,
    pub ready: bool,
    /// There is a button to have the mail sent again.
    pub resend: bool,
    pub detail: String,
    /// What the mail server said last, and when; may be empty.
    pub answer: String,
}
