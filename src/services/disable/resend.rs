//! A mail once more: for one member, or for all that failed or have no password yet.

use super::click::Clicked;
use super::ledger::RowId;
use super::{Disable, is_current, recount};
use crate::domain::audit::AuditKind;
use crate::domain::disable::{Delivery, Event, Row, RowStatus, Run};
use crate::domain::ids::{OrganizationId, RunId};
use crate::services::directory::AuditEvent;
use crate::services::jobs::{Mail, Work};
use crate::store::queue::Announced;
use crate::store::{Attempt, MAX_SCAN, StoreError, keys};

/// Whom an admin wants mailed again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Which {
    Failed,
    /// Everybody who was mailed and has not set a password.
    NotReady,
}

impl Which {
    fn includes(self, row: &Row) -> bool {
        match self {
            Self::Failed => row.status == RowStatus::Failed,
            Self::NotReady => row.status.is_settled() && row.ready_at.is_none(),
        }
    }
}

impl Disable {
    /// Queues one member's mail again, to the address that Fly.io last told. `false` when there is nothing to send:
    /// already waiting, no address, or the run is over because Fly.io is on again.
    pub async fn resend(&self, id: &RowId, clicked: &Clicked) -> Result<bool, StoreError> {
        let (place, now) = (keys::org(&id.organization), self.store.now());
        let mail = self.jobs.mail.announce(&place, now).await?;
        let work = self.jobs.work.announce(&place, now).await?;
        let queued = self.store.transact(|| self.attempt_resend(id, clicked, (&mail, &work))).await?;
        self.jobs.mail.wake();
        Ok(queued)
    }

    async fn attempt_resend(
        &self,
        id: &RowId,
        clicked: &Clicked,
        (mail, work): (&Announced, &Announced),
    ) -> Result<Attempt<bool>, StoreError> {
        let organization_key = keys::organization(&id.organization);
        let run_key = keys::run(&id.organization, &id.run);
        let (organization, run) = self.store.read_pair(&organization_key, &run_key).await?;
        let row_key = keys::row(&id.organization, &id.run, &id.user);
        let (row, member) = self.store.read_pair(&row_key, &keys::member(&id.organization, &id.user)).await?;
        let (Some(organization), Some(run), Some(row)) = (organization, run, row) else {
            return Ok(Attempt::Done(false));
        };
        let Some(member) = member else { return Ok(Attempt::Done(false)) };
        let (delivery, unreachable) = Delivery::of(&member.value);
        let waits = !row.value.status.is_settled();
        if waits || unreachable.is_some() || !is_current(&organization.value, &run.value) {
            return Ok(Attempt::Done(false));
        }
        let mut txn = self.store.txn(keys::org(&id.organization));
        let now = txn.now();
        let after = Row {
            delivery,
            email: member.value.email.clone(),
            status: RowStatus::Queued,
            attempts: 0,
            resends: row.value.resends + 1,
            at: now,
            next_attempt_at: None,
            detail: None,
            ..row.value.clone()
        };
        recount(&mut txn, &id.organization, &id.run, row.value.status, RowStatus::Queued);
        txn.check(&row).put(&row_key, &after)?;
        // Written even when the state stays: whoever is about to end the run has to look again. A run that was over is
        // opened again, and watched until it settles.
        if let Ok((state, _)) = run.value.state.clone().step(Event::Resent, now) {
            let opened = state != run.value.state;
            txn.check(&run).put(&run_key, &Run { state, ..run.value.clone() })?;
            let (organization, run) = (id.organization.clone(), id.run.clone());
            if opened {
                self.jobs.put_work(&mut txn, work, Work::Finish { organization, run }, now)?;
            }
        }
        let RowId { organization, run, user } = id.clone();
        self.jobs.put_mail(&mut txn, mail, Mail::Run { organization, run, user, resend: after.resends }, now)?;
        let (who, from) = (clicked.by.clone(), clicked.from.clone());
        self.directory.audit(
            &mut txn,
            &id.organization,
            AuditEvent { kind: AuditKind::LinkResent, who, from, detail: format!("to {}", after.name) },
        )?;
        Ok(Attempt::Commit(txn, true))
    }

    /// Queues the mails of all members that `which` means; how many.
    pub async fn resend_all(
        &self,
        organization: &OrganizationId,
        run: &RunId,
        which: Which,
        clicked: &Clicked,
    ) -> Result<usize, StoreError> {
        let mut queued = 0;
        let mut after: Option<String> = None;
        loop {
            let page = self.rows(organization, run, after.as_deref(), MAX_SCAN).await?;
            for row in page.iter().filter(|row| which.includes(&row.value)) {
                let user = row.value.user.clone();
                let id = RowId { organization: organization.clone(), run: run.clone(), user };
                queued += usize::from(self.resend(&id, clicked).await?);
            }
            match page.last() {
                Some(last) if page.len() == MAX_SCAN => after = Some(last.item().to_owned()),
                _ => return Ok(queued),
            }
        }
    }
}
