//! Fly.io's tokens of a person, sealed in the store, and the question "does Fly.io still know them" asked with them.

use std::hash::{BuildHasher as _, BuildHasherDefault, DefaultHasher};
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::directory::FlyPerson;
use super::jobs::Jobs;
use super::upstream::UpstreamError;
use super::upstream::fly::{Deadline, FlyConnector, FlyTokens};
use super::vault::{Purpose, Vault};
use crate::domain::ids::{UpstreamUserId, UserId};
use crate::domain::user::User;
use crate::domain::whereabouts::Place;
use crate::store::records::{Entry, Stored};
use crate::store::{Attempt, Store, StoreError, keys};

/// People whose turns are told apart; others wait for each other now and then.
const TURNS: usize = 64;
/// How often another node's renewal is looked for before a refusal is believed, and how long between two looks.
const LOOKS: u32 = 8;
const BETWEEN_LOOKS: Duration = Duration::from_millis(250);

/// Fly.io's tokens as they lie in the store.
#[derive(Clone, Serialize, Deserialize)]
struct SealedTokens {
    sealed: String,
}

impl Stored for SealedTokens {}

/// Why Fly.io could not be asked about a person.
#[derive(Debug, thiserror::Error)]
pub enum AskError {
    /// We hold no token for the person, or Fly.io no longer accepts it, or it is somebody else's: they must sign in
    /// there again.
    #[error("Fly.io has to be signed in to again")]
    SignInAgain,
    #[error(transparent)]
    Upstream(UpstreamError),
    #[error(transparent)]
    Store(#[from] StoreError),
}

pub struct UpstreamTokens {
    store: Store,
    jobs: Arc<Jobs>,
    vault: Arc<Vault>,
    fly: Arc<FlyConnector>,
    /// Fly.io's refresh tokens work once: on this node only one renewal of a person runs at a time.
    turns: [tokio::sync::Mutex<()>; TURNS],
}

/// What became of tokens that were to be sealed with the current master key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sealing {
    /// There are none, or they were sealed with it before.
    Current,
    Anew,
    /// They open with none of the master keys.
    Lost,
}

/// Tokens as they were read.
struct Held {
    entry: Entry<SealedTokens>,
    tokens: FlyTokens,
}

impl UpstreamTokens {
    #[must_use]
    pub fn new(store: Store, jobs: Arc<Jobs>, vault: Arc<Vault>, fly: Arc<FlyConnector>) -> Arc<Self> {
        Arc::new(Self { store, jobs, vault, fly, turns: std::array::from_fn(|_| tokio::sync::Mutex::default()) })
    }

    /// Keeps the tokens of a new sign-in, whatever was kept before.
    pub async fn save(&self, user: &UserId, tokens: &FlyTokens) -> Result<(), StoreError> {
        let mut txn = self.store.txn(keys::user_partition(user));
        txn.put(&keys::upstream(user), &self.seal(user, tokens)?)?;
        let _ = self.store.commit(txn).await?;
        Ok(())
    }

    /// What Fly.io says of the person now. When it does not accept their tokens, what they proved there before is void:
    /// sessions that began with it end, or each would go on making grants that Fly.io does not stand by.
    pub async fn ask(self: &Arc<Self>, user: &UserId) -> Result<FlyPerson, AskError> {
        let mut held = None;
        let answer = self.ask_with_tokens(user, &mut held).await;
        if let Err(AskError::SignInAgain) = answer {
            self.note_refusal(user, held.as_deref()).await?;
        }
        answer
    }

