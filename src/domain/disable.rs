//! "Disable Fly.io Auth" for one organization: the run, its ledger, and the pure state machine that services drive.
//!
//! ```text
//! Requested -> Switched -> Mailing { cursor } -> Done
//!                  \____________\________________/-> Reverted
//! ```
//!
//! The ledger has one row per member. Totals are counters beside the rows, changed in the same commit as the row, so
//! `queued + sending + sent + failed + cancelled = members` at every instant. Until the fan-out has written a
//! member's row, the member counts as queued.

use serde::{Deserialize, Serialize};

use super::ids::{OrganizationId, RunId, UserId};
use super::member::Member;
use super::organization::{Actor, Generation};
use crate::clock::Timestamp;

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "state", rename_all = "snake_case")]
pub enum RunState {
    Requested,
    /// The login method is `password`; nobody has a row yet.
    Switched,
    /// Rows are written up to and including `cursor` (a user id); none left to write once `complete`.
    Mailing {
        cursor: Option<UserId>,
        complete: bool,
    },
    Done {
        at: Timestamp,
    },
    /// Fly.io was turned on again.
    Reverted {
        at: Timestamp,
    },
}

/// What happened to a run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// The organization's login method changed in the same commit.
    Switch,
    /// Rows up to `cursor` are written; `last` when no members follow.
    FannedOut { cursor: Option<UserId>, last: bool },
    /// Every row is sent, failed or cancelled.
    Settled,
    /// A row was queued again by an admin.
    Resent,
    /// Fly.io was turned on again.
    Revert,
}

/// What a service has to do after a transition, in the same commit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Effect {
    /// Queue the job that writes the next rows.
    FanOut,
    /// Tell the admin who acted that the mailing is done.
    Summarize,
}

/// An event that does not fit the state: somebody else came first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the run is not in a state for this")]
pub struct Refused;

impl RunState {
    /// The next state and what it asks for. Consumes the state: a run is in exactly one.
    pub fn step(self, event: Event, now: Timestamp) -> Result<(Self, Vec<Effect>), Refused> {
        match (self, event) {
            (Self::Requested, Event::Switch) => Ok((Self::Switched, vec![Effect::FanOut])),
            (Self::Switched | Self::Mailing { complete: false, .. }, Event::FannedOut { cursor, last }) => {
                let effects = if last { vec![] } else { vec![Effect::FanOut] };
                Ok((Self::Mailing { cursor, complete: last }, effects))
            }
            (Self::Mailing { complete: true, .. }, Event::Settled) => {
                Ok((Self::Done { at: now }, vec![Effect::Summarize]))
            }
            (Self::Done { .. }, Event::Resent) => Ok((Self::Mailing { cursor: None, complete: true }, vec![])),
            (state @ Self::Mailing { .. }, Event::Resent) => Ok((state, vec![])),
            (Self::Switched | Self::Mailing { .. } | Self::Done { .. }, Event::Revert) => {
                Ok((Self::Reverted { at: now }, vec![]))
            }
            _ => Err(Refused),
        }
    }

    #[must_use]
    pub fn is_reverted(&self) -> bool {
        matches!(self, Self::Reverted { .. })
    }

    /// The word for pages and JSON.
    #[must_use]
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::Requested => "requested",
            Self::Switched => "switched",
            Self::Mailing { .. } => "mailing",
            Self::Done { .. } => "done",
            Self::Reverted { .. } => "reverted",
        }
    }
}

/// One execution of "Disable Fly.io Auth".
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Run {
    pub id: RunId,
    pub organization: OrganizationId,
    /// The generation that began with this run; jobs of the run are void in any other.
    pub generation: Generation,
    pub state: RunState,
    pub by: Actor,
    pub started_at: Timestamp,
    /// Members counted at the click; corrected when the fan-out has seen them all.
    pub members: i64,
    /// Rows written so far.
    pub rows: i64,
    /// When mailing was over for the first time.
    pub mailed_at: Option<Timestamp>,
}

/// Where the mail to one member stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RowStatus {
    Queued,
    Sending,
    Sent,
    Failed,
    Cancelled,
}

impl RowStatus {
    pub const ALL: [Self; 5] = [Self::Queued, Self::Sending, Self::Sent, Self::Failed, Self::Cancelled];

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

    #[must_use]
    pub fn is_settled(self) -> bool {
        matches!(self, Self::Sent | Self::Failed | Self::Cancelled)
    }
}

/// Which mail a member gets.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Delivery {
    /// A link to set a password.
    SetUp,
    /// "Sign in with the password you have."
    HasPassword,
    /// No address that takes mail.
    Unreachable,
}

/// Why no mail goes to a member.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unreachable {
    NoAddress,
    /// Fly.io did not name the organization for the person when it was last asked: a link would let somebody back in
    /// who may have been removed.
    NotConfirmed,
}

impl Unreachable {
    /// What to tell the admin.
    #[must_use]
    pub fn sentence(self) -> &'static str {
        match self {
            Self::NoAddress => {
                "Fly.io gave us no address. Ask them to set one at Fly.io and to sign in with Fly.io once, then resend."
            }
            Self::NotConfirmed => {
                "Fly.io no longer named this organization for them. If they belong to it, ask them to sign in with \
                 Fly.io once, then resend."
            }
        }
    }
}

