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

mod letter;
mod row;
mod run;
mod settlement;
mod totals;
mod which;

use serde::{Deserialize, Serialize};

use super::ids::UserId;
use crate::clock::Timestamp;

pub use letter::{Answer, Letter, REST, Returned};
pub use row::{Delivery, Row, RowStatus, Unreachable};
pub use run::{Ending, Run};
pub use settlement::Settlement;
pub use totals::Totals;
pub use which::Which;

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
    /// An admin had mail sent again.
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

#[cfg(test)]
mod tests {
    use super::*;

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
}
