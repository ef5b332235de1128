//! Registering clients, changing their settings, giving them new secrets, and removing them: what an operator does by
//! command.

use std::time::Duration;

use crate::domain::client::{Client, ClientSecret};
use crate::domain::ids::{ClientId, RegistrationId, random_text};
use crate::domain::organization::Actor;
use crate::domain::registration::{
    ClientChange, ClientEvent, Registration, SettingChange, TooManySecrets, differences,
};
use crate::domain::secret::Secret;
use crate::store::records::{Entry, decode};
use crate::store::{Attempt, MAX_SCAN, Outcome, Store, StoreError, Txn, keys};

/// Why nothing was changed.
#[derive(Debug, Clone, thiserror::Error)]
pub enum RegistrationError {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error("there is a client {0} already")]
    Exists(ClientId),
    #[error("there is no registered client {0}")]
    Unknown(ClientId),
    #[error("the client {0} proves itself by a key of its own, and has no secret")]
    NoSecret(ClientId),
    #[error("the client {0} was changed or removed by somebody else at the same moment; nothing was changed now")]
    ChangedMeanwhile(ClientId),
    #[error(transparent)]
    TooManySecrets(#[from] TooManySecrets),
}

/// The registered clients, as the store has them at this moment.
pub struct Registrations {
    store: Store,
}

impl Registrations {
    #[must_use]
    pub fn new(store: Store) -> Self {
        Self { store }
    }

    /// Registers a client. Its secret, if it has one, is given out here and never again.
    ///
    /// # Errors
    /// [`RegistrationError::Exists`], and when the store gives no answer.
    pub async fn add(
        &self,
        settings: Client,
        by: &Actor,
    ) -> Result<(Registration, Option<Secret>), RegistrationError> {
        let settings = &settings;
        self.store
            .transact(|| async {
                let key = keys::client(&settings.id);
                if self.store.get(std::slice::from_ref(key.key())).await?.pop().flatten().is_some() {
                    return Err(RegistrationError::Exists(settings.id.clone()));
                }
                let mut txn = self.store.txn(key.key().partition().clone());
                let takes_secret = settings.token_auth.takes_secret();
                let made = takes_secret.then(|| ClientSecret::mint(txn.now(), self.store.random()));
                let (secret, kept) = made.unzip();
                let id = RegistrationId::mint(self.store.random());
                let registration = Registration::new(id, settings.clone(), kept, txn.now());
                txn.check_absent(key.key().clone()).put(&key, &registration)?;
                self.note(&mut txn, &settings.id, (ClientChange::Added, Vec::new()), by)?;
                Ok(Attempt::Commit(txn, (registration, secret)))
            })
            .await
    }

    /// Gives a client other settings, if it is still the one that was read: whoever decided on the change saw that one. A
    /// secret that it gets now, since it proved itself by a key before, is given out here and never again.
    ///
    /// # Errors
    /// [`RegistrationError::ChangedMeanwhile`], and when the store gives no answer.
    pub async fn change(
        &self,
        read: &Entry<Registration>,
        settings: Client,
        by: &Actor,
    ) -> Result<(Registration, Option<Secret>), RegistrationError> {
        let id = &read.value.settings.id;
        let mut txn = self.store.txn(read.key.partition().clone());
        let mut secret = None;
        let mint = || {
            let (made, kept) = ClientSecret::mint(txn.now(), self.store.random());
            secret = Some(made);
            kept
        };
        let changed = differences(&read.value.settings, &settings);
        let fresh = RegistrationId::mint(self.store.random());
        let after = read.value.with_settings(settings, fresh, mint, txn.now());
        txn.check(read).put(&keys::client(id), &after)?;
        self.note(&mut txn, id, (ClientChange::Changed, changed), by)?;
        match self.store.commit(txn).await? {
            Outcome::Committed => Ok((after, secret)),
            Outcome::Conflict => Err(RegistrationError::ChangedMeanwhile(id.clone())),
        }
    }