impl Delivery {
    /// What `member` gets, and why nothing if nothing.
    #[must_use]
    pub fn of(member: &Member) -> (Self, Option<Unreachable>) {
        match (&member.email, member.absent_since, member.has_password) {
            (_, Some(_), _) => (Self::Unreachable, Some(Unreachable::NotConfirmed)),
            (None, ..) => (Self::Unreachable, Some(Unreachable::NoAddress)),
            (Some(_), None, true) => (Self::HasPassword, None),
            (Some(_), None, false) => (Self::SetUp, None),
        }
    }
}

/// One member's line in the ledger of a run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Row {
    pub user: UserId,
    pub name: String,
    pub email: Option<String>,
    pub delivery: Delivery,
    pub status: RowStatus,
    /// Deliveries tried since the row was last queued by the run or by an admin.
    pub attempts: u32,
    /// How often an admin had the mail sent again.
    pub resends: u32,
    /// When the status last changed.
    pub at: Timestamp,
    pub next_attempt_at: Option<Timestamp>,
    /// Why it failed, waits or was cancelled, as a sentence for the admin.
    pub detail: Option<String>,
    /// When the person set a password, or had one.
    pub ready_at: Option<Timestamp>,
}

impl Row {
    /// A member's row as the fan-out writes it.
    #[must_use]
    pub fn new(member: &Member, now: Timestamp) -> Self {
        let (delivery, unreachable) = Delivery::of(member);
        Self {
            user: member.user.clone(),
            name: member.name.clone(),
            email: member.email.clone(),
            delivery,
            status: if unreachable.is_some() { RowStatus::Failed } else { RowStatus::Queued },
            attempts: 0,
            resends: 0,
            at: now,
            next_attempt_at: None,
            detail: unreachable.map(|why| why.sentence().to_owned()),
            // A password of somebody who is not confirmed opens nothing.
            ready_at: (member.has_password && member.absent_since.is_none()).then_some(now),
        }
    }
}

/// How the members of a run are distributed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Totals {
    pub members: i64,
    pub queued: i64,
    pub sending: i64,
    pub sent: i64,
    pub failed: i64,
    pub cancelled: i64,
    /// Have a password; counted across the others.
    pub ready: i64,
}

impl Totals {
    #[must_use]
    pub fn add_up(&self) -> bool {
        self.queued + self.sending + self.sent + self.failed + self.cancelled == self.members
    }

    #[must_use]
    pub fn unsettled(&self) -> i64 {
        self.queued + self.sending
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::member::Role;

    const NOW: Timestamp = Timestamp::from_seconds(7);

    fn seventh() -> UserId {
        "u7".parse().expect("an id")
    }

    #[test]
    fn a_run_from_click_to_done() {
        let (state, effects) = RunState::Requested.step(Event::Switch, NOW).expect("switches");
        assert_eq!((state.as_str(), effects), ("switched", vec![Effect::FanOut]));
        let more = Event::FannedOut { cursor: Some(seventh()), last: false };
        let (state, effects) = state.step(more, NOW).expect("fans out");
        assert_eq!(effects, vec![Effect::FanOut]);
        assert_eq!(state.clone().step(Event::Settled, NOW), Err(Refused), "members are missing still");
        let last = Event::FannedOut { cursor: None, last: true };
        let (state, effects) = state.step(last, NOW).expect("fans out");
        assert_eq!((state.as_str(), effects), ("mailing", vec![]));
        let (state, effects) = state.step(Event::Settled, NOW).expect("settles");
        assert_eq!((state, effects), (RunState::Done { at: NOW }, vec![Effect::Summarize]));
    }

    #[test]
    fn a_reverted_run_takes_nothing_more() {
        let (state, _) = RunState::Switched.step(Event::Revert, NOW).expect("reverts");
        for event in [Event::Switch, Event::Settled, Event::Resent, Event::Revert] {
            assert_eq!(state.clone().step(event, NOW), Err(Refused));
        }
        assert_eq!(RunState::Requested.step(Event::Revert, NOW), Err(Refused));
    }

    #[test]
    fn resending_opens_a_finished_run_again() {
        let (state, _) = RunState::Done { at: NOW }.step(Event::Resent, NOW).expect("opens");
        assert_eq!(state, RunState::Mailing { cursor: None, complete: true });
    }

    fn member(email: Option<&str>, absent: bool) -> Member {
        Member {
            user: "u1".parse().expect("an id"),
            role: Role::Member,
            name: "Sam".to_owned(),
            email: email.map(str::to_owned),
            has_password: false,
            joined_at: NOW,
            verified_at: NOW,
            absent_since: absent.then_some(NOW),
            last_sign_in: None,
        }
    }

    #[test]
    fn a_row_that_cannot_be_mailed_has_failed_from_the_start() {
        for (email, absent) in [(None, false), (Some("sam@example.org"), true)] {
            let row = Row::new(&member(email, absent), NOW);
            assert_eq!((row.status, row.delivery), (RowStatus::Failed, Delivery::Unreachable));
            assert!(row.detail.is_some());
        }
        assert_eq!(Row::new(&member(Some("sam@example.org"), false), NOW).delivery, Delivery::SetUp);
    }
}
