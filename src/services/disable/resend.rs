//! A mail once more: for one member at once, for all that failed or have no password by a job that walks the ledger.
//!
//! Asking is one commit of constant size. It uses up the button of the form that was sent, so that the same form sent
//! again (a double click, the back button, an answer that got lost) does nothing more.

use super::click::{ClickError, Clicked};
use super::ledger::RowId;
use super::order::{Answer, Order, ResendOutcome};
use super::{CHUNK, Disable, recount};
use crate::domain::audit::AuditKind;
use crate::domain::disable::{Row, Run, Totals, Which};
use crate::domain::ids::{FormId, OrganizationId, RunId, UserId};
use crate::domain::member::Member;
use crate::services::directory::AuditEvent;
use crate::services::jobs::{Mail, Resend, Work};
use crate::store::queue::{Announced, Leased};
use crate::store::records::{Entry, Stored, TypedKey};
use crate::store::{Attempt, Outcome, StoreError, Txn, keys};

/// An admin's wish, and the form it came with.
#[derive(Debug, Clone)]
pub struct Asked {
    pub form: FormId,
    pub clicked: Clicked,
}

/// That a button of a form was pressed.
#[derive(serde::Serialize, serde::Deserialize)]
struct Pressed {}

impl Stored for Pressed {}

impl Disable {
    /// Queues one member's mail again, to the address that Fly.io last told. `false` when nothing was queued: the form was
    /// sent before, there is nothing to send ([`Row::again`]), or the run is over because Fly.io is on again.
    pub async fn resend(&self, id: &RowId, asked: &Asked) -> Result<bool, StoreError> {
        queued(self.resend_for(id, &asked.form, &Order::of_page(&asked.clicked)).await)
    }

    /// The same for a wish that may have been fulfilled before.
    pub async fn resend_for(&self, id: &RowId, form: &FormId, order: &Order) -> Result<ResendOutcome, ClickError> {
        let (place, now) = (keys::org(&id.organization), self.store.now());
        let mail = self.jobs.mail.announce(&place, now).await?;
        let work = self.jobs.work.announce(&place, now).await?;
        let outcome = self.store.transact(|| self.attempt_resend(id, (form, order), (&mail, &work))).await?;
        self.jobs.mail.wake();
        Ok(outcome)
    }

    async fn attempt_resend(
        &self,
        id: &RowId,
        (form, order): (&FormId, &Order),
        (mail, work): (&Announced, &Announced),
    ) -> Result<Attempt<ResendOutcome>, ClickError> {
        if let Some(before) = self.resent_before(&id.organization, order).await? {
            return Ok(Attempt::Done(before));
        }
        let nothing = || self.nothing_to_send(&id.organization, order);
        let Some(run) = self.current_run(&id.organization, &id.run).await? else { return nothing() };
        let row_key = keys::row(&id.organization, &id.run, &id.user);
        let (row, member) = self.store.read_pair(&row_key, &keys::member(&id.organization, &id.user)).await?;
        let (Some(row), Some(member)) = (row, member) else { return nothing() };
        let pressed = keys::resent_one(&id.organization, &id.run, form, &id.user);
        let Some(mut txn) = self.press(&id.organization, &pressed, form).await? else { return nothing() };
        let resending = run.value.resending;
        let queued = self.queue_again(&mut txn, &run.value, (&row, &member), mail)?;
        if !queued || !self.reopen(&mut txn, &run, resending, work)? {
            return nothing();
        }
        self.audit_resend(&mut txn, &id.organization, &row.value.name, order)?;
        Self::remember(&mut txn, &id.organization, order, ResendOutcome::Queued)?;
        Ok(Attempt::Commit(txn, ResendOutcome::Queued))
    }

    async fn resent_before(
        &self,
        organization: &OrganizationId,
        order: &Order,
    ) -> Result<Option<ResendOutcome>, ClickError> {
        match self.recall_order(organization, order).await? {
            Some(Answer::Resent { outcome }) => Ok(Some(outcome)),
            Some(_) => Err(ClickError::OtherRequest),
            None => Ok(None),
        }
    }

