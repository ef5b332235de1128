//! Jobs that are not mail.

use std::time::Duration;

use super::Outbox;
use crate::domain::audit::AuditKind;
use crate::domain::ids::{OrganizationId, UserId};
use crate::domain::organization::Actor;
use crate::services::directory::AuditEvent;
use crate::services::jobs::Work;
use crate::store::queue::Leased;
use crate::store::{Outcome, StoreError, keys};

/// How often a run is asked whether it is over, beside the mails that notice it themselves.
const LOOK_AT_RUN: Duration = Duration::from_secs(3);

impl Outbox {
    pub(super) async fn perform(&self, job: &Leased<Work>) -> Result<(), StoreError> {
        match job.payload() {
            Work::FanOut { organization, run } => self.disable.fan_out(organization, run, job).await,
            Work::CameBack { organization, cursor } => {
                self.disable.tell_of_return(organization, cursor.as_ref(), job).await
            }
            Work::Resend(walk) => self.disable.resend_chunk(walk, job).await,
            Work::Remind(walk) => self.disable.remind(walk, &self.reminders, job).await,
            Work::Finish { organization, run } => {
                let over = self.disable.finish_if_settled(organization, run).await?;
                self.end(job, (!over).then_some(LOOK_AT_RUN)).await
            }
            Work::SealAgain(errand) => self.resealing.step(errand, job).await,
            Work::PasswordSet { user, from } => {
                self.project_password(user, from.clone(), job).await?;
                self.end(job, None).await
            }
            Work::AddressChanged { user, what, from } => {
                self.note_address(user, (what, from.clone()), job).await?;
                self.end(job, None).await
            }
        }
    }

    /// Copies "has a password" to the person's organizations. Every step may be repeated.
    async fn project_password(
        &self,
        user: &UserId,
        from: Option<String>,
        job: &Leased<Work>,
    ) -> Result<(), StoreError> {
        let Some(user) = self.directory.user(user).await? else { return Ok(()) };
        let user = user.value;
        for id in &user.organizations {
            self.disable.note_password(id, &user.id, job.created_at()).await?;
        }
        for organization in self.set_up_links.password_organizations(&user).await? {
            let (kind, detail) = (AuditKind::PasswordSet, "other sessions ended".to_owned());
            let who = Actor { user: Some(user.id.clone()), name: user.name.clone() };
            self.audit_line(&organization.id, AuditEvent { kind, who, from: from.clone(), detail }, job).await?;
        }
        Ok(())
    }

    /// Tells the organizations in which the person is a member, in their audit logs. Every step may be repeated.
    async fn note_address(
        &self,
        user: &UserId,
        (what, from): (&str, Option<String>),
        job: &Leased<Work>,
    ) -> Result<(), StoreError> {
        let Some(user) = self.directory.user(user).await? else { return Ok(()) };
        let user = user.value;
        for id in &user.organizations {
            if self.directory.member(id, &user.id).await?.is_none() {
                continue;
            }
            let (kind, detail) = (AuditKind::AddressChanged, what.to_owned());
            let who = Actor { user: Some(user.id.clone()), name: user.name.clone() };
            self.audit_line(id, AuditEvent { kind, who, from: from.clone(), detail }, job).await?;
        }
        Ok(())
    }

    /// Adds the line of this job to the organization's audit log, once.
    async fn audit_line(&self, id: &OrganizationId, event: AuditEvent, job: &Leased<Work>) -> Result<(), StoreError> {
        let mut txn = self.store.txn(keys::org(id));
        self.directory.audit_once(&mut txn, id, (job.created_at(), job.id().as_str()), event)?;
        // A conflict means that the line is there since an earlier attempt.
        let _ = self.store.commit(txn).await?;
        Ok(())
    }

    /// Ends a job, or lets it come again after `again`.
    async fn end(&self, job: &Leased<Work>, again: Option<Duration>) -> Result<(), StoreError> {
        let mut txn = self.store.txn(job.partition().clone());
        match again {
            None => self.jobs.work.finish(&mut txn, job),
            Some(after) => {
                let due = txn.now().plus(after);
                let announced = self.jobs.work.announce(job.partition(), due).await?;
                self.jobs.work.retry_at(&mut txn, &announced, job, due)?;
            }
        }
        match self.store.commit(txn).await? {
            Outcome::Committed => {}
            Outcome::Conflict => tracing::info!("a job was finished by somebody else"),
        }
        Ok(())
    }
}
