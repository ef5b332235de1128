//! Which person an address signs in.

use super::{Directory, address_hash};
use crate::domain::email::EmailAddress;
use crate::domain::ids::UserId;
use crate::domain::user::User;
use crate::store::{Attempt, StoreError, keys};

/// Who says that an address is a person's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Word {
    /// Fly.io, which may give an address to another person.
    Fly,
    /// The person, who reads its mail.
    Own,
}

impl Directory {
    /// Claims the address that Fly.io told of a person. Whose own address it is keeps it.
    pub(super) async fn claim_address(&self, address: &EmailAddress, user: &UserId) -> Result<(), StoreError> {
        if !self.claim(address, user, Word::Fly).await? {
            tracing::info!(%user, address = %address.masked(), "an address at Fly.io is another person's own");
        }
        Ok(())
    }

    /// What to name to the person as the address to sign in with: the one at Fly.io, unless somebody else gave it as their
    /// own; or else an own one that they have confirmed.
    pub async fn sign_in_address(&self, user: &User) -> Result<Option<EmailAddress>, StoreError> {
        if let Some(at_fly) = user.address_at_fly() {
            let holder = self.store.read(&keys::address(&address_hash(&at_fly))).await?;
            if holder.is_some_and(|holder| holder.value == user.id) {
                return Ok(Some(at_fly));
            }
        }
        self.own_address(&user.id).await
    }

    /// Where mail to the person goes who typed no address: to Fly.io, or else to an own one that they have confirmed.
    pub async fn mail_address(&self, user: &User) -> Result<Option<EmailAddress>, StoreError> {
        match user.address_at_fly() {
            Some(at_fly) => Ok(Some(at_fly)),
            None => self.own_address(&user.id).await,
        }
    }

    /// The address that the person gave as their own and has confirmed.
    pub async fn own_address(&self, user: &UserId) -> Result<Option<EmailAddress>, StoreError> {
        let contact = self.store.read(&keys::contact(user)).await?;
        Ok(contact.and_then(|entry| entry.value.confirmed).map(|own| own.address))
    }

    /// Whether the address signs in this very person.
    pub async fn leads_to(&self, address: &EmailAddress, user: &UserId) -> Result<bool, StoreError> {
        Ok(self.user_by_address(address).await?.is_some_and(|found| found.value.id == *user))
    }

    /// Claims an address that a person gave as their own and reads the mail of. `false`: it signs somebody else in.
    pub async fn claim_own(&self, address: &EmailAddress, user: &UserId) -> Result<bool, StoreError> {
        self.claim(address, user, Word::Own).await
    }

    /// Writes whom the address signs in, unless it is another person's who keeps it.
    async fn claim(&self, address: &EmailAddress, user: &UserId, word: Word) -> Result<bool, StoreError> {
        let key = keys::address(&address_hash(address));
        self.store
            .transact(|| async {
                let holder = self.store.read(&key).await?;
                let mut txn = self.store.txn(key.key().partition().clone());
                match &holder {
                    Some(entry) if entry.value == *user => return Ok(Attempt::Done(true)),
                    Some(entry) if self.keeps(&entry.value, address, word).await? => return Ok(Attempt::Done(false)),
                    Some(entry) => txn.check(entry),
                    None => txn.check_absent(key.key().clone()),
                };
                txn.put(&key, user)?;
                Ok::<_, StoreError>(Attempt::Commit(txn, true))
            })
            .await
    }

    /// Whether the person may sign in with the address, whomever it leads to.
    pub async fn signs_in(&self, user: &UserId, address: &EmailAddress) -> Result<bool, StoreError> {
        self.keeps(user, address, Word::Own).await
    }

    async fn keeps(&self, holder: &UserId, address: &EmailAddress, word: Word) -> Result<bool, StoreError> {
        let (user, contact) = self.store.read_pair(&keys::user(holder), &keys::contact(holder)).await?;
        let at_fly = user.is_some_and(|entry| entry.value.signs_in(address));
        let own = contact.is_some_and(|entry| entry.value.holds(address, self.store.now()));
        Ok(own || (at_fly && word == Word::Own))
    }
}
