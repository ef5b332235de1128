//! Set-up links: made when a mail is sent, shown, used once, renewed.
//!
//! A link's text is `<user id>.<HMAC>`; the HMAC covers the user and the link's generation, so the same generation
//! always gives the same text and the store needs only its hash. A person has one live link at a time.

mod mailed;
mod shown;

pub use shown::{Nowhere, Over, Shown, Usable};

use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use super::jobs::{Jobs, Mail, Work};
use super::vault::{Purpose, Vault};
use crate::domain::access::{Proof, SeenOrganization};
use crate::domain::email::EmailAddress;
use crate::domain::ids::UserId;
use crate::domain::organization::LoginMethod;
use crate::domain::secret::TokenHash;
use crate::domain::setup_link::{Request, SetUpLink};
use crate::domain::user::{Credential, User};
use crate::store::queue::Announced;
use crate::store::records::Entry;
use crate::store::{Attempt, Store, StoreError, Txn, keys};

/// What proves that the person may set a password.
#[derive(Debug, Clone, Copy)]
pub enum Warrant<'a> {
    /// The text of a set-up link.
    Link(&'a str),
    /// A fresh sign-in at Fly.io, for a person who has no password. The caller has checked freshness.
    Fly(&'a UserId),
}

/// Why no password was set. Nothing was changed.
#[derive(Debug, thiserror::Error)]
pub enum SetError {
    #[error("the link does not work any more")]
    LinkGone,
    /// A password is there already; a Fly.io sign-in does not replace it.
    #[error("there is a password already")]
    HasPassword,
    /// No organization of the person signs in with a password.
    #[error("no organization of the person uses passwords")]
    NoOrganization,
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// A link for a mail: what goes into the mail, and the record as it was written.
#[derive(Debug, Clone)]
pub struct Made {
    pub text: String,
    pub link: Entry<SetUpLink>,
}

pub struct SetUpLinks {
    store: Store,
    vault: Arc<Vault>,
    jobs: Arc<Jobs>,
    lifetime: Duration,
}

impl SetUpLinks {
    /// Links work for `lifetime`, counted from sending.
    #[must_use]
    pub fn new(store: Store, vault: Arc<Vault>, jobs: Arc<Jobs>, lifetime: Duration) -> Arc<Self> {
        Arc::new(Self { store, vault, jobs, lifetime })
    }

    #[must_use]
    pub fn lifetime(&self) -> Duration {
        self.lifetime
    }

    /// The person's link, valid from now: the one they have while it works, or else a new one. `seen` is what was read of
    /// it a moment ago.
    ///
    /// So a retry sends the same link, and nobody can make a link in somebody's mailbox useless by asking for another.
    pub async fn make(&self, user: &UserId, seen: Option<Entry<SetUpLink>>) -> Result<Made, StoreError> {
        let mut seen = Some(seen);
        self.store
            .transact(|| {
                let seen = seen.take();
                async move {
                    let before = match seen {
                        Some(seen) => seen,
                        None => self.store.read(&keys::link(user)).await?,
                    };
                    let (txn, made) = self.renewed(user, before.as_ref(), None)?;
                    Ok::<_, StoreError>(Attempt::Commit(txn, made))
                }
            })
            .await
    }

    /// [`SetUpLinks::make`] for a mail that the person asked for. None when another mail answers the request already;
    /// of requests at the same moment one gets the link. The same job gets it each time it comes. None too when the
    /// address no longer signs the person in.
    pub async fn make_asked(&self, user: &UserId, request: &Request<'_>) -> Result<Option<Made>, StoreError> {
        self.store
            .transact(|| async {
                let before = self.store.read(&keys::link(user)).await?;
                if before.as_ref().is_some_and(|link| link.value.answers(request, self.store.now())) {
                    return Ok(Attempt::Done(None));
                }
                let (person, own) = self.store.read_pair(&keys::user(user), &keys::contact(user)).await?;
                let to = request.to.parse::<EmailAddress>().ok();
                let (Some(person), Some(to)) = (person, to) else { return Ok(Attempt::Done(None)) };
                let own = own.filter(|own| own.value.signs_in(&to));
                if own.is_none() && !person.value.signs_in(&to) {
                    return Ok(Attempt::Done(None));
                }
                let (mut txn, made) = self.renewed(user, before.as_ref(), Some(request))?;
                // Taken back at this moment, it must not get a link that works.
                if let Some(own) = own {
                    txn.check(&own);
                }
                Ok::<_, StoreError>(Attempt::Commit(txn, Some(made)))
            })
            .await
    }

    /// The commit that makes the link valid from now, and the link.
    fn renewed(
        &self,
        user: &UserId,
        before: Option<&Entry<SetUpLink>>,
        request: Option<&Request<'_>>,
    ) -> Result<(Txn, Made), StoreError> {
        let (mut txn, made) = self.renewed_link(user, before, request);
        txn.put(&keys::link(user), &made.link.value)?;
        Ok((txn, made))
    }

    /// The same without the link in the commit.
    fn renewed_link(
        &self,
        user: &UserId,
        before: Option<&Entry<SetUpLink>>,
        request: Option<&Request<'_>>,
    ) -> (Txn, Made) {
        let key = keys::link(user);
        let mut txn = self.store.txn(keys::user_partition(user));
        match before {
            Some(entry) => txn.check(entry),
            None => txn.check_absent(key.key().clone()),
        };
        // Under another master key the same generation has another text; what was mailed stays as it is.
        let known = |link: &SetUpLink| {
            let mut texts = self.texts(user, link.generation).into_iter();
            texts.find(|text| link.hash == TokenHash::of(text.as_bytes()))
        };
        let fresh = |generation| self.text(user, generation);
        let times = (txn.now(), self.lifetime);
        let (value, text) = SetUpLink::for_mail(before.map(|entry| &entry.value), known, fresh, request, times);
        let link = Entry { key: key.into_key(), version: txn.version(), expires_at: None, value };
        (txn, Made { text, link })
    }

    /// Sets the password, uses up the link and ends every session and grant, in one commit that also queues word to the
    /// clients. Gives the proof for a new session.
    pub async fn set_password(
        &self,
        warrant: Warrant<'_>,
        phc: &str,
        from: Option<&str>,
    ) -> Result<(User, Proof), SetError> {
        let id = match warrant {
            Warrant::Link(text) => owner(text).ok_or(SetError::LinkGone)?,
            Warrant::Fly(user) => user.clone(),
        };
        let (place, now) = (keys::user_partition(&id), self.store.now());
        let work = self.jobs.work.announce(&place, now).await?;
        let mail = self.jobs.mail.announce(&place, now).await?;
        let set = self.store.transact(|| self.attempt_set(&id, warrant, (phc, from), (&work, &mail))).await?;
        self.jobs.work.wake();
        self.jobs.mail.wake();
        self.jobs.logout.wake();
        Ok(set)
    }

    async fn attempt_set(
        &self,
        id: &UserId,
        warrant: Warrant<'_>,
        (phc, from): (&str, Option<&str>),
        (work, mail): (&Announced, &Announced),
    ) -> Result<Attempt<(User, Proof)>, SetError> {
        let user = self.store.read(&keys::user(id)).await?.ok_or(SetError::LinkGone)?;
        let mut txn = self.store.txn(keys::user_partition(id));
        let now = txn.now();
        let replaced = self.use_up(&mut txn, id, warrant).await?;
        let counts = self.password_organizations(&user.value).await?;
        if counts.is_empty() {
            return Err(SetError::NoOrganization);
        }
        let epoch = user.value.session_epoch + 1;
        let after = User { session_epoch: epoch, ..user.value.clone() };
        txn.check(&user).put(&keys::user(id), &after)?;
        txn.put(&keys::credential(id), &Credential { phc: phc.to_owned(), set_at: now })?;
        self.jobs.end_places(&mut txn, id, |_| true).await?;
        let from = from.map(str::to_owned);
        let set = Work::PasswordSet { user: id.clone(), from: from.clone() };
        self.jobs.put_work(&mut txn, work, set, now)?;
        let confirmed = self.store.read(&keys::contact(id)).await?.is_some_and(|own| own.value.confirmed.is_some());
        for own in [false, true].into_iter().filter(|own| confirmed || !own) {
            let changed = Mail::PasswordChanged { user: id.clone(), at: now, from: from.clone(), replaced, own };
            self.jobs.put_mail(&mut txn, mail, changed, now)?;
        }
        let organizations =
            counts.into_iter().map(|o| SeenOrganization { id: o.id, generation: o.generation }).collect();
        let proof = Proof { method: LoginMethod::Password, auth_time: now, organizations };
        Ok(Attempt::Commit(txn, (after, proof)))
    }

    /// Whether there was a password before.
    async fn use_up(&self, txn: &mut Txn, id: &UserId, warrant: Warrant<'_>) -> Result<bool, SetError> {
        let (link, credential) = self.store.read_pair(&keys::link(id), &keys::credential(id)).await?;
        let replaced = credential.is_some();
        match (warrant, link) {
            (Warrant::Link(text), Some(entry)) => {
                if !entry.value.accepts(text, txn.now()) {
                    return Err(SetError::LinkGone);
                }
                txn.check(&entry).put(&keys::link(id), &entry.value.used())?;
            }
            (Warrant::Link(_), None) => return Err(SetError::LinkGone),
            (Warrant::Fly(_), link) => {
                if credential.is_some() {
                    return Err(SetError::HasPassword);
                }
                txn.check_absent(keys::credential(id).into_key());
                // A link still in the mail has done its work.
                if let Some(entry) = link {
                    txn.check(&entry).put(&keys::link(id), &entry.value.used())?;
                }
            }
        }
        Ok(replaced)
    }

    /// Takes over a password that was set elsewhere, for a person who has none here.
    pub async fn import_password(&self, user: &User, phc: &str) -> Result<(), StoreError> {
        let key = keys::credential(&user.id);
        let mut txn = self.store.txn(keys::user_partition(&user.id));
        let credential = Credential { phc: phc.to_owned(), set_at: txn.now() };
        txn.check_absent(key.key().clone()).put(&key, &credential)?;
        let _ = self.store.commit(txn).await?;
        Ok(())
    }

    /// Replaces the stored hash of an unchanged password by one of the current parameters.
    pub async fn rehash(&self, user: &UserId, before: &Entry<Credential>, phc: &str) -> Result<(), StoreError> {
        let mut txn = self.store.txn(keys::user_partition(user));
        let after = Credential { phc: phc.to_owned(), set_at: before.value.set_at };
        txn.check(before).put(&keys::credential(user), &after)?;
        let _ = self.store.commit(txn).await?;
        Ok(())
    }

    /// Queues a link to whoever signs in with `address`. Known and unknown addresses cost the same: who it is, is
    /// found out later, by the worker.
    pub async fn request(&self, address_hash: &str, address: &str) -> Result<(), StoreError> {
        let partition = keys::address(address_hash).key().partition().clone();
        let now = self.store.now();
        let announced = self.jobs.mail.announce(&partition, now).await?;
        let mut txn = self.store.txn(partition);
        let mail = Mail::LinkRequest { address: address.to_owned() };
        self.jobs.put_mail(&mut txn, &announced, mail, now)?;
        let _ = self.store.commit(txn).await?;
        self.jobs.mail.wake();
        Ok(())
    }

    /// Queues a new link to the person of an old one, then `as_last` to where that went, or to a person who is known by a
    /// session.
    pub async fn renew(&self, user: &UserId, as_last: bool) -> Result<(), StoreError> {
        let now = self.store.now();
        let announced = self.jobs.mail.announce(&keys::user_partition(user), now).await?;
        let mut txn = self.store.txn(keys::user_partition(user));
        self.jobs.put_mail(&mut txn, &announced, Mail::Link { user: user.clone(), as_last }, now)?;
        let _ = self.store.commit(txn).await?;
        self.jobs.mail.wake();
        Ok(())
    }

    fn text(&self, user: &UserId, generation: u32) -> String {
        let mac = self.vault.mac(Purpose::SetupLink, &[user.as_str().as_bytes(), &generation.to_be_bytes()]);
        format!("{user}.{}", URL_SAFE_NO_PAD.encode(mac))
    }

    /// The text under each master key, for links made before a rotation.
    fn texts(&self, user: &UserId, generation: u32) -> Vec<String> {
        let number = generation.to_be_bytes();
        let parts: [&[u8]; 2] = [user.as_str().as_bytes(), &number];
        let macs = self.vault.macs(Purpose::SetupLink, &parts);
        macs.map(|mac| format!("{user}.{}", URL_SAFE_NO_PAD.encode(mac))).collect()
    }
}

/// Whose link it claims to be.
fn owner(text: &str) -> Option<UserId> {
    if text.len() > 128 {
        return None;
    }
    text.split_once('.').and_then(|(user, _)| user.parse().ok())
}
