//! A new master key: what lies sealed in the store is sealed anew, in the background, so that the old key can go.
//!
//! The signing keys are one record and are looked after by [`SigningKeys::rotate`]. Fly.io's tokens lie with the people
//! they belong to, and people are listed only as members, so a walk goes through all organizations. Whoever is a member
//! of none is not met; their tokens open nothing, and their next sign-in replaces them.
//!
//! The first node that starts with several master keys begins a walk. Others may run with the old key in front for a while
//! and go on sealing with it, and set-up links that were made with it work until they run out. So after a round the walk
//! rests, with its job passing from node to node, until no node with another key in front has been met for as long as a
//! link works; the round after that is the last. A walk goes on in small steps at a low rate; it may be interrupted
//! anywhere, and nodes share it.

use std::collections::BTreeSet;
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
/// How often a walk that rests is offered to the nodes, so that one with another key in front is met.
const MET_EVERY: Duration = Duration::from_mins(10);
/// A walk rests at least so long: nodes are being replaced, and browsers hold what a page sealed.
pub const LEAST_REST: Duration = Duration::from_hours(1);

/// How far everything is sealed with the current master key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Walk {
    /// The master key in question, as [`Vault::current_id`] names it.
    pub key: String,
    /// Those that were behind it when the walk began.
    behind: BTreeSet<String>,
    pub begun_at: Timestamp,
    pub ended_at: Option<Timestamp>,
    /// When a node with another key in front was last known to run.
    other_seen_at: Timestamp,
    round_begun_at: Timestamp,
    /// Between two rounds: when the next begins.
    pub rests_until: Option<Timestamp>,
    /// People looked at in this round; somebody who is a member of several organizations counts in each.
    pub looked_at: u64,
    /// Tokens sealed anew in all rounds.
    pub sealed: u64,
    /// Those that open with none of the master keys, in this round.
    pub lost: u64,
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
    fn begin(vault: &Vault, now: Timestamp) -> Self {
        Self {
            key: vault.current_id(),
            behind: vault.older_ids(),
            begun_at: now,
            ended_at: None,
            other_seen_at: now,
            round_begun_at: now,
            rests_until: None,
            looked_at: 0,
            sealed: 0,
            lost: 0,
            place: None,
        }
    }

    /// Whether it is about these keys, so that a node that starts with them has nothing to begin.
    #[must_use]
    pub fn covers(&self, vault: &Vault) -> bool {
        self.key == vault.current_id() && vault.older_ids().is_subset(&self.behind)
    }

    fn is_of(&self, errand: &Errand) -> bool {
        self.ended_at.is_none() && self.key == errand.key && self.begun_at == errand.begun_at
    }

    /// The place in its organization, for the log and for people.
    #[must_use]
    pub fn at(&self) -> Option<&str> {
        self.place.as_ref().map(|place| place.slug.as_str())
    }

    /// A node with another key in front runs at this time.
    fn meet_other(&mut self, now: Timestamp, rest: Duration) {
        self.other_seen_at = now;
        self.rests_until = self.rests_until.map(|_| now.plus(rest));
    }

    fn next_round(&mut self, now: Timestamp) {
        self.round_begun_at = now;
        self.rests_until = None;
        (self.looked_at, self.lost) = (0, 0);
    }

    /// Everybody was looked at. `keys_too`: the signing keys are sealed with this one as well.
    fn end_round(&mut self, now: Timestamp, rest: Duration, keys_too: bool) {
        let settled_at = self.other_seen_at.plus(rest);
        if self.round_begun_at < settled_at {
            self.rests_until = Some(settled_at);
        } else if keys_too {
            self.ended_at = Some(now);
        } else {
            self.rests_until = Some(now.plus(FOR_OTHERS));
        }
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
    rest: Duration,
}

