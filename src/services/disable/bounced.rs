//! Letters that a mail server took, and later could not deliver: the row fails with the reason, or notes that it takes
//! long. Only the last letter to a person counts.

use super::Disable;
use super::ledger::{RowId, put_row};
use crate::domain::audit::AuditKind;
use crate::domain::disable::{Letter, Returned, RowStatus};
use crate::domain::ids::{OrganizationId, RunId};
use crate::domain::organization::Actor;
use crate::domain::user::User;
use crate::services::directory::AuditEvent;
use crate::store::{Attempt, StoreError, keys};

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

    /// Writes down what a mail server said about a letter of the run after it had taken it. May be repeated.
    pub async fn letter_returned(&self, id: &RowId, letter: Letter, how: &Returned) -> Result<Noted, StoreError> {
        self.store
            .transact(|| async {
                let Some(row) = self.store.read(&id.key()).await? else { return Ok(Attempt::Done(Noted::Nothing)) };
                if row.value.is_under_way(letter) {
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
                let who = Actor { user: None, name: "Flybridge".to_owned() };
                let detail = format!("to {}: {}", after.name, how.sentence);
                let event = AuditEvent { kind: AuditKind::MailReturned, who, from: None, detail };
                self.directory.audit(&mut txn, &id.organization, event)?;
                Ok::<_, StoreError>(Attempt::Commit(txn, Noted::Failed))
            })
            .await
    }
}