    fn nothing_to_send(
        &self,
        organization: &OrganizationId,
        order: &Order,
    ) -> Result<Attempt<ResendOutcome>, ClickError> {
        let mut txn = self.store.txn(keys::org(organization));
        Self::remember(&mut txn, organization, order, ResendOutcome::NothingToSend)?;
        Ok(Attempt::Commit(txn, ResendOutcome::NothingToSend))
    }

    /// Has the mails of all members that `which` means queued again, by a job. `false`: the form was sent before, or the
    /// run is over because Fly.io is on again.
    pub async fn resend_all(
        &self,
        run: (&OrganizationId, &RunId),
        which: Which,
        asked: &Asked,
    ) -> Result<bool, StoreError> {
        queued(self.resend_all_for(run, which, &asked.form, &Order::of_page(&asked.clicked)).await)
    }

    /// The same for a wish that may have been fulfilled before.
    pub async fn resend_all_for(
        &self,
        (organization, run): (&OrganizationId, &RunId),
        which: Which,
        form: &FormId,
        order: &Order,
    ) -> Result<ResendOutcome, ClickError> {
        let work = self.jobs.work.announce(&keys::org(organization), self.store.now()).await?;
        let attempt = || self.attempt_resend_all((organization, run), which, (form, order), &work);
        let outcome = self.store.transact(attempt).await?;
        self.jobs.work.wake();
        Ok(outcome)
    }

    async fn attempt_resend_all(
        &self,
        (organization, run): (&OrganizationId, &RunId),
        which: Which,
        (form, order): (&FormId, &Order),
        work: &Announced,
    ) -> Result<Attempt<ResendOutcome>, ClickError> {
        if let Some(before) = self.resent_before(organization, order).await? {
            return Ok(Attempt::Done(before));
        }
        let nothing = || self.nothing_to_send(organization, order);
        let Some(run) = self.current_run(organization, run).await? else { return nothing() };
        let pressed = keys::resent_all(organization, &run.value.id, form, which);
        let Some(mut txn) = self.press(organization, &pressed, form).await? else { return nothing() };
        if !self.reopen(&mut txn, &run, run.value.resending + 1, work)? {
            return nothing();
        }
        let asked_at = txn.now();
        let (organization, run) = (organization.clone(), run.value.id.clone());
        self.audit_resend(&mut txn, &organization, which.as_phrase(), order)?;
        Self::remember(&mut txn, &organization, order, ResendOutcome::Queued)?;
        let walk = Resend { organization, run, which, asked_at, cursor: None };
        self.jobs.put_work(&mut txn, work, Work::Resend(walk), asked_at)?;
        Ok(Attempt::Commit(txn, ResendOutcome::Queued))
    }

    /// Queues the mails of the next members again, and the rest of the walk.
    pub async fn resend_chunk(&self, walk: &Resend, job: &Leased<Work>) -> Result<(), StoreError> {
        self.do_chunk(job, || self.resend_chunk_once(walk, job)).await
    }

    async fn resend_chunk_once(&self, walk: &Resend, job: &Leased<Work>) -> Result<Outcome, StoreError> {
        let place = keys::org(&walk.organization);
        let mut txn = self.store.txn(place.clone());
        self.jobs.work.finish(&mut txn, job);
        let Some(run) = self.current_run(&walk.organization, &walk.run).await? else {
            return self.store.commit(txn).await;
        };
        let cursor = walk.cursor.as_ref().map(UserId::as_str);
        let rows = self.rows(&walk.organization, &walk.run, cursor, CHUNK).await?;
        let meant: Vec<_> = rows.iter().filter(|row| walk.which.includes(&row.value, walk.asked_at)).collect();
        let wanted: Vec<_> = meant.iter().map(|row| keys::member(&walk.organization, &row.value.user)).collect();
        let members = self.store.read_all(&wanted).await?;
        let mail = self.jobs.mail.announce(&place, txn.now()).await?;
        let work = self.jobs.work.announce(&place, txn.now()).await?;
        for (row, member) in meant.into_iter().zip(members) {
            let Some(member) = member else { continue };
            self.queue_again(&mut txn, &run.value, (row, &member), &mail)?;
        }
        let more = rows.last().filter(|_| rows.len() == CHUNK).map(|row| row.value.user.clone());
        let resending = if more.is_some() { run.value.resending } else { run.value.resending.saturating_sub(1) };
        self.reopen(&mut txn, &run, resending, &work)?;
        if let Some(cursor) = more {
            let (next, now) = (Resend { cursor: Some(cursor), ..walk.clone() }, txn.now());
            self.jobs.put_work(&mut txn, &work, Work::Resend(next), now)?;
        }
        self.store.commit(txn).await
    }

