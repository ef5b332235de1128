//! A new master key: what lies sealed in the store is sealed anew, in the background, so that the old key can go.
//!
//! The signing keys are one record and are looked after by [`SigningKeys::rotate`]. Fly.io's tokens lie with the people
//! they belong to, and people are listed only as members, so a walk goes through all organizations. Whoever is a member
//! of none is not met; their tokens open nothing, and their next sign-in replaces them.
//!
//! Each start of a node with more than one master key begins a walk, or another round of the one under way: until the
//! last node has started anew, those that still run with the old key in front may seal with it. A walk is a job in small
//! steps at a low rate; it may be interrupted anywhere, and nodes share it.

use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::jobs::{Jobs, Work};
use super::signing::{RotationPlan, SigningError, SigningKeys};
use super::upstream_tokens::{Sealing, UpstreamTokens};
use super::vault::Vault;
use crate::clock::Timestamp;
use crate::domain::ids::{OrganizationId, UserId};
use crate::store::queue::Leased;
use crate::store::records::{Entry, Stored};
use crate::store::{Attempt, Outcome, Store, StoreError, Txn, keys};

/// People looked at in a step, and how long until the next: a hundred thousand take a quarter of an hour.
const STEP: usize = 100;
const PAUSE: Duration = Duration::from_secs(1);
/// The log tells each time so many people were looked at.
const TOLD_EVERY: u64 = 10_000;
/// How soon a job is offered again that this node cannot do: it has another master key in front.
const FOR_OTHERS: Duration = Duration::from_mins(1);

/// How far everything is sealed with the current master key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Walk {
    /// The master key in question, as [`Vault::current_id`] names it.
    pub key: String,
    pub begun_at: Timestamp,
    pub ended_at: Option<Timestamp>,
    /// People looked at in this round; somebody who is a member of several organizations counts in each.
    pub looked_at: u64,
    /// Tokens sealed anew in all rounds.
    pub sealed: u64,
    /// Those that open with none of the master keys, in this round.
    pub lost: u64,
    /// A node has started meanwhile, so another round follows.
    pub again: bool,
    place: Option<Place>,
}

impl Stored for Walk {}

/// Where the walk goes on: in this organization, after this member.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Place {
    slug: String,
    organization: OrganizationId,
    after: Option<UserId>,
}

/// Which walk a job is a step of.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Errand {
    key: String,
    begun_at: Timestamp,
}

impl Walk {
    fn begin(key: String, now: Timestamp) -> Self {
        let (looked_at, sealed, lost) = (0, 0, 0);
        Self { key, begun_at: now, ended_at: None, looked_at, sealed, lost, again: false, place: None }
    }

    fn is_of(&self, errand: &Errand) -> bool {
        self.ended_at.is_none() && self.key == errand.key && self.begun_at == errand.begun_at
    }

    /// The place in its organization, for the log and for people.
    #[must_use]
    pub fn at(&self) -> Option<&str> {
        self.place.as_ref().map(|place| place.slug.as_str())
    }
}

/// How far the last walk has come, of whichever master key.
pub async fn last_walk(store: &Store) -> Result<Option<Walk>, StoreError> {
    Ok(store.read(&keys::resealing()).await?.map(|entry| entry.value))
}

pub struct Resealing {
    jobs: Arc<Jobs>,
    vault: Arc<Vault>,
    upstream: Arc<UpstreamTokens>,
    signing: Arc<SigningKeys>,
}

impl Resealing {
    #[must_use]
    pub fn new(jobs: Arc<Jobs>, vault: Arc<Vault>, upstream: Arc<UpstreamTokens>, signing: Arc<SigningKeys>) -> Self {
        Self { jobs, vault, upstream, signing }
    }

    fn store(&self) -> &Store {
        &self.jobs.store
    }

    /// To be called when a node starts. With one master key there is nothing to do.
    pub async fn begin(&self) -> Result<(), StoreError> {
        if self.vault.master_keys() < 2 {
            return Ok(());
        }
        let key = keys::resealing::<Walk>();
        let place = key.key().partition().clone();
        let announced = self.jobs.work.announce(&place, self.store().now()).await?;
        let begin = || async {
            let known = self.store().read(&key).await?;
            let mut txn = self.store().txn(place.clone());
            match &known {
                Some(known) => txn.check(known),
                None => txn.check_absent(key.key().clone()),
            };
            let current = self.vault.current_id();
            match known.map(|entry| entry.value).filter(|walk| walk.key == current && walk.ended_at.is_none()) {
                Some(walk) if walk.again => return Ok(Attempt::Done(())),
                Some(walk) => txn.put(&key, &Walk { again: true, ..walk })?,
                None => {
                    let now = txn.now();
                    let errand = Errand { key: current.clone(), begun_at: now };
                    self.jobs.put_work(&mut txn, &announced, Work::SealAgain(errand), now)?;
                    txn.put(&key, &Walk::begin(current, now))?
                }
            };
            Ok::<_, StoreError>(Attempt::Commit(txn, ()))
        };
        self.store().transact(begin).await?;
        self.jobs.work.wake();
        tracing::info!(
            key = self.vault.current_id(),
            "there are several master keys; what is sealed with an older one is sealed anew in the background"
        );
        Ok(())
    }

    /// One step of a walk.
    pub async fn step(&self, errand: &Errand, job: &Leased<Work>) -> Result<(), StoreError> {
        let walk = self.store().read(&keys::resealing::<Walk>()).await?;
        let Some(before) = walk.filter(|walk| walk.value.is_of(errand)) else { return self.drop(job).await };
        if errand.key != self.vault.current_id() {
            return self.leave(job).await;
        }
        let mut walk = before.value.clone();
        if self.look_on(&mut walk).await? {
            self.end_round(&mut walk).await?;
        }
        self.write(job, &before, walk).await
    }

