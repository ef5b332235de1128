//! Mail that has stopped: told by `readyz`, by the log, and in the store, where the pages of every node read it.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{PoisonError, RwLock};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::{Outbox, PAUSE};
use crate::clock::Timestamp;
use crate::store::records::Stored;
use crate::store::{StoreError, keys};

/// What was told is believed so long; it is told anew at every look.
const BELIEVED: Duration = Duration::from_secs(4 * PAUSE.as_secs());

/// Whether mail leaves from this process.
#[derive(Debug)]
pub struct MailHealth {
    trouble: RwLock<Option<String>>,
    /// Trouble of this process may stand in the store, or of one before it.
    told: AtomicBool,
    /// It was found out in this process that mail leaves.
    proven: AtomicBool,
}

impl Default for MailHealth {
    fn default() -> Self {
        Self { trouble: RwLock::default(), told: AtomicBool::new(true), proven: AtomicBool::new(false) }
    }
}

impl MailHealth {
    /// Why no mail leaves at the moment; none when all is well.
    #[must_use]
    pub fn trouble(&self) -> Option<String> {
        self.trouble.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn may_clear(&self) -> bool {
        self.told.load(Ordering::Relaxed) && self.proven.load(Ordering::Relaxed)
    }

    /// None: mail leaves, or nobody could find out whether it does.
    pub(super) fn set(&self, trouble: Option<String>) {
        if trouble.is_none() {
            self.proven.store(true, Ordering::Relaxed);
        }
        let mut now = self.trouble.write().unwrap_or_else(PoisonError::into_inner);
        if *now == trouble {
            return;
        }
        if let Some(trouble) = &trouble {
            tracing::error!(trouble, "mail has stopped");
        } else {
            tracing::info!("mail goes on");
        }
        *now = trouble;
    }
}

/// Why no mail leaves, for the pages of every node.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MailTrouble {
    pub since: Timestamp,
    /// For the admin.
    pub sentence: String,
}

impl Stored for MailTrouble {}

impl Outbox {
    /// Writes down that mail has stopped, or goes on. Where the store gives no answer, the next look writes it.
    pub(super) async fn tell_trouble(&self) {
        let told = match self.health.trouble() {
            Some(sentence) => self.write_trouble(sentence).await,
            None if self.health.may_clear() => self.clear_trouble().await,
            None => return,
        };
        if let Err(error) = told {
            tracing::warn!(%error, "whether mail leaves cannot be told to the pages");
        }
    }

    async fn write_trouble(&self, sentence: String) -> Result<(), StoreError> {
        let key = keys::mail_trouble::<MailTrouble>();
        let before = self.store.read(&key).await?;
        let mut txn = self.store.txn(key.key().partition().clone());
        let now = txn.now();
        let since = before.map_or(now, |entry| entry.value.since);
        txn.put_until(&key, &MailTrouble { since, sentence }, now.plus(BELIEVED))?;
        self.health.told.store(true, Ordering::Relaxed);
        // Another process may be telling the same.
        let _ = self.store.commit(txn).await?;
        Ok(())
    }

    async fn clear_trouble(&self) -> Result<(), StoreError> {
        let key = keys::mail_trouble::<MailTrouble>();
        let mut txn = self.store.txn(key.key().partition().clone());
        txn.delete(key.into_key());
        let _ = self.store.commit(txn).await?;
        self.health.told.store(false, Ordering::Relaxed);
        Ok(())
    }
}
