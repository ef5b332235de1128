//! The fan-out: a worker walks the members in chunks; each chunk commits its rows, its mail jobs and the cursor
//! together. Nothing holds all members in memory.

use super::{CHUNK, Disable, is_current};
use crate::domain::disable::{Effect, Event, Row, RowStatus, Run, RunState};
use crate::domain::ids::{OrganizationId, RunId};
use crate::domain::member::Member;
use crate::services::jobs::{Mail, Work};
use crate::store::queue::{Announced, Leased};
use crate::store::records::Entry;
use crate::store::{Outcome, StoreError, Txn, keys};

impl Disable {
    /// Writes the next chunk of rows and queues the rest.
    pub async fn fan_out(&self, id: &OrganizationId, run: &RunId, job: &Leased<Work>) -> Result<(), StoreError> {
        self.do_chunk(job, || self.fan_out_once(id, run, job)).await
    }

    async fn fan_out_once(
        &self,
        id: &OrganizationId,
        run: &RunId,
        job: &Leased<Work>,
    ) -> Result<Outcome, StoreError> {
        let (organization, run) = self.store.read_pair(&keys::organization(id), &keys::run(id, run)).await?;
        let mut txn = self.store.txn(keys::org(id));
        self.jobs.work.finish(&mut txn, job);
        let (Some(organization), Some(run)) = (organization, run) else { return self.store.commit(txn).await };
        if !is_current(&organization.value, &run.value) {
            cancel_unwritten(&mut txn, &run)?;
            return self.store.commit(txn).await;
        }
        let cursor = match &run.value.state {
            RunState::Switched => None,
            RunState::Mailing { cursor, complete: false } => cursor.clone(),
            _ => return self.store.commit(txn).await,
        };
        let after = cursor.as_ref().map(crate::domain::ids::UserId::as_str);
        let members = self.directory.members(id, after, CHUNK).await?;
        let place = keys::org(id);
        let mail = self.jobs.mail.announce(&place, txn.now()).await?;
        let work = self.jobs.work.announce(&place, txn.now()).await?;
        self.write_chunk(&mut txn, &run, &members, (&mail, &work))?;
        self.store.commit(txn).await
    }

    fn write_chunk(
        &self,
        txn: &mut Txn,
        run: &Entry<Run>,
        members: &[Entry<Member>],
        (mail, work): (&Announced, &Announced),
    ) -> Result<(), StoreError> {
        let now = txn.now();
        let (id, organization) = (&run.value.id, &run.value.organization);
        for member in members {
            // Whoever sets a password at this moment changes the member, and the row is written with it.
            txn.check(member);
            self.write_row(txn, run, &member.value, mail)?;
        }
        let last = members.len() < CHUNK;
        let cursor = members.last().map(|member| member.value.user.clone());
        let event = Event::FannedOut { cursor, last };
        let (state, effects) =
            run.value.state.clone().step(event, now).map_err(|e| StoreError::Misuse(e.to_string()))?;
        let rows = run.value.rows + i64::try_from(members.len()).unwrap_or(0);
        let mut after = Run { state, rows, ..run.value.clone() };
        if last {
            // Who joined while the click was being counted.
            let drift = rows - after.members;
            txn.add(keys::run_members(organization, id), drift);
            txn.add(keys::run_total(organization, id, RowStatus::Queued), drift);
            after.members = rows;
        }
        txn.check(run).put(&keys::run(organization, id), &after)?;
        if effects.contains(&Effect::FanOut) {
            let next = Work::FanOut { organization: organization.clone(), run: id.clone() };
            self.jobs.put_work(txn, work, next, now)?;
        }
        Ok(())
    }

    fn write_row(
        &self,
        txn: &mut Txn,
        run: &Entry<Run>,
        member: &Member,
        announced: &Announced,
    ) -> Result<(), StoreError> {
        let now = txn.now();
        let (id, organization) = (&run.value.id, &run.value.organization);
        let user = member.user.clone();
        let row = Row::new(member, now);
        txn.put(&keys::row(organization, id, &user), &row)?;
        super::recount(txn, organization, id, RowStatus::Queued, row.status);
        if row.ready_at.is_some() {
            txn.add(keys::run_ready(organization, id), 1);
        }
        if row.status == RowStatus::Queued {
            let (organization, run) = (organization.clone(), id.clone());
            self.jobs.put_mail(txn, announced, Mail::Run { organization, run, user, resend: 0 }, now)?;
        }
        Ok(())
    }
}

/// The run was reverted before everybody had a row: those without one are cancelled in the totals.
fn cancel_unwritten(txn: &mut Txn, run: &Entry<Run>) -> Result<(), StoreError> {
    let unwritten = (run.value.members - run.value.rows).max(0);
    let (id, organization) = (&run.value.id, &run.value.organization);
    let after = Run { rows: run.value.members, ..run.value.clone() };
    txn.check(run).put(&keys::run(organization, id), &after)?;
    txn.add(keys::run_total(organization, id, RowStatus::Queued), -unwritten);
    txn.add(keys::run_total(organization, id, RowStatus::Cancelled), unwritten);
    Ok(())
}