    /// Looks at the next people. Whether these were the last.
    async fn look_on(&self, walk: &mut Walk) -> Result<bool, StoreError> {
        let mut left = STEP;
        while left > 0 {
            let place = match walk.place.take() {
                Some(place) => place,
                None => match self.organization_after(None).await? {
                    Some(place) => place,
                    None => return Ok(true),
                },
            };
            let people = self.members_after(&place, left).await?;
            for user in &people {
                self.look_at(user, walk).await?;
            }
            walk.place = match people.last() {
                Some(last) if people.len() == left => Some(Place { after: Some(last.clone()), ..place }),
                _ => self.organization_after(Some(&place.slug)).await?,
            };
            // One that nobody belongs to costs a look as well.
            left = left.saturating_sub(people.len().max(1));
            if walk.place.is_none() {
                return Ok(true);
            }
        }
        Ok(false)
    }

    async fn look_at(&self, user: &UserId, walk: &mut Walk) -> Result<(), StoreError> {
        walk.looked_at += 1;
        match self.upstream.seal_again(user).await {
            Ok(Sealing::Current) => {}
            Ok(Sealing::Anew) => walk.sealed += 1,
            Ok(Sealing::Lost) => {
                tracing::warn!(%user, "the tokens of Fly.io open with none of the master keys; the person signs in again");
                walk.lost += 1;
            }
            Err(StoreError::Corrupt(why)) => {
                tracing::error!(%user, why, "the tokens of Fly.io cannot be read");
                walk.lost += 1;
            }
            Err(error) => return Err(error),
        }
        Ok(())
    }

    async fn organization_after(&self, slug: Option<&str>) -> Result<Option<Place>, StoreError> {
        let found = self.store().list(&keys::organizations(), slug, 1).await?;
        let place = |entry: &Entry<OrganizationId>| {
            let (slug, organization) = (entry.item().to_owned(), entry.value.clone());
            Place { slug, organization, after: None }
        };
        Ok(found.first().map(place))
    }

    /// By their names alone: what is kept of a member is not needed.
    async fn members_after(&self, place: &Place, limit: usize) -> Result<Vec<UserId>, StoreError> {
        let members = keys::members(&place.organization);
        let after = place.after.as_ref().map(|user| format!("{}{user}", members.prefix));
        let found = self.store().scan(&members.partition, &members.prefix, after.as_deref(), limit).await?;
        Ok(found.iter().filter_map(|(key, _)| key.name().strip_prefix(&members.prefix)?.parse().ok()).collect())
    }

    /// Everybody was looked at.
    async fn end_round(&self, walk: &mut Walk) -> Result<(), StoreError> {
        let unsealed = |error| match error {
            SigningError::Store(error) => error,
            other => StoreError::Corrupt(other.to_string()),
        };
        self.signing.rotate(RotationPlan::default()).await.map_err(unsealed)?;
        let keys_too = self.signing.is_sealed_anew().await.map_err(unsealed)?;
        if walk.again || !keys_too {
            *walk = Walk { again: false, place: None, looked_at: 0, lost: 0, ..walk.clone() };
        } else {
            walk.ended_at = Some(self.store().now());
        }
        Ok(())
    }

    /// Writes down how far the walk has come, and lets the job come again unless the walk has ended. When a node has started
    /// meanwhile, or another has taken the job, nothing is written, and people are looked at once more.
    async fn write(&self, job: &Leased<Work>, before: &Entry<Walk>, after: Walk) -> Result<(), StoreError> {
        let mut txn = self.store().txn(job.partition().clone());
        txn.check(before).put(&keys::resealing(), &after)?;
        if after.ended_at.is_some() {
            self.jobs.work.finish(&mut txn, job);
        } else {
            self.again(&mut txn, job, PAUSE).await?;
        }
        if self.store().commit(txn).await? == Outcome::Committed {
            tell(&before.value, &after);
        }
        Ok(())
    }

    async fn again(&self, txn: &mut Txn, job: &Leased<Work>, pause: Duration) -> Result<(), StoreError> {
        let due = txn.now().plus(pause);
        let announced = self.jobs.work.announce(job.partition(), due).await?;
        self.jobs.work.retry_at(txn, &announced, job, due)
    }

    async fn leave(&self, job: &Leased<Work>) -> Result<(), StoreError> {
        let mut txn = self.store().txn(job.partition().clone());
        self.again(&mut txn, job, FOR_OTHERS).await?;
        let _ = self.store().commit(txn).await?;
        Ok(())
    }

    /// The walk is over, or another has taken its place.
    async fn drop(&self, job: &Leased<Work>) -> Result<(), StoreError> {
        let mut txn = self.store().txn(job.partition().clone());
        self.jobs.work.finish(&mut txn, job);
        let _ = self.store().commit(txn).await?;
        Ok(())
    }
}

fn tell(before: &Walk, after: &Walk) {
    let Walk { key, looked_at, sealed, lost, .. } = after;
    if after.ended_at.is_some() {
        tracing::info!(
            key,
            looked_at,
            sealed,
            lost,
            "everything is sealed with the first master key of the list; another one may be removed once every node has had this one first for an hour, and `flybridge keys master` still says so after a restart"
        );
    } else if before.looked_at / TOLD_EVERY != looked_at / TOLD_EVERY {
        tracing::info!(key, looked_at, sealed, lost, at = after.at(), "sealing anew goes on");
    }
}
