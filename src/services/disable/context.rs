//! All that decides what a member of a run is mailed, read in one go.

use super::Disable;
use super::ledger::RowId;
use crate::domain::disable::{Row, Run};
use crate::domain::organization::Organization;
use crate::domain::setup_link::SetUpLink;
use crate::domain::user::{Credential, User};
use crate::store::records::{Entry, Stored, TypedKey, decode};
use crate::store::{Key, Record, StoreError, keys};

/// What a worker needs to know before it mails a member of a run.
pub struct RowContext {
    pub organization: Organization,
    pub run: Run,
    pub row: Entry<Row>,
    /// None when there is no such person any more.
    pub user: Option<User>,
    pub credential: Option<Credential>,
    pub link: Option<Entry<SetUpLink>>,
}

impl Disable {
    /// Run, organization, row and person of a mail job; `Err` with the reason when the mail must not go out any more.
    pub async fn row_context(&self, id: &RowId) -> Result<Option<Result<RowContext, String>>, StoreError> {
        let organization = keys::organization(&id.organization);
        let run = keys::run(&id.organization, &id.run);
        let (row, user) = (id.key(), keys::user(&id.user));
        let (credential, link) = (keys::credential(&id.user), keys::link(&id.user));
        let wanted: [&Key; 6] = [organization.key(), run.key(), row.key(), user.key(), credential.key(), link.key()];
        let mut found = self.store.get(&wanted.map(Clone::clone)).await?.into_iter();
        let organization = next(&mut found, &organization)?;
        let (run, row) = (next(&mut found, &run)?, next(&mut found, &row)?);
        let (Some(organization), Some(run), Some(row)) = (organization, run, row) else { return Ok(None) };
        if !run.value.is_current(&organization.value) {
            return Ok(Some(Err("Fly.io Auth was turned on again before this mail left.".to_owned())));
        }
        Ok(Some(Ok(RowContext {
            organization: organization.value,
            run: run.value,
            row,
            user: next(&mut found, &user)?.map(|entry| entry.value),
            credential: next(&mut found, &credential)?.map(|entry| entry.value),
            link: next(&mut found, &link)?,
        })))
    }
}

fn next<T: Stored>(
    found: &mut impl Iterator<Item = Option<Record>>,
    key: &TypedKey<T>,
) -> Result<Option<Entry<T>>, StoreError> {
    found.next().flatten().map(|record| decode(key.key(), &record)).transpose()
}
