//! The keys that sign ID tokens and logout tokens: ES256 and RS256 side by side, shared by all nodes.
//!
//! Made at the first start, sealed in the store, opened once and held ready. For each algorithm there is also the next
//! key, published long before it signs, so that relying parties that cache the key set know it by then.

mod by_hand;
mod jws;
mod key;
mod ring;
mod rotation;

use std::fmt;
use std::sync::{Arc, PoisonError, RwLock};

use serde::Serialize;
use serde::de::DeserializeOwned;

pub use by_hand::{KeyInfo, Stage};
pub use jws::{Expected, Expiry, TokenRefused};
pub use key::Algorithm;
pub use ring::{KeyChange, KeyEvent, KeyRing, Prepared, ReadyKeys};
pub use rotation::RotationPlan;

use crate::clock::Timestamp;
use crate::random::Random;
use crate::services::vault::{OpenError, Vault};
use crate::store::records::Entry;
use crate::store::{Outcome, Store, StoreError, keys};

/// Why there is no key or no signature.
#[derive(Debug, Clone, thiserror::Error)]
pub enum SigningError {
    #[error(transparent)]
    Store(#[from] StoreError),
    /// Most likely the master key was replaced and the old one not kept in the list.
    #[error("the signing key {kid} does not open: {error}")]
    Sealed { kid: String, error: OpenError },
    #[error("there is no key {0}")]
    Unknown(String),
    #[error("other keys were written down meanwhile; look again, and repeat it if it is still needed")]
    Changed,
    #[error("{0}")]
    Key(&'static str),
}

/// The signing keys of the installation.
pub struct SigningKeys {
    store: Store,
    vault: Arc<Vault>,
    ready: RwLock<Arc<ReadyKeys>>,
}

impl fmt::Debug for SigningKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[signing keys]")
    }
}

impl SigningKeys {
    /// Reads the keys, or makes them when there are none. Of several nodes that start at once one makes them, and
    /// the others take what it made.
    ///
    /// # Errors
    /// When the store gives no answer, or the keys do not open with the master keys.
    pub async fn open(store: Store, vault: Arc<Vault>) -> Result<Self, SigningError> {
        let ring = match store.read(&keys::signing_ring()).await? {
            Some(entry) => entry.value,
            None => create(&store, &vault).await?,
        };
        let ready = ring.load(&vault, store.now())?;
        Ok(Self { store, vault, ready: RwLock::new(Arc::new(ready)) })
    }

    /// Takes over what other nodes changed. To be called every few minutes.
    ///
    /// # Errors
    /// When the store gives no answer or the keys do not open; the keys held until now stay in use.
    pub async fn reload(&self) -> Result<(), SigningError> {
        let ring = read(&self.store).await?.value;
        self.hold(&ring)
    }

    /// Hands over to the next keys when it is time, and takes over what other nodes changed. To be called every few
    /// minutes, on any number of nodes.
    ///
    /// # Errors
    /// As [`SigningKeys::reload`].
    pub async fn rotate(&self, plan: RotationPlan) -> Result<(), SigningError> {
        let entry = read(&self.store).await?;
        if !entry.value.is_due(&plan, &self.vault, self.store.now()) {
            return self.hold(&entry.value);
        }
        match self.change(entry, move |ring, vault, now, random| ring.advance(&plan, vault, now, random)).await {
            Err(SigningError::Changed) => self.reload().await,
            other => other,
        }
    }

    /// Whether all of them lie in the store under the current master key. [`SigningKeys::rotate`] brings them there.
    ///
    /// # Errors
    /// When the store gives no answer.
    pub async fn is_sealed_anew(&self) -> Result<bool, SigningError> {
        Ok(!read(&self.store).await?.value.is_outdated(&self.vault))
    }

    /// The keys as they are written down, and what became of keys until now.
    ///
    /// # Errors
    /// When the store gives no answer.
    pub async fn list(&self) -> Result<(Vec<KeyInfo>, Vec<KeyEvent>), SigningError> {
        let ring = read(&self.store).await?.value;
        Ok((ring.list(self.store.now()), ring.history().to_vec()))
    }

