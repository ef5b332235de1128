//! Whom an admin wants mailed again.

use serde::{Deserialize, Serialize};

use super::row::{Row, RowStatus};
use crate::clock::Timestamp;

/// Whom an admin wants mailed again. Nobody who is ready is among them, except whose mail failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Which {
    /// Everybody whose mail failed, also who has a password and was not told that they need it.
    Failed,
    /// Everybody who was mailed and has not set a password.
    NotReady,
}

impl Which {
    /// Whether the admin meant this row at the time of asking. Whose mail has left since then is not mailed twice by two
    /// who ask for the same at once; what has failed since is mailed in any case.
    #[must_use]
    pub fn includes(self, row: &Row, asked_at: Timestamp) -> bool {
        let fits = match self {
            Self::Failed => row.status == RowStatus::Failed,
            Self::NotReady => row.status.is_settled() && row.ready_at.is_none(),
        };
        fits && (row.status == RowStatus::Failed || row.at <= asked_at)
    }

    /// The word for forms and keys.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Failed => "failed",
            Self::NotReady => "not-ready",
        }
    }

    /// For the audit log.
    #[must_use]
    pub fn as_phrase(self) -> &'static str {
        match self {
            Self::Failed => "all whose mail failed",
            Self::NotReady => "all without a password",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::member::Member;

    const NOW: Timestamp = Timestamp::from_seconds(7);

    fn sam() -> Member {
        Member::sample(NOW)
    }

    #[test]
    fn who_is_meant_is_who_was_so_when_the_admin_asked() {
        let row = |status, ready| {
            let ready_at = if ready { Some(NOW) } else { None };
            Row { status, ready_at, ..Row::new(&sam(), NOW) }
        };
        let meant = |which: Which, asked_at| {
            RowStatus::ALL.into_iter().filter(move |status| which.includes(&row(*status, false), asked_at))
        };
        assert_eq!(meant(Which::Failed, NOW).collect::<Vec<_>>(), [RowStatus::Failed]);
        let settled = [RowStatus::Sent, RowStatus::Failed, RowStatus::Cancelled];
        assert_eq!(meant(Which::NotReady, NOW).collect::<Vec<_>>(), settled);
        for which in [Which::Failed, Which::NotReady] {
            let since = meant(which, Timestamp::from_seconds(6)).collect::<Vec<_>>();
            assert_eq!(since, [RowStatus::Failed], "mailed since, and not again; failed since, and in any case");
        }
        let ready =
            |which: Which| RowStatus::ALL.into_iter().filter(move |status| which.includes(&row(*status, true), NOW));
        assert_eq!(ready(Which::Failed).collect::<Vec<_>>(), [RowStatus::Failed], "was not told");
        assert_eq!(ready(Which::NotReady).count(), 0);
    }
}
