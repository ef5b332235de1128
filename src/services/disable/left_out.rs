//! Members who are left out on purpose: marked before the click, so that the click stays one commit of constant size, and
//! let in again before or after it.

use super::Disable;
use super::click::Clicked;
use super::ledger::put_row;
use crate::domain::audit::AuditKind;
use crate::domain::disable::RowStatus;
use crate::domain::ids::{OrganizationId, UserId};
use crate::domain::member::{LeftOut, Member};
use crate::domain::organization::LoginMethod;
use crate::services::directory::AuditEvent;
use crate::services::jobs::Mail;
use crate::store::queue::Announced;
use crate::store::{Attempt, StoreError, Txn, keys};

/// What an admin wants changed about who comes along.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Marks {
    pub leave_out: Vec<UserId>,
    pub let_in: Vec<UserId>,
}

impl Disable {
    /// Marks members before the click, in one commit. How many changed; none when the organization has left already. Nobody
    /// leaves themselves out.
    pub async fn mark_left_out(
        &self,
        id: &OrganizationId,
        marks: &Marks,
        clicked: &Clicked,
    ) -> Result<Option<usize>, StoreError> {
        self.store.transact(|| self.attempt_mark(id, marks, clicked)).await
    }

    async fn attempt_mark(
        &self,
        id: &OrganizationId,
        marks: &Marks,
        clicked: &Clicked,
    ) -> Result<Attempt<Option<usize>>, StoreError> {
        let Some(organization) = self.directory.organization(id).await? else { return Ok(Attempt::Done(None)) };
        if organization.value.login_method != LoginMethod::Fly {
            return Ok(Attempt::Done(None));
        }
        let wanted: Vec<(&UserId, bool)> = (marks.leave_out.iter().map(|user| (user, true)))
            .chain(marks.let_in.iter().map(|user| (user, false)))
            .filter(|(user, out)| !out || clicked.by.user.as_ref() != Some(user))
            .collect();
        let members: Vec<_> = wanted.iter().map(|(user, _)| keys::member(id, user)).collect();
        let found = self.store.read_all(&members).await?;
        let mut txn = self.store.txn(keys::org(id));
        // Before or after the click, never beside it.
        txn.check(&organization);
        let mut changed = 0;
        for ((user, out), member) in wanted.into_iter().zip(found) {
            let Some(member) = member.filter(|member| member.value.left_out.is_some() != out) else { continue };
            let left_out = out.then(|| LeftOut { at: txn.now(), by: clicked.by.name.clone() });
            let after = Member { left_out, ..member.value.clone() };
            txn.check(&member).put(&keys::member(id, user), &after)?;
            self.audit_mark(&mut txn, &after, id, clicked)?;
            changed += 1;
        }
        Ok(if changed == 0 { Attempt::Done(Some(0)) } else { Attempt::Commit(txn, Some(changed)) })
    }

    /// Lets somebody in after the click: their row is queued. `false` when they were not left out.
    pub async fn let_in(&self, id: &OrganizationId, user: &UserId, clicked: &Clicked) -> Result<bool, StoreError> {
        let (place, now) = (keys::org(id), self.store.now());
        let mail = self.jobs.mail.announce(&place, now).await?;
        let work = self.jobs.work.announce(&place, now).await?;
        let done = self.store.transact(|| self.attempt_let_in(id, user, clicked, (&mail, &work))).await?;
        self.jobs.mail.wake();
        self.jobs.work.wake();
        Ok(done)
    }

    async fn attempt_let_in(
        &self,
        id: &OrganizationId,
        user: &UserId,
        clicked: &Clicked,
        (mail, work): (&Announced, &Announced),
    ) -> Result<Attempt<bool>, StoreError> {
        let key = keys::member(id, user);
        let (organization, member) = self.store.read_pair(&keys::organization(id), &key).await?;
        let (Some(organization), Some(member)) = (organization, member) else { return Ok(Attempt::Done(false)) };
        if member.value.left_out.is_none() {
            return Ok(Attempt::Done(false));
        }
        let mut txn = self.store.txn(keys::org(id));
        let after = Member { left_out: None, ..member.value.clone() };
        txn.check(&organization).check(&member).put(&key, &after)?;
        self.audit_mark(&mut txn, &after, id, clicked)?;
        let Some(run) = &organization.value.run else { return Ok(Attempt::Commit(txn, true)) };
        let Some(run) = self.current_run(id, run).await? else { return Ok(Attempt::Commit(txn, true)) };
        let row_key = keys::row(id, &run.value.id, user);
        let now = txn.now();
        match self.store.read(&row_key).await? {
            // The fan-out writes the row with the member as they are then.
            None => drop(txn.check_absent(row_key.into_key())),
            Some(row) => {
                let Some(queued) = row.value.let_in(&after, now) else { return Ok(Attempt::Commit(txn, true)) };
                put_row(&mut txn, (id, &run.value.id), &row, &queued)?;
                if queued.status == RowStatus::Queued {
                    let (organization, run) = (id.clone(), run.value.id.clone());
                    let letter = Mail::Run { organization, run, user: user.clone(), resend: queued.resends };
                    self.jobs.put_mail(&mut txn, mail, letter, now)?;
                }
                let resending = run.value.resending;
                self.reopen(&mut txn, &run, resending, work)?;
            }
        }
        Ok(Attempt::Commit(txn, true))
    }

    fn audit_mark(
        &self,
        txn: &mut Txn,
        after: &Member,
        id: &OrganizationId,
        clicked: &Clicked,
    ) -> Result<(), StoreError> {
        let kind = if after.left_out.is_some() { AuditKind::MemberLeftOut } else { AuditKind::MemberLetIn };
        let (who, from, detail) = (clicked.by.clone(), clicked.from.clone(), after.name.clone());
        self.directory.audit(txn, id, AuditEvent { kind, who, from, detail })
    }
}
