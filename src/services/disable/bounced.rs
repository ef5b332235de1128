//! Letters that a mail server took, and later could not deliver: the row fails with the reason, or notes that it takes
//! long. Only the last letter to a person counts.

use std::time::Duration;

use super::Disable;
use super::ledger::{RowId, put_row};
use crate::domain::audit::AuditKind;
use crate::domain::disable::{Letter, Returned, Row, RowStatus};
use crate::domain::ids::{OrganizationId, RunId, UserId};
use crate::domain::organization::Actor;
use crate::domain::user::User;
use crate::services::directory::AuditEvent;
use crate::store::{Attempt, StoreError, Txn, keys};

/// Longer than a reminder waits for its next attempt.
const PATIENCE: Duration = Duration::from_hours(6);

/// What became of a report.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Noted {
    /// The member's mail counts as failed now.
    Failed,
    /// It stands beside the member's mail that the mail server still tries, or that somebody else helped.
    Noted,
    /// It changes nothing: another letter has left since, its end is known already, or there is no such row.
    Nothing,
    /// What the mail server said at first is not written down yet. To be told again in a moment.
    TooSoon,
}

impl Disable {
    /// The organization of the person that a run belongs to.
    pub async fn organization_of(&self, user: &User, run: &RunId) -> Result<Option<OrganizationId>, StoreError> {
        let wanted: Vec<_> = user.organizations.iter().map(|id| keys::run(id, run)).collect();
        let found = self.store.read_all(&wanted).await?;
        Ok(found.into_iter().flatten().next().map(|entry| entry.value.organization))
    }

    /// What becomes of a report that changes nothing: about a letter that is not the last, or that is under way. None when
    /// it counts.
    pub async fn discounted(&self, id: &RowId, letter: Letter, how: &Returned) -> Result<Option<Noted>, StoreError> {
        let Some(row) = self.store.read(&id.key()).await? else { return Ok(Some(Noted::Nothing)) };
        if self.is_under_way(&row.value, letter).await? {
            return Ok(Some(Noted::TooSoon));
        }
        let counts = row.value.returned(letter, how, self.store.now()).is_some();
        Ok(if counts { None } else { Some(Noted::Nothing) })
    }

    /// Whether to wait for what becomes of a letter. For that of a reminder not for ever: each attempt at one makes it anew.
    async fn is_under_way(&self, row: &Row, letter: Letter) -> Result<bool, StoreError> {
        if !row.is_under_way(letter) || matches!(letter, Letter::SetUp { .. }) {
            return Ok(row.is_under_way(letter));
        }
        let link = self.store.read(&keys::link(&row.user)).await?;
        let made = link.and_then(|link| link.value.reminded).map(|reminded| reminded.at);
        Ok(made.is_some_and(|at| self.store.now() < at.plus(PATIENCE)))
    }

    /// Writes down what a mail server said about a letter of the run after it had taken it. May be repeated.
    pub async fn letter_returned(&self, id: &RowId, letter: Letter, how: &Returned) -> Result<Noted, StoreError> {
        self.store
            .transact(|| async {
                let Some(row) = self.store.read(&id.key()).await? else { return Ok(Attempt::Done(Noted::Nothing)) };
                if self.is_under_way(&row.value, letter).await? {
                    return Ok(Attempt::Done(Noted::TooSoon));
                }
                let mut txn = self.store.txn(keys::org(&id.organization));
                let Some(after) = row.value.returned(letter, how, txn.now()) else {
                    return Ok(Attempt::Done(Noted::Nothing));
                };
                put_row(&mut txn, (&id.organization, &id.run), &row, &after)?;
                if after.status != RowStatus::Failed {
                    return Ok(Attempt::Commit(txn, Noted::Noted));
                }
                self.audit_returned(&mut txn, &id.organization, &after, how)?;
                Ok::<_, StoreError>(Attempt::Commit(txn, Noted::Failed))
            })
            .await
    }

    /// The mail came back that carried the person's link for this run: so it does for the rows of their other organizations
    /// that rest on it. A commit for each; may be repeated.
    pub async fn let_down_others(&self, user: &User, id: &RowId, how: &Returned) -> Result<(), StoreError> {
        for other in user.organizations.iter().filter(|other| **other != id.organization) {
            self.store.transact(|| self.attempt_let_down(other, &user.id, id, how)).await?;
        }
        Ok(())
    }

    async fn attempt_let_down(
        &self,
        other: &OrganizationId,
        user: &UserId,
        id: &RowId,
        how: &Returned,
    ) -> Result<Attempt<()>, StoreError> {
        let organization = self.directory.organization(other).await?;
        let Some(run) = organization.as_ref().and_then(|entry| entry.value.left_by()) else {
            return Ok(Attempt::Done(()));
        };
        let Some(row) = self.store.read(&keys::row(other, run, user)).await? else { return Ok(Attempt::Done(())) };
        let mut txn = self.store.txn(keys::org(other));
        let Some(after) = row.value.let_down((&id.organization, &id.run), how, txn.now()) else {
            return Ok(Attempt::Done(()));
        };
        put_row(&mut txn, (other, run), &row, &after)?;
        self.audit_returned(&mut txn, other, &after, how)?;
        Ok(Attempt::Commit(txn, ()))
    }

    fn audit_returned(
        &self,
        txn: &mut Txn,
        id: &OrganizationId,
        row: &Row,
        how: &Returned,
    ) -> Result<(), StoreError> {
        let who = Actor { user: None, name: "Flybridge".to_owned() };
        let detail = format!("to {}: {}", row.name, how.sentence);
        self.directory.audit(txn, id, AuditEvent { kind: AuditKind::MailReturned, who, from: None, detail })
    }
}
