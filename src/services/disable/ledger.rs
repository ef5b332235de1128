//! The ledger: what happened to each member's mail, settled in the same commit as the job that did it.

use super::{Disable, recount};
use crate::clock::Timestamp;
use crate::domain::audit::AuditKind;
use crate::domain::disable::{Effect, Ending, Row, Totals};
use crate::domain::ids::{OrganizationId, RunId, UserId};
use crate::domain::organization::Actor;
use crate::services::directory::AuditEvent;
use crate::services::jobs::{Mail, Outgoing, Remind, Work};
use crate::store::queue::{Leased, Taking};
use crate::store::records::{Entry, TypedKey};
use crate::store::{Attempt, StoreError, Txn, keys};

pub use crate::domain::disable::Settlement;

/// One member of one run: whose row it is.
#[derive(Debug, Clone)]
pub struct RowId {
    pub organization: OrganizationId,
    pub run: RunId,
    pub user: UserId,
}

impl RowId {
    /// The row that a mail belongs to, if it belongs to one.
    #[must_use]
    pub fn of(mail: &Mail) -> Option<Self> {
        match mail {
            Mail::Run { organization, run, user, .. } => {
                Some(Self { organization: organization.clone(), run: run.clone(), user: user.clone() })
            }
            _ => None,
        }
    }

    pub(super) fn key(&self) -> TypedKey<Row> {
        keys::row(&self.organization, &self.run, &self.user)
    }
}

impl Disable {
    /// Notes that the mails of these jobs are being sent, in the commit that takes the jobs.
    pub async fn mark_sending(&self, mut taking: Taking<Outgoing>) -> Result<Taking<Outgoing>, StoreError> {
        let ids: Vec<(RowId, Timestamp)> =
            taking.jobs.iter().filter_map(|job| Some((RowId::of(&job.payload().mail)?, job.lease_until()))).collect();
        let wanted: Vec<_> = ids.iter().map(|(id, _)| id.key()).collect();
        let rows = self.store.read_all(&wanted).await?;
        for ((id, lease_until), entry) in ids.iter().zip(rows) {
            let Some(entry) = entry else { continue };
            let Some(row) = entry.value.sending(*lease_until, taking.txn.now()) else { continue };
            put_row(&mut taking.txn, (&id.organization, &id.run), &entry, &row)?;
        }
        Ok(taking)
    }

    /// Writes how a job ended and what the mail server said last, together with the end of the job. `false`: the lease was
    /// lost, somebody else has it. With `seen`, the row as it was read a moment ago, one commit does it as a rule. Whether
    /// the run is over with it, [`Disable::finish_if_settled`] has to be asked.
    pub async fn settle(
        &self,
        (id, seen): (&RowId, Option<Entry<Row>>),
        job: &Leased<Outgoing>,
        how: &Settlement,
        answer: Option<&str>,
    ) -> Result<bool, StoreError> {
        let after = |row: &Row, now| row.settled(how, now).heard(answer, now);
        self.end_mail((id, seen), job, how, after).await
    }

    /// Ends a mail job, or puts it off, in one commit with what becomes of the row.
    pub(super) async fn end_mail(
        &self,
        (id, mut seen): (&RowId, Option<Entry<Row>>),
        job: &Leased<Outgoing>,
        how: &Settlement,
        after: impl Fn(&Row, Timestamp) -> Row,
    ) -> Result<bool, StoreError> {
        let again = match how {
            Settlement::Later { at, .. } => Some((self.jobs.mail.announce(job.partition(), *at).await?, *at)),
            _ => None,
        };
        let (again, after) = (&again, &after);
        self.store
            .transact(|| {
                let seen = seen.take();
                async move {
                    let row = match seen {
                        Some(row) => Some(row),
                        None if !self.jobs.mail.holds(job).await? => return Ok(Attempt::Done(false)),
                        None => self.store.read(&id.key()).await?,
                    };
                    let mut txn = self.store.txn(keys::org(&id.organization));
                    match again {
                        Some((announced, at)) => self.jobs.mail.retry_at(&mut txn, announced, job, *at)?,
                        None => self.jobs.mail.finish(&mut txn, job),
                    }
                    if let Some(entry) = row {
                        let row = after(&entry.value, txn.now());
                        put_row(&mut txn, (&id.organization, &id.run), &entry, &row)?;
                    }
                    Ok::<_, StoreError>(Attempt::Commit(txn, true))
                }
            })
            .await
    }

