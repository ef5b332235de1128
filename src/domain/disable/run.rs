//! One execution of "Disable Fly.io Auth": what each commit makes of it, and of its totals.

use serde::{Deserialize, Serialize};

use super::row::Row;
use super::totals::Totals;
use super::{Effect, Event, Refused, RunState};
use crate::clock::Timestamp;
use crate::domain::ids::{OrganizationId, RunId};
use crate::domain::organization::{Actor, Generation, LoginMethod, Organization};

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Run {
    pub id: RunId,
    pub organization: OrganizationId,
    /// The generation that began with this run; jobs of the run are void in any other.
    pub generation: Generation,
    pub state: RunState,
    pub by: Actor,
    pub started_at: Timestamp,
    /// Members counted at the click; corrected as the fan-out finds more, and when it has seen them all.
    pub members: i64,
    /// Rows written so far.
    pub rows: i64,
    /// When mailing was over for the first time.
    pub mailed_at: Option<Timestamp>,
    /// Jobs that walk the ledger to queue mail again; the run is not over before the last one is through.
    #[serde(default)]
    pub resending: u32,
}

/// Whether a run is over, and if it ends now, with what.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ending {
    /// It was over before.
    Over,
    /// Something is not settled yet.
    Waiting,
    /// `first`: it was not opened again by an admin who had mail sent once more.
    Ends { run: Box<Run>, first: bool, effects: Vec<Effect> },
}

impl Run {
    /// The run that begins as `organization`, switched already, leaves Fly.io, and its first totals.
    pub fn begin(
        id: RunId,
        organization: &Organization,
        members: i64,
        by: Actor,
        now: Timestamp,
    ) -> Result<(Self, Totals), Refused> {
        let (state, _) = RunState::Requested.step(Event::Switch, now)?;
        let run = Self {
            id,
            organization: organization.id.clone(),
            generation: organization.generation,
            state,
            by,
            started_at: now,
            members,
            rows: 0,
            mailed_at: None,
            resending: 0,
        };
        Ok((run, Totals::joined(members)))
    }

    /// Whether jobs of the run still mean something: the organization is where the run took it.
    #[must_use]
    pub fn is_current(&self, organization: &Organization) -> bool {
        organization.login_method == LoginMethod::Password
            && organization.generation == self.generation
            && !self.state.is_reverted()
    }

    /// The run after these rows were written; `last` when no members follow. With the change of the totals.
    pub fn fanned_out(
        &self,
        written: &[Row],
        last: bool,
        now: Timestamp,
    ) -> Result<(Self, Totals, Vec<Effect>), Refused> {
        let cursor = written.last().map(|row| row.user.clone());
        let (state, effects) = self.state.clone().step(Event::FannedOut { cursor, last }, now)?;
        let rows = self.rows + i64::try_from(written.len()).unwrap_or(0);
        let mut after = Self { state, rows, ..self.clone() };
        let mut totals = Totals::default();
        for row in written {
            totals += Totals::change(None, row);
        }
        // Who joined while the click was being counted, seen at the end at the latest: nobody has a row and is not counted.
        if last || rows > after.members {
            totals += Totals::joined(rows - after.members);
            after.members = rows;
        }
        Ok((after, totals, effects))
    }

    /// The run that was reverted before everybody had a row: those without one are cancelled in the totals.
    #[must_use]
    pub fn abandoned(&self) -> (Self, Totals) {
        let unwritten = (self.members - self.rows).max(0);
        let change = Totals { queued: -unwritten, cancelled: unwritten, ..Totals::default() };
        (Self { rows: self.members, ..self.clone() }, change)
    }

    /// The run after Fly.io was turned on again.
    pub fn reverted(&self, now: Timestamp) -> Result<Self, Refused> {
        let (state, _) = self.state.clone().step(Event::Revert, now)?;
        Ok(Self { state, ..self.clone() })
    }

    /// The run after mail was queued again, with so many jobs that walk the ledger. `true`: it was over, and was opened.
    pub fn resent(&self, resending: u32, now: Timestamp) -> Result<(Self, bool), Refused> {
        let (state, _) = self.state.clone().step(Event::Resent, now)?;
        let opened = state != self.state;
        Ok((Self { state, resending, ..self.clone() }, opened))
    }

    /// Whether the run ends with these totals: nothing is queued or being sent, and nothing will be queued again.
    pub fn ending(&self, totals: &Totals, now: Timestamp) -> Result<Ending, Refused> {
        match self.state {
            RunState::Done { .. } | RunState::Reverted { .. } => return Ok(Ending::Over),
            RunState::Mailing { complete: true, .. } if totals.unsettled() == 0 && self.resending == 0 => {}
            _ => return Ok(Ending::Waiting),
        }
        let (state, effects) = self.state.clone().step(Event::Settled, now)?;
        let first = self.mailed_at.is_none();
        let run = Box::new(Self { state, mailed_at: self.mailed_at.or(Some(now)), ..self.clone() });
        Ok(Ending::Ends { run, first, effects })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::member::Member;
    use crate::domain::plan::Plan;

    const NOW: Timestamp = Timestamp::from_seconds(7);

    fn begun(members: i64) -> (Run, Totals) {
        let id = "org1".parse().expect("an id");
        let slug = "org-1".parse().expect("a slug");
        let plan = Plan::Paid { name: "Team".to_owned(), since: NOW };
        let organization = Organization::new(id, slug, "Org".to_owned(), plan, NOW);
        let by = Actor { user: None, name: "Ines".to_owned() };
        Run::begin("run1".parse().expect("an id"), &organization, members, by, NOW).expect("begins")
    }

    fn row(user: &str) -> Row {
        let member = Member { user: user.parse().expect("an id"), ..Member::sample(NOW) };
        Row::new(&member, NOW)
    }

    #[test]
    fn whoever_joined_while_the_click_was_counted_is_counted_with_their_row() {
        let (run, mut totals) = begun(1);
        let (run, change, _) = run.fanned_out(&[row("u1"), row("u2")], false, NOW).expect("fans out");
        totals += change;
        assert_eq!((totals.members, totals.queued, run.members), (2, 2, 2));
        // Fly.io is turned on again before the fan-out has come to its end.
        let (after, change) = run.reverted(NOW).expect("reverts").abandoned();
        totals += change;
        assert_eq!((totals.members, totals.queued, totals.cancelled, after.rows), (2, 2, 0, 2));
        assert!(totals.add_up());
    }

    #[test]
    fn a_reverted_run_cancels_those_without_a_row() {
        let (run, mut totals) = begun(3);
        let (run, change, _) = run.fanned_out(&[row("u1")], false, NOW).expect("fans out");
        totals += change;
        totals += run.abandoned().1;
        assert_eq!((totals.queued, totals.cancelled), (1, 2));
        assert!(totals.add_up());
    }
}
