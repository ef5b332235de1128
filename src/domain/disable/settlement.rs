//! What a worker writes into a row: that its mail is being sent, how that ended, that the person has a password.

use super::letter::Answer;
use super::row::{Row, RowStatus};
use crate::clock::Timestamp;
use crate::domain::ids::{OrganizationId, RunId};
use crate::domain::member::Member;
use crate::domain::organization::{LoginMethod, Organization};

/// How an attempt to mail one member ended.
#[derive(Debug, Clone)]
pub enum Settlement {
    Sent {
        detail: Option<String>,
    },
    Failed {
        detail: String,
    },
    /// There is no mail that could be tried.
    Impossible {
        detail: String,
    },
    Cancelled {
        detail: String,
    },
    /// The link that the mail of this run of another organization took to the person serves here too.
    Rests {
        on: (OrganizationId, RunId),
        detail: String,
    },
    /// Not yet: again at this time, and why.
    Later {
        at: Timestamp,
        detail: String,
        counts: bool,
    },
}

impl Row {
    /// The row as its mail job is taken. None when it is not queued.
    #[must_use]
    pub fn sending(&self, lease_until: Timestamp, now: Timestamp) -> Option<Self> {
        let sending =
            || Self { status: RowStatus::Sending, at: now, next_attempt_at: Some(lease_until), ..self.clone() };
        (self.status == RowStatus::Queued).then(sending)
    }

    /// The row after an attempt that ended so.
    #[must_use]
    pub fn settled(&self, how: &Settlement, now: Timestamp) -> Self {
        let attempts = self.attempts + 1;
        let row = Self { at: now, attempts, next_attempt_at: None, ..self.clone() };
        match how {
            Settlement::Sent { detail } => Self { status: RowStatus::Sent, detail: detail.clone(), ..row },
            Settlement::Failed { detail } => row.failed(detail, now),
            Settlement::Impossible { detail } => Self { attempts: self.attempts, ..row.failed(detail, now) },
            Settlement::Cancelled { detail } => {
                Self { status: RowStatus::Cancelled, detail: Some(detail.clone()), attempts: self.attempts, ..row }
            }
            Settlement::Rests { on, detail } => Self {
                status: RowStatus::Cancelled,
                detail: Some(detail.clone()),
                attempts: self.attempts,
                rests_on: Some(on.clone()),
                ..row
            },
            Settlement::Later { at, detail, counts } => Self {
                status: RowStatus::Queued,
                detail: Some(detail.clone()),
                next_attempt_at: Some(*at),
                attempts: if *counts { attempts } else { self.attempts },
                ..row
            },
        }
    }

    /// The row with what the mail server said, if it said anything.
    #[must_use]
    pub fn heard(self, answer: Option<&str>, now: Timestamp) -> Self {
        match answer.filter(|text| !text.is_empty()) {
            Some(text) => Self { answer: Some(Answer { at: now, text: text.to_owned() }), ..self },
            None => self,
        }
    }
}

impl Member {
    /// The member as one who has a password. None when that was known.
    #[must_use]
    pub fn with_password(&self) -> Option<Self> {
        (!self.has_password).then(|| Self { has_password: true, ..self.clone() })
    }

    /// The row of the organization's run after the person set a password at `set_at`. None when nothing changes: a
    /// password of somebody who is not confirmed, or left out, opens nothing.
    #[must_use]
    pub fn row_with_password(
        &self,
        organization: &Organization,
        row: &Row,
        set_at: Timestamp,
        now: Timestamp,
    ) -> Option<Row> {
        let after = row.with_password(is_since_switch(organization, set_at), now);
        (self.password_counts() && after != *row).then_some(after)
    }
}

/// Whether the organization had left Fly.io by then.
fn is_since_switch(organization: &Organization, at: Timestamp) -> bool {
    let changed = organization.changed.as_ref().map(|change| change.at);
    organization.login_method == LoginMethod::Password && changed.is_some_and(|changed| changed <= at)
}