    /// Ends what `refused`, an access token, stood for, also at clients; not a newer sign-in, whose tokens have replaced it meanwhile.
    async fn note_refusal(&self, user: &UserId, refused: Option<&str>) -> Result<(), StoreError> {
        let key = keys::user(user);
        self.store
            .transact(|| async {
                let (known, entry) = self.store.read_pair(&key, &keys::upstream::<SealedTokens>(user)).await?;
                let mut txn = self.store.txn(keys::user_partition(user));
                match &entry {
                    Some(entry) => txn.check(entry),
                    None => txn.check_absent(keys::upstream::<SealedTokens>(user).into_key()),
                };
                let held = entry.and_then(|entry| self.open(user, entry)).map(|held| held.tokens.access);
                let Some(known) = known.filter(|_| held.as_deref() == refused) else { return Ok(Attempt::Done(())) };
                let after = User { fly_epoch: known.value.fly_epoch + 1, ..known.value.clone() };
                txn.check(&known).put(&key, &after)?;
                self.jobs.end_places(&mut txn, user, Place::rests_on_fly).await?;
                Ok::<_, StoreError>(Attempt::Commit(txn, ()))
            })
            .await?;
        self.jobs.logout.wake();
        Ok(())
    }

    /// `held` becomes the access token that the answer is about.
    async fn ask_with_tokens(
        self: &Arc<Self>,
        user: &UserId,
        held: &mut Option<String>,
    ) -> Result<FlyPerson, AskError> {
        let deadline = self.fly.deadline();
        let (known, entry) = self.store.read_pair(&keys::user(user), &keys::upstream(user)).await?;
        let fly_id = known.ok_or(AskError::SignInAgain)?.value.fly_id;
        let mut tokens = entry.and_then(|entry| self.open(user, entry)).ok_or(AskError::SignInAgain)?.tokens;
        *held = Some(tokens.access.clone());
        if self.store.now() < tokens.expires_at {
            match self.fly.person(&tokens, deadline).await {
                Err(UpstreamError::Refused) => {}
                other => return themselves(other, &fly_id),
            }
        }
        tokens = self.renewed(user, tokens, deadline).await?;
        *held = Some(tokens.access.clone());
        themselves(self.fly.person(&tokens, deadline).await, &fly_id)
    }

    /// [`Self::renew`] to its end even if nobody waits for it any more: a refresh token that was used up while its
    /// successor is not kept would cost the person a sign-in.
    async fn renewed(
        self: &Arc<Self>,
        user: &UserId,
        stale: FlyTokens,
        deadline: Deadline,
    ) -> Result<FlyTokens, AskError> {
        let (this, user) = (Arc::clone(self), user.clone());
        let work = tokio::spawn(async move { this.renew(&user, &stale, deadline).await });
        let interrupted =
            |_| AskError::Upstream(UpstreamError::Unavailable("the renewal was interrupted".to_owned()));
        work.await.map_err(interrupted)?
    }

    /// Tokens newer than `stale`: those that somebody else has kept meanwhile, or new ones from Fly.io.
    async fn renew(&self, user: &UserId, stale: &FlyTokens, deadline: Deadline) -> Result<FlyTokens, AskError> {
        let _turn = deadline.bound(self.turn(user).lock()).await.map_err(AskError::Upstream)?;
        let held = self.load(user).await?.ok_or(AskError::SignInAgain)?;
        if held.tokens.access != stale.access {
            return Ok(held.tokens);
        }
        let refresh = stale.refresh.as_deref().ok_or(AskError::SignInAgain)?;
        match self.fly.refresh(refresh, self.store.now(), deadline).await {
            Ok(mut renewed) => {
                renewed.refresh = renewed.refresh.or_else(|| stale.refresh.clone());
                self.replace(user, stale, renewed).await
            }
            Err(UpstreamError::Refused) => {
                let newer = deadline.bound(self.await_newer(user, stale)).await.map_err(AskError::Upstream)??;
                newer.ok_or(AskError::SignInAgain)
            }
            Err(other) => Err(AskError::Upstream(other)),
        }
    }

