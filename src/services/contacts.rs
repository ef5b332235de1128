//! A person's own address: given, confirmed by a link in a mail to it, taken back.
//!
//! A link's text is `<user id>.<generation>.<HMAC>`; the HMAC covers user and generation, so a repeated attempt mails the
//! same link, and the store needs only its hash.

use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use super::directory::Directory;
use super::jobs::{Jobs, Mail, Work};
use super::vault::{Purpose, Vault};
use crate::domain::contact::{Confirmed, Contact, Given, Standing};
use crate::domain::email::EmailAddress;
use crate::domain::ids::UserId;
use crate::domain::secret::{TokenHash, same};
use crate::domain::user::User;
use crate::store::queue::Announced;
use crate::store::records::Entry;
use crate::store::{Attempt, Store, StoreError, Txn, keys};

/// What a link is worth, and whose it is.
#[derive(Debug, Clone)]
pub struct Shown {
    pub user: User,
    pub standing: Standing,
}

/// How confirming ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// The address signs in from now on.
    Confirmed(EmailAddress),
    /// It is another person's to sign in with.
    Taken,
    /// The link is over.
    Over(Standing),
    Unknown,
}

/// Which of a person's addresses is taken back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Which {
    Confirmed,
    Given,
}

/// What became of the address of their own with which a person signs in.
enum Change {
    Added(EmailAddress),
    Replaced { old: EmailAddress, new: EmailAddress },
    Removed(EmailAddress),
}

impl Change {
    /// For audit logs, whose readers need not know the whole address.
    fn words(&self) -> String {
        match self {
            Self::Added(new) => format!("{} signs in, too", new.masked()),
            Self::Replaced { old, new } => format!("{} signs in instead of {}", new.masked(), old.masked()),
            Self::Removed(old) => format!("{} no longer signs in", old.masked()),
        }
    }
}

/// Where word of a change is queued.
struct Queues {
    mail: Announced,
    work: Announced,
}

pub struct Contacts {
    store: Store,
    vault: Arc<Vault>,
    jobs: Arc<Jobs>,
    directory: Arc<Directory>,
    lifetime: Duration,
}

impl Contacts {
    /// Links work for `lifetime`, counted from sending.
    #[must_use]
    pub fn new(
        store: Store,
        vault: Arc<Vault>,
        jobs: Arc<Jobs>,
        directory: Arc<Directory>,
        lifetime: Duration,
    ) -> Arc<Self> {
        Arc::new(Self { store, vault, jobs, directory, lifetime })
    }

    pub async fn of(&self, user: &UserId) -> Result<Contact, StoreError> {
        Ok(self.store.read(&keys::contact(user)).await?.map(|entry| entry.value).unwrap_or_default())
    }

    /// Takes note of an address and queues the mail that asks to confirm it, to whomever it may belong. `false`: it signs
    /// this person in already, and there is nothing to do.
    pub async fn give(&self, user: &User, address: &EmailAddress) -> Result<bool, StoreError> {
        let place = keys::user_partition(&user.id);
        // An address at Fly.io that is somebody else's own signs this person in no more than another's.
        if self.directory.leads_to(address, &user.id).await? {
            return Ok(false);
        }
        let announced = self.jobs.mail.announce(&place, self.store.now()).await?;
        let given = self.store.transact(|| self.attempt_give(user, address, &announced)).await?;
        self.jobs.mail.wake();
        Ok(given)
    }

    async fn attempt_give(
        &self,
        user: &User,
        address: &EmailAddress,
        announced: &Announced,
    ) -> Result<Attempt<bool>, StoreError> {
        let before = self.store.read(&keys::contact(&user.id)).await?;
        let contact = before.as_ref().map(|entry| entry.value.clone()).unwrap_or_default();
        if contact.signs_in(address) {
            return Ok(Attempt::Done(false));
        }
        let mut txn = self.txn(&user.id, before.as_ref());
        let (now, generation) = (txn.now(), contact.generation + 1);
        let given = Given { address: address.clone(), at: now, hash: None, expires_at: now.plus(self.lifetime) };
        txn.put(&keys::contact(&user.id), &Contact { generation, given: Some(given), ..contact })?;
        let mail = Mail::ConfirmAddress { user: user.id.clone(), generation };
        self.jobs.put_mail(&mut txn, announced, mail, now)?;
        Ok(Attempt::Commit(txn, true))
    }