    /// Ends the run when nothing is queued or being sent. `true` when there is nothing left to wait for.
    pub async fn finish_if_settled(&self, id: &OrganizationId, run: &RunId) -> Result<bool, StoreError> {
        self.store
            .transact(|| async {
                let Some(entry) = self.run(id, run).await? else { return Ok(Attempt::Done(true)) };
                // Read after the run: a mail queued again since then changes the run too, and so prevents the commit.
                let totals = self.totals(id, run).await?;
                let mut txn = self.store.txn(keys::org(id));
                let now = txn.now();
                let ending = entry.value.ending(&totals, now).map_err(|e| StoreError::Misuse(e.to_string()))?;
                let (after, first, effects) = match ending {
                    Ending::Over => return Ok(Attempt::Done(true)),
                    Ending::Waiting => return Ok(Attempt::Done(false)),
                    Ending::Ends { run, first, effects } => (run, first, effects),
                };
                txn.check(&entry).put(&keys::run(id, run), &*after)?;
                let whole = if first { "" } else { "the whole run now: " };
                let detail = format!(
                    "{whole}{} sent, {} failed, {} cancelled, {} in all",
                    totals.sent, totals.failed, totals.cancelled, totals.members
                );
                let who = Actor { user: None, name: "Flybridge".to_owned() };
                let kind = if first { AuditKind::RunFinished } else { AuditKind::ResendFinished };
                self.directory.audit(&mut txn, id, AuditEvent { kind, who, from: None, detail })?;
                if first && effects.contains(&Effect::Summarize) {
                    self.put_what_follows(&mut txn, id, run).await?;
                }
                Ok::<_, StoreError>(Attempt::Commit(txn, true))
            })
            .await
    }

    /// The summary for the admin, and the walk that reminds those who have no password by then.
    async fn put_what_follows(&self, txn: &mut Txn, id: &OrganizationId, run: &RunId) -> Result<(), StoreError> {
        let now = txn.now();
        let mail = self.jobs.mail.announce(&keys::org(id), now).await?;
        let work = self.jobs.work.announce(&keys::org(id), now).await?;
        let summary = Mail::Summary { organization: id.clone(), run: run.clone() };
        self.jobs.put_mail(txn, &mail, summary, now)?;
        self.jobs.put_work(txn, &work, Work::Remind(Remind::first(id, run)), now)
    }

    /// A person set a password at `set_at`: their member records and the rows of their organizations' runs say so.
    /// Idempotent.
    pub async fn note_password(
        &self,
        id: &OrganizationId,
        user: &UserId,
        set_at: Timestamp,
    ) -> Result<(), StoreError> {
        self.store
            .transact(|| async {
                let key = keys::member(id, user);
                let (organization, member) = self.store.read_pair(&keys::organization(id), &key).await?;
                let (Some(organization), Some(member)) = (organization, member) else { return Ok(Attempt::Done(())) };
                let mut txn = self.store.txn(keys::org(id));
                if let Some(after) = member.value.with_password() {
                    // With the organization, so that a run that begins meanwhile is not missed.
                    txn.check(&organization).check(&member).put(&key, &after)?;
                }
                if let Some(run) = &organization.value.run {
                    let key = keys::row(id, run, user);
                    match self.store.read(&key).await? {
                        Some(row) => {
                            let now = txn.now();
                            let after = member.value.row_with_password(&organization.value, &row.value, set_at, now);
                            after.map_or(Ok(()), |after| put_row(&mut txn, (id, run), &row, &after))?;
                        }
                        // The fan-out is on its way: it writes the row with the member as it is then.
                        None if !txn.is_empty() => drop(txn.check_absent(key.into_key())),
                        None => {}
                    }
                }
                let nothing = txn.is_empty();
                Ok::<_, StoreError>(if nothing { Attempt::Done(()) } else { Attempt::Commit(txn, ()) })
            })
            .await
    }

    /// A page of the ledger, by user id.
    pub async fn rows(
        &self,
        organization: &OrganizationId,
        run: &RunId,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Vec<Entry<Row>>, StoreError> {
        self.store.list(&keys::rows(organization, run), after, limit).await
    }
}

/// Replaces a row by what became of it, if anything did, and moves the member between the totals.
pub(in crate::services) fn put_row(
    txn: &mut Txn,
    (organization, run): (&OrganizationId, &RunId),
    before: &Entry<Row>,
    after: &Row,
) -> Result<(), StoreError> {
    if before.value == *after {
        return Ok(());
    }
    recount(txn, organization, run, Totals::change(Some(&before.value), after));
    txn.check(before).put(&keys::row(organization, run, &after.user), after)?;
    Ok(())
}
