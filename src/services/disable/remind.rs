//! Reminders: some days after all mail of a run is out, a worker walks the ledger and mails those once more who have set
//! no password. Nobody else is: not who has left, was left without a mail, or has a password; and nothing leaves where
//! Fly.io Auth is on again.

use std::time::Duration;

use super::context::RowContext;
use super::ledger::{RowId, Settlement};
use super::{CHUNK, Disable};
use crate::clock::Timestamp;
use crate::domain::audit::AuditKind;
use crate::domain::disable::{Row, Run};
use crate::domain::ids::UserId;
use crate::domain::member::Member;
use crate::domain::organization::Actor;
use crate::services::directory::AuditEvent;
use crate::services::jobs::{Mail, Outgoing, Remind, Work};
use crate::store::queue::Leased;
use crate::store::records::Entry;
use crate::store::{Outcome, StoreError, Txn, keys};

impl RowId {
    /// Whom a reminder is for, and its number.
    #[must_use]
    pub fn of_reminder(mail: &Mail) -> Option<(Self, u32)> {
        match mail {
            Mail::Reminder { organization, run, user, number } => {
                let (organization, run, user) = (organization.clone(), run.clone(), user.clone());
                Some((Self { organization, run, user }, *number))
            }
            _ => None,
        }
    }
}

impl Disable {
    /// Queues the reminders of the next members, and the rest of the walk; or waits until they are due. `after` tells for
    /// each reminder how long after the mailing it leaves.
    ///
    /// # Errors
    /// When the store gives no answer; the job comes again.
    pub async fn remind(&self, walk: &Remind, after: &[Duration], job: &Leased<Work>) -> Result<(), StoreError> {
        self.do_chunk(job, || self.remind_once(walk, after, job)).await
    }

    async fn remind_once(
        &self,
        walk: &Remind,
        after: &[Duration],
        job: &Leased<Work>,
    ) -> Result<Outcome, StoreError> {
        let place = keys::org(&walk.organization);
        let run = self.current_run(&walk.organization, &walk.run).await?;
        let due = run.as_ref().and_then(|run| due(&run.value, walk.number, after));
        let Some(due) = due else {
            let mut txn = self.store.txn(place);
            self.jobs.work.finish(&mut txn, job);
            return self.store.commit(txn).await;
        };
        if self.store.now() < due {
            let work = self.jobs.work.announce(&place, due).await?;
            let mut txn = self.store.txn(place);
            self.jobs.work.retry_at(&mut txn, &work, job, due)?;
            return self.store.commit(txn).await;
        }
        let cursor = walk.cursor.as_ref().map(UserId::as_str);
        let rows = self.rows(&walk.organization, &walk.run, cursor, CHUNK).await?;
        let meant = self.to_remind(walk, &rows).await?;
        let mut txn = self.store.txn(place.clone());
        self.jobs.work.finish(&mut txn, job);
        let mail = self.jobs.mail.announce(&place, txn.now()).await?;
        let queued = walk.queued + u32::try_from(meant.len()).unwrap_or(u32::MAX);
        for user in meant {
            let (organization, run, number) = (walk.organization.clone(), walk.run.clone(), walk.number);
            let now = txn.now();
            self.jobs.put_mail(&mut txn, &mail, Mail::Reminder { organization, run, user, number }, now)?;
        }
        let last = rows.last().filter(|_| rows.len() == CHUNK).map(|row| row.value.user.clone());
        self.go_on(&mut txn, &Remind { cursor: last, queued, ..walk.clone() }).await?;
        self.store.commit(txn).await
    }

    async fn to_remind(&self, walk: &Remind, rows: &[Entry<Row>]) -> Result<Vec<UserId>, StoreError> {
        let waiting: Vec<_> = rows.iter().filter(|row| row.value.may_want_reminder()).collect();
        let wanted: Vec<_> = waiting.iter().map(|row| keys::member(&walk.organization, &row.value.user)).collect();
        let members = self.store.read_all(&wanted).await?;
        let now = self.store.now();
        let meant = waiting.into_iter().zip(members).filter(|(row, member)| {
            member.as_ref().is_some_and(|member| row.value.wants_reminder(&member.value, now))
        });
        Ok(meant.map(|(row, _)| row.value.user.clone()).collect())
    }

    /// The rest of the walk; or the audit log's line, and the wait for the next reminder.
    async fn go_on(&self, txn: &mut Txn, walk: &Remind) -> Result<(), StoreError> {
        let (id, now) = (&walk.organization, txn.now());
        let work = self.jobs.work.announce(&keys::org(id), now).await?;
        if walk.cursor.is_some() {
            return self.jobs.put_work(txn, &work, Work::Remind(walk.clone()), now);
        }
        if walk.queued > 0 {
            let who = Actor { user: None, name: "Flybridge".to_owned() };
            let whom = if walk.queued == 1 { "1 member" } else { &format!("{} members", walk.queued) };
            let detail = format!("reminder {}, to {whom} without a password", walk.number + 1);
            self.directory.audit(txn, id, AuditEvent { kind: AuditKind::RemindersSent, who, from: None, detail })?;
        }
        let next = Remind { number: walk.number + 1, ..Remind::first(id, &walk.run) };
        self.jobs.put_work(txn, &work, Work::Remind(next), now)
    }

    /// What a worker needs to know before it reminds a member, and the member as they are now; `Err` with the reason when there is no need to any more.
    pub async fn reminder_context(&self, id: &RowId) -> Result<Result<(RowContext, Member), String>, StoreError> {
        let context = match self.row_context(id).await? {
            None => return Ok(Err("The run is gone.".to_owned())),
            Some(Err(why)) => return Ok(Err(why)),
            Some(Ok(context)) => context,
        };
        let member = self.directory.member(&id.organization, &id.user).await?;
        let wanted = member.filter(|member| context.row.value.wants_reminder(&member.value, self.store.now()));
        Ok(match wanted {
            Some(member) => Ok((context, member.value)),
            None => Err("No reminder is needed any more.".to_owned()),
        })
    }

    /// Writes how a reminder to this address ended, together with the end of its job. `false`: the lease was lost, somebody else has it.
    pub async fn settle_reminder(
        &self,
        (id, number, seen): (&RowId, u32, Option<Entry<Row>>),
        job: &Leased<Outgoing>,
        (how, to): (&Settlement, Option<&str>),
        answer: Option<&str>,
    ) -> Result<bool, StoreError> {
        let after = |row: &Row, now| match how {
            Settlement::Sent { .. } => row.reminded(number, to, now).heard(answer, now),
            Settlement::Failed { detail } if row.may_want_reminder() => {
                let why = format!("A reminder could not be delivered. {detail}");
                row.clone().failed(&why, now).heard(answer, now)
            }
            Settlement::Later { .. } => row.clone().heard(answer, now),
            Settlement::Failed { .. }
            | Settlement::Impossible { .. }
            | Settlement::Cancelled { .. }
            | Settlement::Rests { .. } => row.clone(),
        };
        self.end_mail((id, seen), job, how, after).await
    }
}

/// When reminder `number` of a run leaves. None when there is none, or the run was never mailed.
fn due(run: &Run, number: u32, after: &[Duration]) -> Option<Timestamp> {
    let after = after.get(usize::try_from(number).ok()?)?;
    Some(run.mailed_at?.plus(*after))
}