    /// The address of that generation and its link, valid from now. None when it waits no longer.
    pub async fn make(&self, user: &UserId, generation: u32) -> Result<Option<(EmailAddress, String)>, StoreError> {
        self.store
            .transact(|| async {
                let Some(entry) = self.store.read(&keys::contact(user)).await? else {
                    return Ok(Attempt::Done(None));
                };
                let Some(given) = entry.value.given.clone().filter(|_| entry.value.generation == generation) else {
                    return Ok(Attempt::Done(None));
                };
                let mut txn = self.txn(user, Some(&entry));
                // Under another master key the same generation has another text; what was mailed stays as it is.
                let mailed = self.texts(user, generation).find(|text| given.hash == Some(hash_of(text)));
                let text = mailed.unwrap_or_else(|| self.text(user, generation));
                let (hash, expires_at) = (Some(hash_of(&text)), txn.now().plus(self.lifetime));
                let given = Given { hash, expires_at, ..given };
                let address = given.address.clone();
                txn.put(&keys::contact(user), &Contact { given: Some(given), ..entry.value.clone() })?;
                Ok::<_, StoreError>(Attempt::Commit(txn, Some((address, text))))
            })
            .await
    }

    /// What `text` is worth. Reads only: mail scanners open links too. None when it is not one of ours.
    pub async fn show(&self, text: &str) -> Result<Option<Shown>, StoreError> {
        let Some((id, generation)) = self.recognize(text) else { return Ok(None) };
        let (user, contact) = self.store.read_pair(&keys::user(&id), &keys::contact(&id)).await?;
        let (Some(user), Some(contact)) = (user, contact) else { return Ok(None) };
        let standing = contact.value.standing(generation, &hash_of(text), self.store.now());
        Ok(Some(Shown { user: user.value, standing }))
    }

    /// Confirms the address of a link, and uses the link up. The address is claimed first, then the person has it: dying in
    /// between leaves a claim that opens nothing, and the link works once more.
    pub async fn confirm(&self, text: &str, from: Option<&str>) -> Result<Outcome, StoreError> {
        let Some((id, generation)) = self.recognize(text) else { return Ok(Outcome::Unknown) };
        let Some(shown) = self.show(text).await? else { return Ok(Outcome::Unknown) };
        let address = match shown.standing {
            Standing::Live { address, .. } => address,
            over => return Ok(Outcome::Over(over)),
        };
        if !self.directory.claim_own(&address, &id).await? {
            return Ok(Outcome::Taken);
        }
        let queues = self.queues(&id).await?;
        let attempt = || async {
            let before = self.store.read(&keys::contact(&id)).await?;
            let contact = before.as_ref().map(|entry| entry.value.clone()).unwrap_or_default();
            match contact.standing(generation, &hash_of(text), self.store.now()) {
                Standing::Live { .. } => {}
                over => return Ok(Attempt::Done(Outcome::Over(over))),
            }
            let mut txn = self.txn(&id, before.as_ref());
            let at = txn.now();
            let other = contact.confirmed.filter(|own| own.address.normalized() != address.normalized());
            let change = match other {
                Some(own) => Change::Replaced { old: own.address, new: address.clone() },
                None => Change::Added(address.clone()),
            };
            let confirmed = Some(Confirmed { address: address.clone(), at, generation });
            txn.put(&keys::contact(&id), &Contact { generation, confirmed, given: None })?;
            self.changed(&mut txn, (&id, &change), from, &queues).await?;
            Ok::<_, StoreError>(Attempt::Commit(txn, Outcome::Confirmed(address.clone())))
        };
        let outcome = self.store.transact(attempt).await?;
        self.jobs.mail.wake();
        self.jobs.work.wake();
        Ok(outcome)
    }

    /// Takes back what the person gave. An address that signed them in does so no more, nor does a link in its mailbox set
    /// a password, and they are told by mail.
    pub async fn take_back(&self, user: &UserId, which: Which, from: Option<&str>) -> Result<(), StoreError> {
        let queues = self.queues(user).await?;
        let attempt = || async {
            let Some(entry) = self.store.read(&keys::contact(user)).await? else { return Ok(Attempt::Done(())) };
            let contact = entry.value.clone();
            let mut txn = self.txn(user, Some(&entry));
            let after = match (which, contact.confirmed.clone()) {
                (Which::Given, _) => Contact { given: None, ..contact },
                (Which::Confirmed, None) => return Ok(Attempt::Done(())),
                (Which::Confirmed, Some(own)) => {
                    self.changed(&mut txn, (user, &Change::Removed(own.address)), from, &queues).await?;
                    Contact { confirmed: None, ..contact }
                }
            };
            txn.put(&keys::contact(user), &after)?;
            Ok::<_, StoreError>(Attempt::Commit(txn, ()))
        };
        self.store.transact(attempt).await?;
        self.jobs.mail.wake();
        self.jobs.work.wake();
        Ok(())
    }