    /// The run, while it means anything.
    pub(super) async fn current_run(
        &self,
        organization: &OrganizationId,
        run: &RunId,
    ) -> Result<Option<Entry<Run>>, StoreError> {
        let (organization, run) =
            self.store.read_pair(&keys::organization(organization), &keys::run(organization, run)).await?;
        Ok(run.zip(organization).filter(|(run, of)| run.value.is_current(&of.value)).map(|(run, _)| run))
    }

    /// Begins the commit that uses up a button of a form. None when that has happened before, or the form is too old.
    async fn press(
        &self,
        organization: &OrganizationId,
        button: &TypedKey<Pressed>,
        form: &FormId,
    ) -> Result<Option<Txn>, StoreError> {
        let mut txn = self.store.txn(keys::org(organization));
        let Some(until) = form.remember_until(txn.now()) else { return Ok(None) };
        if self.store.read(button).await?.is_some() {
            return Ok(None);
        }
        txn.check_absent(button.key().clone()).put_until(button, &Pressed {}, until)?;
        Ok(Some(txn))
    }

    /// Adds one member's row and mail to a commit. `false` when there is nothing to send.
    fn queue_again(
        &self,
        txn: &mut Txn,
        run: &Run,
        (row, member): (&Entry<Row>, &Entry<Member>),
        mail: &Announced,
    ) -> Result<bool, StoreError> {
        let now = txn.now();
        let Some(after) = row.value.again(&member.value, now) else { return Ok(false) };
        // Whoever sets a password at this moment changes both.
        txn.check(row).check(member);
        let (organization, run, user) = (run.organization.clone(), run.id.clone(), after.user.clone());
        recount(txn, &organization, &run, Totals::change(Some(&row.value), &after));
        txn.put(&keys::row(&organization, &run, &user), &after)?;
        self.jobs.put_mail(txn, mail, Mail::Run { organization, run, user, resend: after.resends }, now)?;
        Ok(true)
    }

    /// Writes the run, even when its state stays: whoever is about to end it has to look again. A run that was over is
    /// opened again, and watched until it settles. `false` when the run has no rows yet.
    pub(super) fn reopen(
        &self,
        txn: &mut Txn,
        before: &Entry<Run>,
        resending: u32,
        work: &Announced,
    ) -> Result<bool, StoreError> {
        let now = txn.now();
        let Ok((run, opened)) = before.value.resent(resending, now) else { return Ok(false) };
        let (organization, id) = (run.organization.clone(), run.id.clone());
        txn.check(before).put(&keys::run(&organization, &id), &run)?;
        if opened {
            self.jobs.put_work(txn, work, Work::Finish { organization, run: id }, now)?;
        }
        Ok(true)
    }

    fn audit_resend(
        &self,
        txn: &mut Txn,
        organization: &OrganizationId,
        whom: &str,
        order: &Order,
    ) -> Result<(), StoreError> {
        let (who, from) = (order.clicked.by.clone(), order.clicked.from.clone());
        let detail = order.detail(&format!("to {whom}"));
        self.directory.audit(txn, organization, AuditEvent { kind: AuditKind::LinkResent, who, from, detail })
    }
}

/// For a page. Without a key nothing but the store fails.
fn queued(outcome: Result<ResendOutcome, ClickError>) -> Result<bool, StoreError> {
    match outcome {
        Ok(outcome) => Ok(outcome == ResendOutcome::Queued),
        Err(ClickError::Store(error)) => Err(error),
        Err(_) => Ok(false),
    }
}
