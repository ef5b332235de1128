//! The fan-out: a worker walks the members in chunks; each chunk commits its rows, its mail jobs and the cursor
//! together. Nothing holds all members in memory.

use futures_util::future::try_join_all;

use super::{CHUNK, Disable, is_current};
use crate::domain::disable::{Effect, Event, Row, RowStatus, Run, RunState};
use crate::domain::ids::{OrganizationId, RunId, UserId};
use crate::domain::member::Member;
use crate::domain::organization::LoginMethod;
use crate::domain::whereabouts::{Place, Whereabouts};
use crate::services::jobs::{Mail, Work};
use crate::store::queue::{Announced, Leased};
use crate::store::records::{Entry, decode};
use crate::store::{Attempt, Key, Outcome, StoreError, Txn, keys};

/// Members of a chunk whose clients are told at the same time.
const AT_ONCE: usize = 16;

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
        let place = keys::org(id);
        let end = || {
            let mut txn = self.store.txn(place.clone());
            self.jobs.work.finish(&mut txn, job);
            txn
        };
        let (Some(organization), Some(run)) = (organization, run) else { return self.store.commit(end()).await };
        if !is_current(&organization.value, &run.value) {
            let mut txn = end();
            cancel_unwritten(&mut txn, &run)?;
            return self.store.commit(txn).await;
        }
        let cursor = match &run.value.state {
            RunState::Switched => None,
            RunState::Mailing { cursor, complete: false } => cursor.clone(),
            _ => return self.store.commit(end()).await,
        };
        let members = self.directory.members(id, cursor.as_ref().map(UserId::as_str), CHUNK).await?;
        self.end_places(&members, through_fly).await?;
        // Begun after what may take a while: a change that is old is not committed.
        let mut txn = end();
        let mail = self.jobs.mail.announce(&place, txn.now()).await?;
        let work = self.jobs.work.announce(&place, txn.now()).await?;
        self.write_chunk(&mut txn, &run, &members, (&mail, &work))?;
        self.store.commit(txn).await
    }

    /// Has clients told that members are signed out whom they signed in in the way that `over` picks out: what was proven so
    /// opens the organization no more. One read for the whole chunk; a member who is signed in nowhere costs nothing else.
    pub(super) async fn end_places(
        &self,
        members: &[Entry<Member>],
        over: fn(&Place) -> bool,
    ) -> Result<(), StoreError> {
        let wanted: Vec<Key> =
            members.iter().map(|member| keys::whereabouts(&member.value.user).into_key()).collect();
        let found = self.store.get(&wanted).await?;
        let mut concerned = Vec::new();
        for ((member, key), record) in members.iter().zip(&wanted).zip(found) {
            let Some(record) = record else { continue };
            match decode::<Whereabouts>(key, &record) {
                Ok(entry) if entry.value.places.iter().any(over) => concerned.push(&member.value.user),
                Ok(_) => {}
                // Perhaps of a newer program. It keeps nobody's mail back.
                Err(error) => tracing::error!(%error, "a member's clients are not told"),
            }
        }
        for some in concerned.chunks(AT_ONCE) {
            try_join_all(some.iter().map(|user| self.end_places_of(user, over))).await?;
        }
        Ok(())
    }

    async fn end_places_of(&self, user: &UserId, over: fn(&Place) -> bool) -> Result<(), StoreError> {
        self.store
            .transact(|| async {
                let mut txn = self.store.txn(keys::user_partition(user));
                let ended = self.jobs.end_places(&mut txn, user, over).await?;
                Ok::<_, StoreError>(if ended == 0 { Attempt::Done(()) } else { Attempt::Commit(txn, ()) })
            })
            .await?;
        self.jobs.logout.wake();
        Ok(())
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

fn through_fly(place: &Place) -> bool {
    place.method == LoginMethod::Fly
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