impl Resealing {
    /// `rest`: how long after the last node with another key in front was met what that one gave out still counts; at
    /// least [`LEAST_REST`].
    #[must_use]
    pub fn new(
        jobs: Arc<Jobs>,
        vault: Arc<Vault>,
        upstream: Arc<UpstreamTokens>,
        signing: Arc<SigningKeys>,
        rest: Duration,
    ) -> Self {
        Self { jobs, vault, upstream, signing, rest: rest.max(LEAST_REST) }
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
                Some(known) if known.value.covers(&self.vault) => return Ok(Attempt::Done(false)),
                Some(known) => txn.check(known),
                None => txn.check_absent(key.key().clone()),
            };
            let now = txn.now();
            let walk = Walk::begin(&self.vault, now);
            let errand = Errand { key: walk.key.clone(), begun_at: now };
            self.jobs.put_work(&mut txn, &announced, Work::SealAgain(errand), now)?;
            txn.put(&key, &walk)?;
            Ok::<_, StoreError>(Attempt::Commit(txn, true))
        };
        if self.store().transact(begin).await? {
            self.jobs.work.wake();
            tracing::info!(
                key = self.vault.current_id(),
                "there are several master keys; what is sealed with another than the first is sealed anew in the background"
            );
        }
        Ok(())
    }

    /// One step of a walk.
    pub async fn step(&self, errand: &Errand, job: &Leased<Work>) -> Result<(), StoreError> {
        let walk = self.store().read(&keys::resealing::<Walk>()).await?;
        let Some(before) = walk.filter(|walk| walk.value.is_of(errand)) else { return self.drop(job).await };
        if errand.key != self.vault.current_id() {
            return self.leave(job, before).await;
        }
        let mut walk = before.value.clone();
        let now = self.store().now();
        match walk.rests_until {
            Some(until) if now < until => return self.write(job, &before, walk).await,
            Some(_) => walk.next_round(now),
            None => {}
        }
        if self.look_on(&mut walk).await? {
            let keys_too = self.seal_keys().await?;
            walk.end_round(self.store().now(), self.rest, keys_too);
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

    /// Whether the signing keys are sealed with the current master key now.
    async fn seal_keys(&self) -> Result<bool, StoreError> {
        let unsealed = |error| match error {
            SigningError::Store(error) => error,
            other => StoreError::Corrupt(other.to_string()),
        };
        self.signing.rotate(RotationPlan::default()).await.map_err(unsealed)?;
        self.signing.is_sealed_anew().await.map_err(unsealed)
    }

    /// Writes down how far the walk has come, and lets the job come again unless the walk has ended. When another node
    /// has written meanwhile, nothing is written, and people are looked at once more.
    async fn write(&self, job: &Leased<Work>, before: &Entry<Walk>, after: Walk) -> Result<(), StoreError> {
        let mut txn = self.store().txn(job.partition().clone());
        txn.check(before).put(&keys::resealing(), &after)?;
        if after.ended_at.is_some() {
            self.jobs.work.finish(&mut txn, job);
        } else {
            let pause = after.rests_until.map_or(PAUSE, |until| until.since(txn.now()).clamp(PAUSE, MET_EVERY));
            self.again(&mut txn, job, pause).await?;
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

    /// This node has another key in front, and may have sealed with it until now.
    async fn leave(&self, job: &Leased<Work>, before: Entry<Walk>) -> Result<(), StoreError> {
        let mut txn = self.store().txn(job.partition().clone());
        let mut walk = before.value.clone();
        walk.meet_other(txn.now(), self.rest);
        txn.check(&before).put(&keys::resealing(), &walk)?;
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
            "everything is sealed with the first master key of the list; those behind it that were first before may be removed"
        );
    } else if let (None, Some(until)) = (before.rests_until, after.rests_until) {
        tracing::info!(
            key,
            looked_at,
            sealed,
            lost,
            until = %until.to_jiff(),
            "a round of sealing anew is over; another follows, because other nodes may still seal with another master key"
        );
    } else if before.looked_at / TOLD_EVERY < looked_at / TOLD_EVERY {
        tracing::info!(key, looked_at, sealed, lost, at = after.at(), "sealing anew goes on");
    }
}
