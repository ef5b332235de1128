//! Making copies again from their source. Each commit holds the copy against what was seen; of a source in another
//! partition it is asked once more afterwards.

use super::{Difference, Mend, Verifier};
use crate::domain::ids::{OrganizationId, UserId};
use crate::domain::member::Member;
use crate::domain::user::{MAX_MEMBERSHIPS, User};
use crate::services::directory::address_hash;
use crate::store::records::TypedKey;
use crate::store::{Attempt, Outcome, StoreError, keys};

impl Verifier {
    /// Makes right what can be made right without guessing. `false`: it could not, or somebody came first; look again.
    ///
    /// # Errors
    /// When the store gives no answer.
    pub async fn mend(&self, organization: &OrganizationId, difference: &Difference) -> Result<bool, StoreError> {
        match &difference.mend {
            Mend::Nothing => Ok(false),
            Mend::Slug(slug) => self.put_if_absent(&keys::slug(slug), organization).await,
            Mend::Listed(slug) => {
                let key = keys::organizations().item(slug.as_str());
                let mut txn = self.store.txn(key.key().partition().clone());
                txn.put(&key, organization)?;
                Ok(self.store.commit(txn).await? == Outcome::Committed)
            }
            Mend::Counter(key, missing) => {
                let mut txn = self.store.txn(key.partition().clone());
                txn.add(key.clone(), *missing);
                Ok(self.store.commit(txn).await? == Outcome::Committed)
            }
            Mend::HasPassword(user) => self.mend_password(organization, user).await,
            Mend::Belongs(user) => self.mend_memberships(organization, user).await,
            Mend::Identity(fly, user) => self.put_if_absent(&keys::fly_identity(fly), user).await,
            Mend::Address(address, user) => self.put_if_absent(&keys::address(&address_hash(address)), user).await,
        }
    }

    async fn put_if_absent<T: crate::store::records::Stored>(
        &self,
        key: &TypedKey<T>,
        value: &T,
    ) -> Result<bool, StoreError> {
        let mut txn = self.store.txn(key.key().partition().clone());
        txn.check_absent(key.key().clone()).put(key, value)?;
        Ok(self.store.commit(txn).await? == Outcome::Committed)
    }

    async fn mend_password(&self, organization: &OrganizationId, user: &UserId) -> Result<bool, StoreError> {
        if let Some(credential) = self.store.read(&keys::credential(user)).await? {
            self.disable.note_password(organization, user, credential.value.set_at).await?;
            return Ok(true);
        }
        let key = keys::member(organization, user);
        let Some(member) = self.store.read(&key).await? else { return Ok(false) };
        let mut txn = self.store.txn(keys::org(organization));
        txn.check(&member).put(&key, &Member { has_password: false, ..member.value.clone() })?;
        if self.store.commit(txn).await? != Outcome::Committed {
            return Ok(false);
        }
        // Set in the meantime, and told to a member record that said so already.
        if let Some(credential) = self.store.read(&keys::credential(user)).await? {
            self.disable.note_password(organization, user, credential.value.set_at).await?;
        }
        Ok(true)
    }

    async fn mend_memberships(&self, organization: &OrganizationId, user: &UserId) -> Result<bool, StoreError> {
        self.store
            .transact(|| async {
                let key = keys::user(user);
                let Some(entry) = self.store.read(&key).await? else { return Ok(Attempt::Done(false)) };
                let mut organizations = entry.value.organizations.clone();
                if organizations.contains(organization) || organizations.len() >= MAX_MEMBERSHIPS {
                    return Ok(Attempt::Done(false));
                }
                organizations.push(organization.clone());
                let mut txn = self.store.txn(keys::user_partition(user));
                txn.check(&entry).put(&key, &User { organizations, ..entry.value.clone() })?;
                Ok::<_, StoreError>(Attempt::Commit(txn, true))
            })
            .await
    }
}
