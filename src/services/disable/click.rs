//! The click, and the way back. Each is one commit of constant size, whatever the size of the organization.

use super::order::{Answer, DisableOutcome, Disabled, EnableOutcome, Order};
use super::{Disable, recount};
use crate::clock::Timestamp;
use crate::domain::audit::AuditKind;
use crate::domain::disable::{Run, RunState};
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
    /// Whoever clicks is marked as somebody who is not to come along: they would lock themselves out.
    #[error("the acting person is left out")]
    LeftOut { by: String },
    #[error("the organization signs in with Fly.io already")]
    OnFlyAlready,
    /// Of a program, which gave two requests the same key.
    #[error("the key came with another request before")]
    OtherRequest,
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
        Ok(self.disable_for(id, &Order::of_page(clicked)).await?.run)
    }

    /// The same, and whether this is what began it.
    pub async fn disable_for(&self, id: &OrganizationId, order: &Order) -> Result<Disabled, ClickError> {
        let announced = self.jobs.work.announce(&keys::org(id), self.store.now()).await?;
        let disabled = self.store.transact(|| self.attempt_disable(id, order, &announced)).await?;
        self.jobs.work.wake();
        Ok(disabled)
    }

    async fn attempt_disable(
        &self,
        id: &OrganizationId,
        order: &Order,
        announced: &Announced,
    ) -> Result<Attempt<Disabled>, ClickError> {
        match self.recall_order(id, order).await? {
            Some(Answer::Disabled(before)) => return Ok(Attempt::Done(before)),
            Some(_) => return Err(ClickError::OtherRequest),
            None => {}
        }
        let entry = self.directory.organization(id).await?.ok_or(ClickError::NoOrganization)?;
        let organization = &entry.value;
        if let Some(run) = organization.left_by() {
            return self.disabled_before(&entry, run, order).await;
        }
        let now = self.store.now();
        organization.plan.may_leave(now).map_err(|e| ClickError::Sponsored(e.until))?;
        let members = self.directory.member_count(id).await?;
        let run = RunId::mint(now, self.store.random());
        let mut txn = self.store.txn(keys::org(id));
        self.check_comes_along(&mut txn, id, order).await?;
        let change = MethodChange { at: now, by: order.clicked.by.clone(), run: Some(run.clone()) };
        let switched = organization.switched(LoginMethod::Password, change);
        self.write_switch(&mut txn, &entry, &switched, order)?;
        Self::begin_run(&mut txn, &switched, (&run, members), &order.clicked)?;
        for work in [Work::FanOut { organization: id.clone(), run: run.clone() }, finish(id, &run)] {
            self.jobs.put_work(&mut txn, announced, work, now)?;
        }
        let begun = Disabled { run, outcome: DisableOutcome::Begun };
        Self::remember(&mut txn, id, order, begun.clone())?;
        Ok(Attempt::Commit(txn, begun))
    }

    /// Whoever makes the switch comes along, so that an admin is left who can undo it.
    async fn check_comes_along(&self, txn: &mut Txn, id: &OrganizationId, order: &Order) -> Result<(), ClickError> {
        let Some(user) = &order.clicked.by.user else { return Ok(()) };
        let Some(member) = self.store.read(&keys::member(id, user)).await? else { return Ok(()) };
        if let Some(left_out) = &member.value.left_out {
            return Err(ClickError::LeftOut { by: left_out.by.clone() });
        }
        // Marked after this look, and before the commit.
        txn.check(&member);
        Ok(())
    }

    /// Nothing is to be done but to remember the answer, as long as it is true.
    async fn disabled_before(
        &self,
        entry: &Entry<Organization>,
        run: &RunId,
        order: &Order,
    ) -> Result<Attempt<Disabled>, ClickError> {
        let id = &entry.value.id;
        let over = self.run(id, run).await?.is_some_and(|run| matches!(run.value.state, RunState::Done { .. }));
        let outcome = if over { DisableOutcome::AlreadyLeft } else { DisableOutcome::AlreadyRunning };
        let before = Disabled { run: run.clone(), outcome };
        if order.once.is_none() {
            return Ok(Attempt::Done(before));
        }
        let mut txn = self.store.txn(keys::org(id));
        txn.check(entry);
        Self::remember(&mut txn, id, order, before.clone())?;
        Ok(Attempt::Commit(txn, before))
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
        order: &Order,
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
        let (who, from) = (order.clicked.by.clone(), order.clicked.from.clone());
        let event = AuditEvent { kind: AuditKind::LoginMethodChanged, who, from, detail: order.detail(&detail) };
        self.directory.audit(txn, &after.id, event)
    }

    /// Turns Fly.io Auth on again. Mail that waits is cancelled as workers come to it; links open nothing any more. Clients
    /// are told of the members who had signed in with a password.
    pub async fn enable(&self, id: &OrganizationId, clicked: &Clicked) -> Result<(), ClickError> {
        match self.enable_for(id, &Order::of_page(clicked)).await? {
            EnableOutcome::Enabled => Ok(()),
            EnableOutcome::AlreadyOn => Err(ClickError::OnFlyAlready),
        }
    }

    /// The same for a wish that may have been fulfilled before.
    pub async fn enable_for(&self, id: &OrganizationId, order: &Order) -> Result<EnableOutcome, ClickError> {
        let announced = self.jobs.work.announce(&keys::org(id), self.store.now()).await?;
        let outcome = self.store.transact(|| self.attempt_enable(id, order, &announced)).await?;
        self.jobs.work.wake();
        Ok(outcome)
    }

    async fn attempt_enable(
        &self,
        id: &OrganizationId,
        order: &Order,
        announced: &Announced,
    ) -> Result<Attempt<EnableOutcome>, ClickError> {
        match self.recall_order(id, order).await? {
            Some(Answer::Enabled { outcome }) => return Ok(Attempt::Done(outcome)),
            Some(_) => return Err(ClickError::OtherRequest),
            None => {}
        }
        let entry = self.directory.organization(id).await?.ok_or(ClickError::NoOrganization)?;
        let mut txn = self.store.txn(keys::org(id));
        if entry.value.login_method == LoginMethod::Fly {
            let outcome = EnableOutcome::AlreadyOn;
            if order.once.is_none() {
                return Ok(Attempt::Done(outcome));
            }
            txn.check(&entry);
            Self::remember(&mut txn, id, order, outcome)?;
            return Ok(Attempt::Commit(txn, outcome));
        }
        let now = txn.now();
        let change = MethodChange { at: now, by: order.clicked.by.clone(), run: None };
        let switched = entry.value.switched(LoginMethod::Fly, change);
        self.write_switch(&mut txn, &entry, &switched, order)?;
        if let Some(run) = &entry.value.run
            && let Some(run) = self.run(id, run).await?
            && let Ok(after) = run.value.reverted(now)
        {
            txn.check(&run).put(&keys::run(id, &after.id), &after)?;
        }
        let told = Work::CameBack { organization: id.clone(), cursor: None };
        self.jobs.put_work(&mut txn, announced, told, now)?;
        Self::remember(&mut txn, id, order, EnableOutcome::Enabled)?;
        Ok(Attempt::Commit(txn, EnableOutcome::Enabled))
    }
}

fn finish(organization: &OrganizationId, run: &RunId) -> Work {
    Work::Finish { organization: organization.clone(), run: run.clone() }
}
