//! How the members of a run are distributed, and what a change of a row changes about that.

use std::ops::AddAssign;

use serde::Serialize;

use super::row::{Row, RowStatus};

/// Members of a run by what became of their mail; also a change of these numbers.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize)]
pub struct Totals {
    pub members: i64,
    pub queued: i64,
    pub sending: i64,
    pub sent: i64,
    pub failed: i64,
    pub cancelled: i64,
    /// Have a password; counted across the others.
    pub ready: i64,
    /// Left out on purpose, and so among the cancelled; none of them is ready.
    pub left_out: i64,
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

    /// So many members more, who wait for their rows.
    #[must_use]
    pub fn joined(members: i64) -> Self {
        Self { members, queued: members, ..Self::default() }
    }

    /// The change by which a row became `after`. A member without a row counts as queued, and as one without a password.
    #[must_use]
    pub fn change(before: Option<&Row>, after: &Row) -> Self {
        let mut change = Self::default();
        *change.of(before.map_or(RowStatus::Queued, |row| row.status)) -= 1;
        *change.of(after.status) += 1;
        let was_ready = before.is_some_and(|row| row.ready_at.is_some());
        change.ready = i64::from(after.ready_at.is_some()) - i64::from(was_ready);
        let was_left_out = before.is_some_and(|row| row.left_out);
        change.left_out = i64::from(after.left_out) - i64::from(was_left_out);
        change
    }

    /// The number of those with this status.
    pub fn of(&mut self, status: RowStatus) -> &mut i64 {
        match status {
            RowStatus::Queued => &mut self.queued,
            RowStatus::Sending => &mut self.sending,
            RowStatus::Sent => &mut self.sent,
            RowStatus::Failed => &mut self.failed,
            RowStatus::Cancelled => &mut self.cancelled,
        }
    }
}

impl AddAssign for Totals {
    fn add_assign(&mut self, change: Self) {
        self.members += change.members;
        self.queued += change.queued;
        self.sending += change.sending;
        self.sent += change.sent;
        self.failed += change.failed;
        self.cancelled += change.cancelled;
        self.ready += change.ready;
        self.left_out += change.left_out;
    }
}
