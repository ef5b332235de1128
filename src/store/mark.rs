//! The mark of the installation: by it a running node knows that the store is still the one it started with, and not one
//! that was emptied or took its place.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};

use serde::{Deserialize, Serialize};

use super::records::{Stored, TypedKey};
use super::{Attempt, Backend, Key, Record, Store, StoreError, keys};
use crate::domain::ids::random_text;

/// A random text, written once for all time.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Installation(String);

impl Stored for Installation {}

/// The record that has to be there as long as the node runs.
#[derive(Debug, Clone)]
pub struct Mark {
    pub key: Key,
    pub record: Record,
}

impl Mark {
    /// # Errors
    /// [`StoreError::Unfit`] unless `found` is the mark.
    pub fn compare(&self, found: Option<&Record>) -> Result<(), StoreError> {
        if found == Some(&self.record) { Ok(()) } else { Err(foreign()) }
    }
}

/// What is said of a store without our mark.
pub(super) fn foreign() -> StoreError {
    StoreError::Unfit(
        "the store is empty or another one: the mark that this node found in it at its start is missing or different. \
         Bring back the data, or the address behind which they are; if this store is meant, restart every node."
            .to_owned(),
    )
}

/// What a node knows of its store.
#[derive(Default)]
pub(super) struct Known {
    mark: OnceLock<Mark>,
    /// The mark was not there when somebody looked last.
    lost: AtomicBool,
}

impl Known {
    /// Whether the mark is there, as far as one was found at the start.
    pub(super) async fn recognize(&self, backend: &dyn Backend) -> Result<(), StoreError> {
        let Some(mark) = self.mark.get() else { return Ok(()) };
        let found = backend.get(std::slice::from_ref(&mark.key)).await?.pop().flatten();
        let same = mark.compare(found.as_ref());
        let before = self.lost.swap(same.is_err(), Ordering::Relaxed);
        match (&same, before) {
            (Err(error), false) => tracing::error!(%error, "the store is not used until it is the one of the start"),
            (Ok(()), true) => tracing::info!("the store is the one of the start again"),
            _ => {}
        }
        same
    }

    /// Lets nobody use a store that is not ours: what is missing there would be taken for revoked. Asks the store only
    /// while the mark is lost.
    pub(super) async fn admit(&self, backend: &dyn Backend) -> Result<(), StoreError> {
        if self.lost.load(Ordering::Relaxed) { self.recognize(backend).await } else { Ok(()) }
    }
}

impl Store {
    /// Finds the mark of the installation, or makes it in a store without one. From now on this store, and every clone
    /// of it, refuses everything once the mark is seen to be gone.
    ///
    /// # Errors
    /// When the store gives no answer.
    pub async fn remember_installation(&self) -> Result<(), StoreError> {
        let key: TypedKey<Installation> = keys::installation();
        let made = self.transact(async || self.mark_if_absent(&key).await).await?;
        if made {
            tracing::warn!(
                "the store had no mark of an installation and has one now: it is new, or has lost its data"
            );
        }
        let found = self.get(std::slice::from_ref(key.key())).await?.pop().flatten();
        let mark = Mark { key: key.into_key(), record: found.ok_or_else(foreign)? };
        self.backend.expect(&mark);
        // Who asks twice has found the same mark twice, or else is told so by `recognize`.
        let _ = self.known.mark.set(mark);
        Ok(())
    }

    /// Looks for the mark, so that a store without it is noticed also where no connection broke.
    ///
    /// # Errors
    /// When the store gives no answer, or is not the one of the start.
    pub async fn recognize_installation(&self) -> Result<(), StoreError> {
        self.known.recognize(&*self.backend).await
    }

    async fn mark_if_absent(&self, key: &TypedKey<Installation>) -> Result<Attempt<bool>, StoreError> {
        if self.read(key).await?.is_some() {
            return Ok(Attempt::Done(false));
        }
        let mut txn = self.txn(key.key().partition().clone());
        txn.check_absent(key.key().clone());
        txn.put(key, &Installation(random_text(self.random())))?;
        Ok(Attempt::Commit(txn, true))
    }
}
