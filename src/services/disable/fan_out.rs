//! The fan-out: a worker walks the members in chunks; each chunk commits its rows, its mail jobs and the cursor
//! together. Nothing holds all members in memory.

use futures_util::future::try_join_all;

use super::{CHUNK, Disable, recount};
use crate::domain::disable::{Effect, Row, RowStatus, Run, RunState};
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
        if !run.value.is_current(&organization.value) {
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
        let mut rows = Vec::with_capacity(members.len());
        for member in members {
            // Whoever sets a password at this moment changes the member, and the row is written with it.
            txn.check(member);
            rows.push(Row::new(&member.value, now));
        }
        for row in &rows {
            self.write_row(txn, &run.value, row, mail)?;
        }
        let fanned_out = run.value.fanned_out(&rows, members.len() < CHUNK, now);
        let (after, totals, effects) = fanned_out.map_err(|e| StoreError::Misuse(e.to_string()))?;
        recount(txn, organization, id, totals);
        txn.check(run).put(&keys::run(organization, id), &after)?;
        if effects.contains(&Effect::FanOut) {
            let next = Work::FanOut { organization: organization.clone(), run: id.clone() };
            self.jobs.put_work(txn, work, next, now)?;
        }
        Ok(())
    }

    fn write_row(&self, txn: &mut Txn, run: &Run, row: &Row, announced: &Announced) -> Result<(), StoreError> {
        let now = txn.now();
        txn.put(&keys::row(&run.organization, &run.id, &row.user), row)?;
        if row.status == RowStatus::Queued {
            let (organization, run, user) = (run.organization.clone(), run.id.clone(), row.user.clone());
            self.jobs.put_mail(txn, announced, Mail::Run { organization, run, user, resend: 0 }, now)?;
        }
        Ok(())
    }
}

fn through_fly(place: &Place) -> bool {
    place.method == LoginMethod::Fly
}

fn cancel_unwritten(txn: &mut Txn, run: &Entry<Run>) -> Result<(), StoreError> {
    let (after, totals) = run.value.abandoned();
    txn.check(run).put(&keys::run(&after.organization, &after.id), &after)?;
    recount(txn, &after.organization, &after.id, totals);
    Ok(())
}
