//! The relying parties there are: those of the configuration and those that were registered by command.
//!
//! Finding one never asks the store, so that nothing a stranger sends costs a read. Each node holds the registered ones as
//! it read them last, and reads them again every few seconds ([`REFRESH_EVERY`]).

mod registrations;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::Duration;

pub use registrations::{RegistrationError, Registrations};

use crate::clock::Timestamp;
use crate::domain::authorize::OAuthError;
use crate::domain::client::Client;
use crate::domain::ids::{ClientId, is_id};
use crate::domain::registration::{Registration, differences};
use crate::domain::secret::TokenHash;
use crate::store::{Store, StoreError};

/// How often a node reads the registered clients: as long as a client that was removed may go on at a node. One small
/// scan; who registers a client tries it out within a minute at the soonest.
pub const REFRESH_EVERY: Duration = Duration::from_secs(5);

type ById = BTreeMap<ClientId, Arc<Client>>;

/// Every client there is. One of the configuration counts instead of a registered one of the same id.
pub struct Clients {
    store: Store,
    configured: ById,
    registered: RwLock<Arc<ById>>,
    /// What the log was told of registrations that do not read.
    told: Mutex<BTreeSet<String>>,
}

impl Clients {
    /// # Errors
    /// When the store gives no answer.
    pub async fn open(store: Store, configured: &[Client]) -> Result<Self, StoreError> {
        let clients = Self {
            store,
            configured: by_id(configured.iter().cloned()),
            registered: RwLock::default(),
            told: Mutex::default(),
        };
        let registered = clients.read().await?;
        *clients.registered.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(registered);
        Ok(clients)
    }

    /// Takes over what was registered, changed and removed.
    ///
    /// # Errors
    /// When the store gives no answer; the clients known until now go on.
    pub async fn refresh(&self) -> Result<(), StoreError> {
        let now = self.read().await?;
        let before =
            std::mem::replace(&mut *self.registered.write().unwrap_or_else(PoisonError::into_inner), Arc::new(now));
        tell(&before, &self.snapshot());
        Ok(())
    }

    /// A node of an older version does not read what a newer one wrote. It must not keep others from being removed.
    async fn read(&self) -> Result<ById, StoreError> {
        let (found, unreadable) = registrations::read_all(&self.store).await?;
        let unreadable: BTreeSet<String> = unreadable.iter().map(ToString::to_string).collect();
        let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        for error in unreadable.difference(&told) {
            tracing::error!(error, "a registered client cannot be used");
        }
        *told = unreadable;
        Ok(by_id(found.iter().map(Registration::client)))
    }

    fn snapshot(&self) -> Arc<ById> {
        Arc::clone(&self.registered.read().unwrap_or_else(PoisonError::into_inner))
    }

    #[must_use]
    pub fn get(&self, id: &str) -> Option<Arc<Client>> {
        let id: ClientId = id.parse().ok()?;
        self.configured.get(&id).or(self.snapshot().get(&id)).cloned()
    }

    /// Says of `error`, for the log, that no client has this id; and shows it, unless it is a secret that was sent in its
    /// place or may be one.
    #[must_use]
    pub fn unknown(&self, error: OAuthError, id: &str) -> OAuthError {
        let hash = TokenHash::of(id.as_bytes());
        if self.first(|client| client.secrets.iter().any(|secret| secret.hash == hash)).is_some() {
            return error.because("it is the secret of a client; id and secret may have changed places");
        }
        if !is_id(id) {
            return error.because(format!("no client has it: of {} bytes, it has not the form of an id", id.len()));
        }
        error.received(id).because("no client of this id is registered")
    }

    /// The time by which secrets are accepted, whenever they were read.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        self.store.now()
    }

    /// The client that people without a pending request go on to: the first with a home.
    #[must_use]
    pub fn with_home(&self) -> Option<Arc<Client>> {
        self.first(|client| client.home.is_some())
    }

    /// Those of the configuration come first, so that one who is registered takes nothing from them.
    fn first(&self, wanted: impl Fn(&Client) -> bool) -> Option<Arc<Client>> {
        let snapshot = self.snapshot();
        let registered = snapshot.iter().filter(|(id, _)| !self.configured.contains_key(*id));
        self.configured.iter().chain(registered).map(|(_, client)| client).find(|client| wanted(client)).cloned()
    }

    /// How many are configured, and how many registered ones there are beside them.
    #[must_use]
    pub fn count(&self) -> (usize, usize) {
        let snapshot = self.snapshot();
        let beside = snapshot.keys().filter(|id| !self.configured.contains_key(*id));
        (self.configured.len(), beside.count())
    }
}

fn by_id(clients: impl Iterator<Item = Client>) -> ById {
    clients.map(|client| (client.id.clone(), Arc::new(client))).collect()
}

/// Has the log say what became of the registered clients.
fn tell(before: &ById, after: &ById) {
    for (client, new) in after {
        let Some(old) = before.get(client) else {
            tracing::info!(%client, "a client is registered");
            continue;
        };
        if old.registration != new.registration {
            tracing::info!(%client, "a client is registered anew; what it was given before is dead");
        }
        let changed = differences(old, new);
        if !changed.is_empty() {
            let settings: Vec<&str> = changed.iter().map(|change| change.setting.as_str()).collect();
            tracing::info!(%client, settings = settings.join(" "), "a client has other settings");
        }
    }
    for client in before.keys().filter(|client| !after.contains_key(*client)) {
        tracing::info!(%client, "a client is no longer registered, or cannot be read");
    }
}
