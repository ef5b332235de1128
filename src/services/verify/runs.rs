//! Runs: their totals, and whether every mail that waits has a job that sends it.

use std::collections::BTreeSet;

use super::{Findings, Mend, TRIES, Verifier};
use crate::domain::disable::{RowStatus, Run, RunState, Totals};
use crate::domain::ids::{OrganizationId, RunId, UserId};
use crate::domain::organization::Organization;
use crate::services::jobs::{Mail, Outgoing};
use crate::store::queue::Job;
use crate::store::records::decode;
use crate::store::{Key, MAX_SCAN, StoreError, keys};

/// What the rows of a run add up to.
#[derive(Default)]
struct Counted {
    rows: i64,
    by_status: [i64; RowStatus::ALL.len()],
    ready: i64,
    left_out: i64,
    /// Who is said to be waiting for a mail.
    waiting: BTreeSet<UserId>,
}

impl Counted {
    fn of(&self, status: RowStatus) -> i64 {
        let at = RowStatus::ALL.iter().position(|known| *known == status);
        at.map_or(0, |at| self.by_status[at])
    }
}

impl Verifier {
    pub(super) async fn look_at_runs(
        &self,
        organization: &Organization,
        findings: &mut Findings,
    ) -> Result<(), StoreError> {
        let id = &organization.id;
        let mut after: Option<String> = None;
        let mut current = organization.run.clone();
        loop {
            let page = self.store.list(&keys::runs(id), after.as_deref(), MAX_SCAN).await?;
            for run in &page {
                current = current.filter(|current| *current != run.value.id);
                self.look_at_run(&run.value.id, id, findings).await?;
            }
            match page.last() {
                Some(last) if page.len() == MAX_SCAN => after = Some(last.item().to_owned()),
                _ => break,
            }
        }
        if let Some(missing) = current {
            findings.differs("run", format!("the run {missing} of the organization is not there"), Mend::Nothing);
        }
        Ok(())
    }

    async fn look_at_run(
        &self,
        id: &RunId,
        organization: &OrganizationId,
        findings: &mut Findings,
    ) -> Result<(), StoreError> {
        for _ in 0..TRIES {
            let Some(before) = self.disable.run(organization, id).await? else { return Ok(()) };
            let told = self.disable.totals(organization, id).await?;
            let counted = self.count(organization, id).await?;
            let mut waiting = counted.waiting.clone();
            self.strike_out(organization, id, &mut waiting).await?;
            let after = self.disable.run(organization, id).await?;
            let still = after.is_some_and(|after| after.version == before.version);
            if !still || self.disable.totals(organization, id).await? != told {
                continue;
            }
            findings.rows += usize::try_from(counted.rows).unwrap_or(0);
            compare(&before.value, &told, &counted, findings);
            for user in waiting {
                let what = format!("run {id}: the mail to {user} waits, and nothing will send it");
                findings.differs(format!("run {id}: job of {user}"), what, Mend::Nothing);
            }
            return Ok(());
        }
        findings.moving.push(format!("the totals of run {id}"));
        Ok(())
    }

    async fn count(&self, organization: &OrganizationId, id: &RunId) -> Result<Counted, StoreError> {
        let mut counted = Counted::default();
        let mut after: Option<String> = None;
        loop {
            let page = self.disable.rows(organization, id, after.as_deref(), MAX_SCAN).await?;
            for row in page.iter().map(|entry| &entry.value) {
                counted.rows += 1;
                counted.ready += i64::from(row.ready_at.is_some());
                counted.left_out += i64::from(row.left_out);
                if let Some(at) = RowStatus::ALL.iter().position(|status| *status == row.status) {
                    counted.by_status[at] += 1;
                }
                if !row.status.is_settled() {
                    counted.waiting.insert(row.user.clone());
                }
            }
            match page.last() {
                Some(last) if page.len() == MAX_SCAN => after = Some(last.item().to_owned()),
                _ => return Ok(counted),
            }
        }
    }

    /// Takes out those whose mail has a job.
    async fn strike_out(
        &self,
        organization: &OrganizationId,
        id: &RunId,
        waiting: &mut BTreeSet<UserId>,
    ) -> Result<(), StoreError> {
        let prefix = format!("job/{}/", self.disable.mail_queue());
        let mut after: Option<String> = None;
        while !waiting.is_empty() {
            let page = self.store.scan(&keys::org(organization), &prefix, after.as_deref(), MAX_SCAN).await?;
            for (key, record) in &page {
                // One that cannot be read is perhaps of a newer program, and not missing.
                let Ok(job) = decode::<Job<Outgoing>>(key, record) else { continue };
                if let Mail::Run { run, user, .. } = &job.value.payload.mail
                    && run == id
                {
                    waiting.remove(user);
                }
            }
            match page.into_iter().last() {
                Some((key, _)) => after = Some(key.name().to_owned()),
                None => break,
            }
        }
        Ok(())
    }
}

fn compare(run: &Run, told: &Totals, counted: &Counted, findings: &mut Findings) {
    let (id, organization) = (&run.id, &run.organization);
    let place = |what: &str| format!("run {id}: {what}");
    if !told.add_up() {
        findings.differs(place("sum"), format!("run {id}: the totals do not add up: {told:?}"), Mend::Nothing);
    }
    // Until the fan-out has written a row, the member counts as queued; turned back before that, as cancelled.
    let unwritten = told.members - counted.rows;
    let given_up = run.state.is_reverted() && run.rows > counted.rows;
    if unwritten < 0 || (unwritten > 0 && is_written(run)) {
        let what = format!("run {id}: {} members are counted and {} rows are there", told.members, counted.rows);
        findings.differs(place("rows"), what, Mend::Nothing);
        return;
    }
    for (status, told) in [
        (RowStatus::Queued, told.queued),
        (RowStatus::Sending, told.sending),
        (RowStatus::Sent, told.sent),
        (RowStatus::Failed, told.failed),
        (RowStatus::Cancelled, told.cancelled),
    ] {
        let without_row = match status {
            RowStatus::Queued if !given_up => unwritten,
            RowStatus::Cancelled if given_up => unwritten,
            _ => 0,
        };
        let there = counted.of(status) + without_row;
        if there != told {
            let word = status.as_str();
            let what = format!("run {id}: {told} are counted as {word} and {there} are");
            let mend = counter(run, counted, keys::run_total(organization, id, status), there - told);
            findings.differs(place(word), what, mend);
        }
    }
    if counted.ready != told.ready {
        let what = format!("run {id}: {} are counted as having a password and {} have", told.ready, counted.ready);
        let mend = counter(run, counted, keys::run_ready(organization, id), counted.ready - told.ready);
        findings.differs(place("ready"), what, mend);
    }
    if counted.left_out != told.left_out {
        let what = format!("run {id}: {} are counted as left out and {} are", told.left_out, counted.left_out);
        let mend = counter(run, counted, keys::run_left_out(organization, id), counted.left_out - told.left_out);
        findings.differs(place("left out"), what, mend);
    }
}

/// Whether everybody has a row.
pub(super) fn is_written(run: &Run) -> bool {
    matches!(run.state, RunState::Mailing { complete: true, .. } | RunState::Done { .. })
}

/// While mails leave, rows and totals change together all the time, and what is missing would be a guess.
fn counter(run: &Run, counted: &Counted, key: Key, missing: i64) -> Mend {
    let over = matches!(run.state, RunState::Done { .. } | RunState::Reverted { .. }) && counted.waiting.is_empty();
    if over { Mend::Counter(key, missing) } else { Mend::Nothing }
}