    /// See [`KeyRing::hand_over`].
    ///
    /// # Errors
    /// [`SigningError::Changed`] when another node was faster, and as [`SigningKeys::reload`].
    pub async fn hand_over(&self, plan: RotationPlan) -> Result<(), SigningError> {
        let entry = read(&self.store).await?;
        self.change(entry, move |ring, vault, now, random| ring.hand_over(&plan, vault, now, random)).await
    }

    /// See [`KeyRing::without`].
    ///
    /// # Errors
    /// As [`SigningKeys::hand_over`], and [`SigningError::Unknown`].
    pub async fn revoke(&self, kid: String) -> Result<(), SigningError> {
        let entry = read(&self.store).await?;
        self.change(entry, move |ring, vault, now, random| ring.without(&kid, vault, now, random)).await
    }

    async fn change(
        &self,
        entry: Entry<KeyRing>,
        how: impl FnOnce(&KeyRing, &Vault, Timestamp, &dyn Random) -> Result<KeyRing, SigningError> + Send + 'static,
    ) -> Result<(), SigningError> {
        let (ring, vault, store) = (entry.value.clone(), Arc::clone(&self.vault), self.store.clone());
        let ring = make(move || how(&ring, &vault, store.now(), store.random())).await?;
        let mut txn = self.store.txn(entry.key.partition().clone());
        txn.check(&entry);
        txn.put(&keys::signing_ring(), &ring)?;
        match self.store.commit(txn).await? {
            Outcome::Committed => self.hold(&ring),
            Outcome::Conflict => Err(SigningError::Changed),
        }
    }

    fn hold(&self, ring: &KeyRing) -> Result<(), SigningError> {
        let ready = Arc::new(ring.load(&self.vault, self.store.now())?);
        let (before, after) = (self.ready().kids(), ready.kids());
        let (came, gone) = (after.difference(&before), before.difference(&after));
        for kid in came {
            tracing::info!(kid, "a signing key is published");
        }
        for kid in gone {
            tracing::info!(kid, "a signing key is no longer published");
        }
        *self.ready.write().unwrap_or_else(PoisonError::into_inner) = ready;
        Ok(())
    }

    /// The keys as they are held now.
    #[must_use]
    pub fn ready(&self) -> Arc<ReadyKeys> {
        Arc::clone(&self.ready.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// See [`ReadyKeys::sign`].
    ///
    /// # Errors
    /// When there is no key or the claims do not serialize.
    pub fn sign(&self, algorithm: Algorithm, typ: &str, claims: &impl Serialize) -> Result<String, SigningError> {
        self.ready().sign(algorithm, typ, claims, self.store.now())
    }

    /// See [`ReadyKeys::verify`].
    ///
    /// # Errors
    /// When the token is not one of ours, or not what is expected.
    pub fn verify<T: DeserializeOwned>(&self, token: &str, expected: &Expected<'_>) -> Result<T, TokenRefused> {
        self.ready().verify(token, expected, self.store.now())
    }

    /// The key set as it is published, ready to be sent.
    #[must_use]
    pub fn jwks_json(&self) -> Arc<Prepared> {
        Arc::clone(self.ready().jwks())
    }
}

async fn create(store: &Store, vault: &Arc<Vault>) -> Result<KeyRing, SigningError> {
    let (maker, vault) = (store.clone(), Arc::clone(vault));
    let ring = make(move || KeyRing::first(&vault, maker.now(), maker.random())).await?;
    let key = keys::signing_ring();
    let mut txn = store.txn(key.key().partition().clone());
    txn.check_absent(key.key().clone()).put(&key, &ring)?;
    match store.commit(txn).await? {
        Outcome::Committed => Ok(ring),
        Outcome::Conflict => Ok(read(store).await?.value),
    }
}

async fn read(store: &Store) -> Result<Entry<KeyRing>, SigningError> {
    store.read(&keys::signing_ring()).await?.ok_or(SigningError::Key("the signing keys are gone from the store"))
}

/// Makes keys where they keep no other task waiting.
async fn make(
    work: impl FnOnce() -> Result<KeyRing, SigningError> + Send + 'static,
) -> Result<KeyRing, SigningError> {
    let made = tokio::task::spawn_blocking(work).await;
    made.map_err(|_| SigningError::Key("making the signing keys was interrupted"))?
}