    async fn queues(&self, user: &UserId) -> Result<Queues, StoreError> {
        let (place, now) = (keys::user_partition(user), self.store.now());
        let mail = self.jobs.mail.announce(&place, now).await?;
        Ok(Queues { mail, work: self.jobs.work.announce(&place, now).await? })
    }

    /// What follows when an address began or ceased to sign the person in: word to them, at Fly.io and at the address that
    /// ceased to; word to their organizations; and an end to a link that may lie where it ceased to.
    async fn changed(
        &self,
        txn: &mut Txn,
        (user, change): (&UserId, &Change),
        from: Option<&str>,
        queues: &Queues,
    ) -> Result<(), StoreError> {
        let ceased = !matches!(change, Change::Added(_));
        if ceased {
            self.withdraw_link(txn, user).await?;
        }
        let (at, from) = (txn.now(), from.map(str::to_owned));
        let (address, added, replaced) = match change {
            Change::Added(new) => (new, true, None),
            Change::Replaced { old, new } => (new, true, Some(old)),
            Change::Removed(old) => (old, false, None),
        };
        for own in [false, true].into_iter().filter(|own| ceased || !own) {
            let (user, address, replaced, from) = (user.clone(), address.clone(), replaced.cloned(), from.clone());
            let told = Mail::AddressChanged { user, address, added, replaced, own, at, from };
            self.jobs.put_mail(txn, &queues.mail, told, at)?;
        }
        let noted = Work::AddressChanged { user: user.clone(), what: change.words(), from };
        self.jobs.put_work(txn, &queues.work, noted, at)
    }

    /// Ends a link that may have gone to the address. [`crate::services::setup_links::SetUpLinks::make_asked`] makes none
    /// for the address from then on.
    async fn withdraw_link(&self, txn: &mut Txn, user: &UserId) -> Result<(), StoreError> {
        let key = keys::link(user);
        let Some(entry) = self.store.read(&key).await? else {
            txn.check_absent(key.into_key());
            return Ok(());
        };
        txn.check(&entry);
        if entry.value.is_live(txn.now()) {
            txn.put(&key, &entry.value.withdrawn())?;
        }
        Ok(())
    }

    fn txn(&self, user: &UserId, before: Option<&Entry<Contact>>) -> Txn {
        let mut txn = self.store.txn(keys::user_partition(user));
        match before {
            Some(entry) => txn.check(entry),
            None => txn.check_absent(keys::contact(user).into_key()),
        };
        txn
    }

    /// Whose link it is and of which generation, if it is one of ours.
    fn recognize(&self, text: &str) -> Option<(UserId, u32)> {
        if text.len() > 128 {
            return None;
        }
        let mut parts = text.splitn(3, '.');
        let (user, generation) = (parts.next()?.parse::<UserId>().ok()?, parts.next()?.parse::<u32>().ok()?);
        let ours = self.texts(&user, generation).any(|ours| same(ours.as_bytes(), text.as_bytes()));
        ours.then_some((user, generation))
    }

    fn text(&self, user: &UserId, generation: u32) -> String {
        let mac = self.vault.mac(Purpose::ContactLink, &[user.as_str().as_bytes(), &generation.to_be_bytes()]);
        written(user, generation, &mac)
    }

    /// The text under each master key, for links made before a rotation.
    fn texts(&self, user: &UserId, generation: u32) -> impl Iterator<Item = String> + use<> {
        let number = generation.to_be_bytes();
        let parts: [&[u8]; 2] = [user.as_str().as_bytes(), &number];
        let texts: Vec<String> =
            self.vault.macs(Purpose::ContactLink, &parts).map(|mac| written(user, generation, &mac)).collect();
        texts.into_iter()
    }

    /// How long a link works from sending.
    #[must_use]
    pub fn lifetime(&self) -> Duration {
        self.lifetime
    }
}

fn written(user: &UserId, generation: u32, mac: &[u8; 32]) -> String {
    format!("{user}.{generation}.{}", URL_SAFE_NO_PAD.encode(mac))
}

fn hash_of(text: &str) -> TokenHash {
    TokenHash::of(text.as_bytes())
}