    /// Gives a client a new secret. Those it has are accepted for `overlap` more.
    ///
    /// # Errors
    /// [`RegistrationError::Unknown`], [`RegistrationError::NoSecret`], [`RegistrationError::TooManySecrets`], and when the
    /// store gives no answer.
    pub async fn rotate_secret(
        &self,
        id: &ClientId,
        overlap: Duration,
        by: &Actor,
    ) -> Result<(Registration, Secret), RegistrationError> {
        self.store
            .transact(|| async {
                let entry = self.find(id).await?.ok_or_else(|| RegistrationError::Unknown(id.clone()))?;
                if !entry.value.settings.token_auth.takes_secret() {
                    return Err(RegistrationError::NoSecret(id.clone()));
                }
                let mut txn = self.store.txn(entry.key.partition().clone());
                let (secret, kept) = ClientSecret::mint(txn.now(), self.store.random());
                let after = entry.value.with_secret(kept, overlap, txn.now())?;
                txn.check(&entry).put(&keys::client(id), &after)?;
                self.note(&mut txn, id, (ClientChange::SecretRotated, Vec::new()), by)?;
                Ok(Attempt::Commit(txn, (after, secret)))
            })
            .await
    }

    /// Removes a client: nobody can sign in at it any more, and every grant it was given is dead, even when the same id is
    /// registered again. A client of the configuration with that id takes them over.
    ///
    /// # Errors
    /// [`RegistrationError::Unknown`], and when the store gives no answer.
    pub async fn remove(&self, id: &ClientId, by: &Actor) -> Result<(), RegistrationError> {
        self.store
            .transact(|| async {
                let key = keys::client(id).into_key();
                // As bytes: what does not read can be removed too.
                let found = self.store.get(std::slice::from_ref(&key)).await?.pop().flatten();
                let found = found.ok_or_else(|| RegistrationError::Unknown(id.clone()))?;
                let mut txn = self.store.txn(key.partition().clone());
                txn.check_version(key.clone(), found.version).delete(key);
                self.note(&mut txn, id, (ClientChange::Removed, Vec::new()), by)?;
                Ok(Attempt::Commit(txn, ()))
            })
            .await
    }

    pub async fn find(&self, id: &ClientId) -> Result<Option<Entry<Registration>>, StoreError> {
        self.store.read(&keys::client(id)).await
    }

    /// All of them, by id; and why those that do not read do not.
    ///
    /// # Errors
    /// When the store gives no answer.
    pub async fn list(&self) -> Result<(Vec<Registration>, Vec<StoreError>), StoreError> {
        read_all(&self.store).await
    }

    /// What became of the clients of this id, the latest first.
    ///
    /// # Errors
    /// When the store gives no answer.
    pub async fn history(&self, id: &ClientId) -> Result<Vec<ClientEvent>, StoreError> {
        let events = self.store.list(&keys::client_events(id), None, MAX_SCAN).await?;
        Ok(events.into_iter().map(|event| event.value).collect())
    }

    /// Written together with what it tells of.
    fn note(
        &self,
        txn: &mut Txn,
        id: &ClientId,
        (what, settings): (ClientChange, Vec<SettingChange>),
        by: &Actor,
    ) -> Result<(), StoreError> {
        let event = ClientEvent { at: txn.now(), what, who: by.clone(), settings };
        txn.put(&keys::client_event(id, txn.now(), &random_text(self.store.random())), &event)?;
        Ok(())
    }
}

/// Every registered client, and why those that do not read do not.
pub(super) async fn read_all(store: &Store) -> Result<(Vec<Registration>, Vec<StoreError>), StoreError> {
    let clients = keys::clients();
    let (mut found, mut unreadable) = (Vec::new(), Vec::new());
    let mut after: Option<String> = None;
    loop {
        let page = store.scan(&clients.partition, &clients.prefix, after.as_deref(), MAX_SCAN).await?;
        for (key, record) in &page {
            match decode(key, record) {
                Ok(entry) => found.push(entry.value),
                Err(error) => unreadable.push(error),
            }
        }
        after = page.last().map(|(key, _)| key.name().to_owned());
        if page.len() < MAX_SCAN {
            return Ok((found, unreadable));
        }
    }
}