    /// Keeps renewed tokens if those they replace are still there, be they sealed anew; those of a newer sign-in are used
    /// otherwise.
    async fn replace(&self, user: &UserId, stale: &FlyTokens, renewed: FlyTokens) -> Result<FlyTokens, AskError> {
        let sealed = self.seal(user, &renewed)?;
        let kept = self.store.transact(|| async {
            let held = self.load(user).await?.ok_or(AskError::SignInAgain)?;
            if held.tokens.access != stale.access {
                return Ok(Attempt::Done(held.tokens));
            }
            let mut txn = self.store.txn(keys::user_partition(user));
            txn.check(&held.entry).put(&keys::upstream(user), &sealed)?;
            Ok::<_, AskError>(Attempt::Commit(txn, renewed.clone()))
        });
        kept.await
    }

    /// Seals the tokens of a person with the current master key, if they are not. Of two who write them, the one with
    /// newer tokens wins.
    pub async fn seal_again(&self, user: &UserId) -> Result<Sealing, StoreError> {
        let key = keys::upstream::<SealedTokens>(user);
        let sealing = self.store.transact(|| async {
            let entry = self.store.read(&key).await?;
            let Some(entry) = entry.filter(|entry| self.vault.is_outdated_text(&entry.value.sealed)) else {
                return Ok(Attempt::Done(Sealing::Current));
            };
            let Some(held) = self.open(user, entry) else { return Ok(Attempt::Done(Sealing::Lost)) };
            let mut txn = self.store.txn(keys::user_partition(user));
            txn.check(&held.entry).put(&key, &self.seal(user, &held.tokens)?)?;
            Ok::<_, StoreError>(Attempt::Commit(txn, Sealing::Anew))
        });
        sealing.await
    }

    /// What another node has kept, which may have used the same refresh token a moment before and be about to save.
    async fn await_newer(&self, user: &UserId, stale: &FlyTokens) -> Result<Option<FlyTokens>, StoreError> {
        for look in 0..=LOOKS {
            if look > 0 {
                self.store.clock().sleep(BETWEEN_LOOKS).await;
            }
            let Some(held) = self.load(user).await? else { return Ok(None) };
            if held.tokens.access != stale.access {
                return Ok(Some(held.tokens));
            }
        }
        Ok(None)
    }

    fn turn(&self, user: &UserId) -> &tokio::sync::Mutex<()> {
        let hash = BuildHasherDefault::<DefaultHasher>::default().hash_one(user.as_str());
        let slot = usize::try_from(hash % TURNS as u64).unwrap_or_default();
        &self.turns[slot]
    }

    async fn load(&self, user: &UserId) -> Result<Option<Held>, StoreError> {
        let entry = self.store.read(&keys::upstream::<SealedTokens>(user)).await?;
        Ok(entry.and_then(|entry| self.open(user, entry)))
    }

    /// What does not open (a master key that is gone) is as good as lost: the person signs in again.
    fn open(&self, user: &UserId, entry: Entry<SealedTokens>) -> Option<Held> {
        let plain = self.vault.open_text(Purpose::AtRest, &context(user), &entry.value.sealed).ok()?;
        let tokens = serde_json::from_slice(plain.expose()).ok()?;
        Some(Held { entry, tokens })
    }

    fn seal(&self, user: &UserId, tokens: &FlyTokens) -> Result<SealedTokens, StoreError> {
        let plain = serde_json::to_vec(tokens).map_err(|e| StoreError::Misuse(e.to_string()))?;
        let sealed = self.vault.seal_text(Purpose::AtRest, &context(user), &plain, self.store.random());
        Ok(SealedTokens { sealed })
    }
}

fn context(user: &UserId) -> String {
    format!("upstream:{user}")
}

/// The answer, if it is about the person: a token of somebody else proves nothing about them.
fn themselves(answer: Result<FlyPerson, UpstreamError>, fly_id: &UpstreamUserId) -> Result<FlyPerson, AskError> {
    match answer {
        Ok(person) if person.id == *fly_id => Ok(person),
        Ok(_) | Err(UpstreamError::Refused) => Err(AskError::SignInAgain),
        Err(other) => Err(AskError::Upstream(other)),
    }
}
