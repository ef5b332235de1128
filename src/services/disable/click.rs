//! The click, and the way back. Each is one commit of constant size, whatever the size of the organization.

use super::{Disable, recount};
use crate::clock::Timestamp;
use crate::domain::audit::AuditKind;
use crate::domain::disable::Run;
use crate::domain::ids::{OrganizationId, RunId};
use crate::domain::organization::{Actor, LoginMethod, MethodChange, Organization};
use crate::services::directory::AuditEvent;
use crate::services::jobs::Work;
use crate::store::queue::Announced;
use crate::store::records::Entry;
use crate::store::{Attempt, StoreError, Txn, keys};

/// Why an organization is not switched. Each has its own answer.
#[derive(Debug, Clone, thiserror::Error)]
pub enum ClickError {
    #[error("there is no such organization")]
    NoOrganization,
    #[error("Fly.io sponsors the plan until {0:?}")]
    Sponsored(Timestamp),
    #[error("the organization signs in with Fly.io already")]
    OnFlyAlready,
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Who clicked, and from where, for the audit log.
#[derive(Debug, Clone)]
pub struct Clicked {
    pub by: Actor,
    pub from: Option<String>,
}

impl Disable {
    /// Switches the organization to email and password and begins the run. Repeated, by whomever: the same run.
    pub async fn disable(&self, id: &OrganizationId, clicked: &Clicked) -> Result<RunId, ClickError> {
        let announced = self.jobs.work.announce(&keys::org(id), self.store.now()).await?;
        let run = self.store.transact(|| self.attempt_disable(id, clicked, &announced)).await?;
        self.jobs.work.wake();
        Ok(run)
    }

    async fn attempt_disable(
        &self,
        id: &OrganizationId,
        clicked: &Clicked,
        announced: &Announced,
    ) -> Result<Attempt<RunId>, ClickError> {
        let entry = self.directory.organization(id).await?.ok_or(ClickError::NoOrganization)?;
        let organization = &entry.value;
        if let Some(run) = organization.left_by() {
            return Ok(Attempt::Done(run.clone()));
        }
        let now = self.store.now();
        organization.plan.may_leave(now).map_err(|e| ClickError::Sponsored(e.until))?;
        let members = self.directory.member_count(id).await?;
        let run = RunId::mint(now, self.store.random());
        let mut txn = self.store.txn(keys::org(id));
        let change = MethodChange { at: now, by: clicked.by.clone(), run: Some(run.clone()) };
        let switched = organization.switched(LoginMethod::Password, change);
        self.write_switch(&mut txn, &entry, &switched, clicked)?;
        Self::begin_run(&mut txn, &switched, (&run, members), clicked)?;
        for work in [Work::FanOut { organization: id.clone(), run: run.clone() }, finish(id, &run)] {
            self.jobs.put_work(&mut txn, announced, work, now)?;
        }
        Ok(Attempt::Commit(txn, run))
    }

    fn begin_run(
        txn: &mut Txn,
        organization: &Organization,
        (id, members): (&RunId, i64),
        clicked: &Clicked,
    ) -> Result<(), StoreError> {
        let begun = Run::begin(id.clone(), organization, members, clicked.by.clone(), txn.now());
        let (run, totals) = begun.map_err(|e| StoreError::Misuse(e.to_string()))?;
        let key = keys::run(&organization.id, id);
        txn.check_absent(key.key().clone()).put(&key, &run)?;
        recount(txn, &organization.id, id, totals);
        Ok(())
    }

    fn write_switch(
        &self,
        txn: &mut Txn,
        before: &Entry<Organization>,
        after: &Organization,
        clicked: &Clicked,
    ) -> Result<(), StoreError> {
        txn.check(before).put(&keys::organization(&after.id), after)?;
        let word = |method| match method {
            LoginMethod::Fly => "Fly.io",
            LoginMethod::Password => "email and password",
        };
        let detail = format!(
            "{} to {}; generation {} to {}",
            word(before.value.login_method),
            word(after.login_method),
            before.value.generation.0,
            after.generation.0,
        );
        let (who, from) = (clicked.by.clone(), clicked.from.clone());
        self.directory.audit(txn, &after.id, AuditEvent { kind: AuditKind::LoginMethodChanged, who, from, detail })
    }

    /// Turns Fly.io Auth on again. Mail that waits is cancelled as workers come to it; links open nothing any more. Clients
    /// are told of the members who had signed in with a password.
    pub async fn enable(&self, id: &OrganizationId, clicked: &Clicked) -> Result<(), ClickError> {
        let announced = self.jobs.work.announce(&keys::org(id), self.store.now()).await?;
        self.store.transact(|| self.attempt_enable(id, clicked, &announced)).await?;
        self.jobs.work.wake();
        Ok(())
    }

    async fn attempt_enable(
        &self,
        id: &OrganizationId,
        clicked: &Clicked,
        announced: &Announced,
    ) -> Result<Attempt<()>, ClickError> {
        let entry = self.directory.organization(id).await?.ok_or(ClickError::NoOrganization)?;
        if entry.value.login_method == LoginMethod::Fly {
            return Err(ClickError::OnFlyAlready);
        }
        let mut txn = self.store.txn(keys::org(id));
        let now = txn.now();
        let change = MethodChange { at: now, by: clicked.by.clone(), run: None };
        let switched = entry.value.switched(LoginMethod::Fly, change);
        self.write_switch(&mut txn, &entry, &switched, clicked)?;
        if let Some(run) = &entry.value.run
            && let Some(run) = self.run(id, run).await?
            && let Ok(after) = run.value.reverted(now)
        {
            txn.check(&run).put(&keys::run(id, &after.id), &after)?;
        }
        let told = Work::CameBack { organization: id.clone(), cursor: None };
        self.jobs.put_work(&mut txn, announced, told, now)?;
        Ok(Attempt::Commit(txn, ()))
    }
}

fn finish(organization: &OrganizationId, run: &RunId) -> Work {
    Work::Finish { organization: organization.clone(), run: run.clone() }
}
