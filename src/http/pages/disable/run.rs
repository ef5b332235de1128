//! The page of a run: what has been mailed, what failed and why, who has a password.

mod samples;

use askama::Template;

use super::{Counts, MailStatus, RunProgress, RunState};
use crate::http::pages::when::Stamp;
use crate::http::pages::{Choice, OrganizationFrame, Pager, Section, people, thousands};

/// A row of [`RunPage`].
#[derive(Debug, Clone)]
pub struct RunRow {
    pub id: String,
    pub name: String,
    pub address: String,
    pub status: MailStatus,
    /// When it was sent, or why not and what helps; may be empty.
    pub detail: String,
    /// What the mail server said last, and when; may be empty.
    pub answer: String,
    /// Has a password.
    pub ready: bool,
    /// There is a reason to send the mail again.
    pub resend: bool,
    /// Left out on purpose, and may be let in.
    pub left_out: bool,
}

/// How the run was undone.
#[derive(Debug, Clone)]
pub struct Reverted {
    /// `22 November 2026, 15:02:10`
    pub at: Stamp,
    pub by: String,
}

/// What became of an admin's wish to have mail sent again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Notice {
    pub good: bool,
    pub text: String,
}

impl Notice {
    /// Mail goes out, or has gone out.
    #[must_use]
    pub fn good(text: String) -> Self {
        Self { good: true, text }
    }

    /// Nothing was sent.
    #[must_use]
    pub fn bad(text: String) -> Self {
        Self { good: false, text }
    }
}

/// `GET /organizations/{slug}/auth/disable/{run}`
#[derive(Debug, Clone, Template)]
#[template(path = "pages/run.html")]
pub struct RunPage {
    pub frame: OrganizationFrame,
    pub csrf: String,
    /// Why no mail leaves at the moment: since when, and what to do.
    pub stopped: Option<(Stamp, String)>,
    /// The answer to the resend form, where it leads.
    pub notice: Option<Notice>,
    /// Which rendering of the resend form this is: sent twice, it does what it does once.
    pub once: String,
    /// Id of the run.
    pub run: String,
    pub progress: RunProgress,
    /// When sign-in was switched: `22 November 2026, 14:37:02`.
    pub switched_at: Stamp,
    /// Who clicked.
    pub by: String,
    /// When the last mail left, once the run is done: `14:40:43`. Mail that an admin had sent again is not meant.
    pub finished_at: Option<Stamp>,
    /// When mailing was over again after an admin had mail sent once more.
    pub again_at: Option<Stamp>,
    /// How long the run took, once it is done: `3 minutes 41 seconds`.
    pub took: String,
    /// How long a set-up link works: `24 hours`.
    pub link_lasts: String,
    pub reverted: Option<Reverted>,
    /// Follow the run live; none when nothing is expected to change.
    pub live: bool,
    /// The mail that goes out is mail that an admin had sent again.
    pub again: bool,
    /// What was searched for, or empty.
    pub query: String,
    /// Filter by state of the mail.
    pub statuses: Vec<Choice>,
    pub rows: Vec<RunRow>,
    pub pager: Pager,
}

impl RunPage {
    /// The states one can filter by.
    pub const STATUSES: &[(&str, &str)] = &[
        ("", "any state"),
        ("queued", "queued"),
        ("sending", "sending"),
        ("sent", "sent"),
        ("failed", "failed"),
        ("cancelled", "cancelled"),
    ];

    fn url(&self) -> String {
        format!("{}/auth/disable/{}", self.frame.base(), self.run)
    }

    fn counts(&self) -> &Counts {
        &self.progress.counts
    }

    fn under_way(&self) -> bool {
        matches!(self.progress.state, RunState::Switched | RunState::Mailing)
    }

    fn is_reverted(&self) -> bool {
        self.progress.state == RunState::Reverted
    }

    /// Whether there is a button beside the row.
    fn can_resend(&self, row: &RunRow) -> bool {
        !self.is_reverted() && row.resend
    }

    /// Whether somebody may be let in who was left out.
    fn can_let_in(&self, row: &RunRow) -> bool {
        !self.is_reverted() && row.left_out
    }

    /// Mails that have not left.
    fn waiting(&self) -> u64 {
        self.counts().queued + self.counts().sending
    }

    /// Members without a password who are to have one.
    fn not_ready(&self) -> u64 {
        self.counts().meant().saturating_sub(self.counts().ready)
    }
}
