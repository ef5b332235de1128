//! What people allowed clients that are not the operator's own: asked once, remembered, taken back whenever they like.
//!
//! It lies in the person's partition, by client. A grant names the consent that it was given under, and whoever judges the
//! grant looks whether it is still there ([`crate::domain::consent::stands`]), so that taking it back ends every token at
//! once without a list of them.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::jobs::Jobs;
use crate::domain::client::Client;
use crate::domain::consent::{Consent, Permission};
use crate::domain::ids::{ClientId, ConsentId, UserId};
use crate::store::{Attempt, MAX_SCAN, Store, StoreError, keys};

pub struct Consents {
    store: Store,
    jobs: Arc<Jobs>,
}

impl Consents {
    #[must_use]
    pub fn new(store: Store, jobs: Arc<Jobs>) -> Arc<Self> {
        Arc::new(Self { store, jobs })
    }

    /// What the person allowed the client, or another one of its id.
    pub async fn find(&self, user: &UserId, client: &ClientId) -> Result<Option<Consent>, StoreError> {
        Ok(self.store.read(&keys::consent(user, client)).await?.map(|entry| entry.value))
    }

    /// Everything the person allowed, as far as a page can show it.
    pub async fn list(&self, user: &UserId) -> Result<Vec<Consent>, StoreError> {
        let found = self.store.list(&keys::consents(user), None, MAX_SCAN).await?;
        Ok(found.into_iter().map(|entry| entry.value).collect())
    }

    /// Whether there is anything to take back.
    pub async fn any(&self, user: &UserId) -> Result<bool, StoreError> {
        Ok(!self.store.list(&keys::consents(user), None, 1).await?.is_empty())
    }

    /// Remembers that the person allows the client what it asks for.
    pub async fn give(
        &self,
        user: &UserId,
        client: &Client,
        asked: &BTreeSet<Permission>,
    ) -> Result<ConsentId, StoreError> {
        let key = keys::consent(user, &client.id);
        let given = self
            .store
            .transact(|| async {
                let mut txn = self.store.txn(keys::user_partition(user));
                let before = self.store.read(&key).await?;
                let new = ConsentId::mint(self.store.random());
                let known = before.as_ref().map(|entry| &entry.value);
                let after = Consent::given(client, asked, known, new, txn.now());
                match &before {
                    Some(entry) if entry.value == after => return Ok(Attempt::Done(after)),
                    Some(entry) => txn.check(entry),
                    None => txn.check_absent(key.key().clone()),
                };
                txn.put(&key, &after)?;
                Ok::<_, StoreError>(Attempt::Commit(txn, after))
            })
            .await?;
        tracing::info!(%user, client = %client.id, consent = %given.id, "a person allowed an application what it asked for");
        Ok(given.id)
    }

    /// Takes back what the person allowed the client: its tokens are dead, and it hears that the person is signed out, if
    /// it wants to hear and is still the `present` client of that id. `false`: there was nothing to take back.
    pub async fn remove(
        &self,
        user: &UserId,
        client: &ClientId,
        present: Option<&Client>,
    ) -> Result<bool, StoreError> {
        let key = keys::consent(user, client);
        let removed = self
            .store
            .transact(|| async {
                let Some(entry) = self.store.read(&key).await? else { return Ok(Attempt::Done(false)) };
                let mut txn = self.store.txn(keys::user_partition(user));
                txn.check(&entry).delete(entry.key.clone());
                if present.is_some_and(|present| entry.value.is_for(present)) {
                    self.jobs.end_places(&mut txn, user, |place| place.client == *client).await?;
                }
                Ok::<_, StoreError>(Attempt::Commit(txn, true))
            })
            .await?;
        if removed {
            self.jobs.logout.wake();
            tracing::info!(%user, %client, "a person took back what they had allowed an application");
        }
        Ok(removed)
    }
}
