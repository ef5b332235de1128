//! The durable queue: a layer over the primitive.
//!
//! A job is a record in the partition of its cause, written in the same commit:
//!
//! | record | what |
//! |---|---|
//! | `job/<queue>/<visible at, ms>-<id>` | a job that waits, or that somebody works on until then |
//! | `dead/<queue>/<id>` | a job that was given up, with the reason |
//! | `mark/<queue>/<partition>` in `due/<n>` | where workers look, see `queue/due.rs` |
//!
//! A queue may have lanes ([`Queue::lane`]), of which each is a queue of the name `<queue>.<lane>`.
//!
//! # A job, step by step
//!
//! 1. [`Queue::announce`] writes the mark. Only with its answer, [`Announced`], can a job be pushed or retried.
//! 2. [`Queue::push`] adds the job to the commit of its cause. Afterwards [`Queue::wake`] spares the wait for the poll.
//! 3. A worker finds the partition ([`Queue::ready`]) and takes jobs ([`Queue::take`]): one commit moves a batch under
//!    the time at which the lease ends, so the jobs are invisible until then. The version of the new record is the
//!    fencing token.
//! 4. [`Queue::finish`], [`Queue::retry_at`] and [`Queue::bury`] add to the commit of the work's own outcome a check of
//!    that token. A worker that was too slow, and whose job somebody else has taken, gets
//!    [`super::Outcome::Conflict`], and nothing of its outcome is written.
//!
//! # When a process dies
//!
//! | between | what is left | what happens |
//! |---|---|---|
//! | 1 and 2 | a mark without a job | workers look a few times in vain, then the mark is removed |
//! | 2 and `wake` | a job and its mark | the next poll finds it |
//! | 3 and 4 | a job under the end of its lease, and its mark | it is taken again when the lease has passed |
//! | in 4, answer lost | finished or not, both whole | if not: taken again. Work must bear being done twice |
//!
//! So a job runs at least once, and its outcome is committed exactly once.

mod backoff;
mod due;
mod job;
mod lease;

use std::marker::PhantomData;
use std::sync::Arc;
use std::time::Duration;

use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::sync::Notify;

use super::records::{Collection, Entry, Stored as _, decode, encode, encode_format};
use super::{ATTEMPTS, Key, MAX_CLOCK_DIFFERENCE, Outcome, Partition, Record, Store, StoreError, Txn};
use crate::clock::Timestamp;
use crate::domain::ids::JobId;

pub use backoff::Backoff;
pub use due::{Announced, QueueStats};
use job::Burial;
pub use job::{DeadJob, Job, Leased, Taking};
pub use lease::Lease;

/// Jobs in one batch at most: three operations each, which leaves half of a commit to the caller.
pub const MAX_BATCH: usize = 300;
/// Bytes of jobs in one batch, after the first job.
const BATCH_BYTES: usize = 1024 * 1024;

/// A queue of jobs of one kind. Clones share the wake-up.
pub struct Queue<T> {
    store: Store,
    name: Arc<str>,
    lease: Duration,
    woken: Arc<Notify>,
    kind: PhantomData<fn() -> T>,
}

impl<T> Clone for Queue<T> {
    fn clone(&self) -> Self {
        Self {
            store: self.store.clone(),
            name: Arc::clone(&self.name),
            lease: self.lease,
            woken: Arc::clone(&self.woken),
            kind: PhantomData,
        }
    }
}

impl<T: Serialize + DeserializeOwned + Send> Queue<T> {
    /// `name` is a word of the program without `/` and `.`; `lease` is longer than any work on one batch takes.
    #[must_use]
    pub fn new(store: Store, name: &'static str, lease: Duration) -> Self {
        Self { store, name: name.into(), lease, woken: Arc::default(), kind: PhantomData }
    }

    /// A part of this queue with places of its own, so that what waits in it holds up nothing in another; see
    /// [`Queue::ready_lanes`]. It shares the wake-up. `lane` has neither `/` nor `.` in it.
    #[must_use]
    pub fn lane(&self, lane: &str) -> Self {
        Self { name: format!("{}.{lane}", self.name).into(), ..self.clone() }
    }

    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    #[must_use]
    pub fn store(&self) -> &Store {
        &self.store
    }

    /// Adds a job to the commit of its cause, visible from `due` on. The same id and time once more replace the job.
    ///
    /// # Errors
    /// [`StoreError::Misuse`] when `announced` is not for this place and time.
    pub fn push(
        &self,
        txn: &mut Txn,
        announced: &Announced,
        id: &JobId,
        due: Timestamp,
        payload: T,
    ) -> Result<(), StoreError> {
        announced.covers(&self.name, txn, due)?;
        let job = Job { attempts: 0, created_at: txn.now(), payload };
        txn.put_bytes(self.job_key(txn.partition(), due, id), encode(&job)?, None);
        Ok(())
    }

    /// Takes at most `limit` jobs of `partition` that are due, oldest first, in one commit.
    ///
    /// `extend` may add operations of the same partition to that commit, such as marking rows as being worked on. It
    /// runs again when somebody else came first, and not at all when nothing is due; the place is settled then, so that
    /// [`Queue::ready`] names it no more until the next job is due.
    ///
    /// # Errors
    /// What `extend` fails with, or a [`StoreError`] when the store gives no answer or others keep winning.
    pub async fn take<E, F, Fut>(
        &self,
        partition: &Partition,
        limit: usize,
        mut extend: F,
    ) -> Result<Vec<Leased<T>>, E>
    where
        E: From<StoreError>,
        F: FnMut(Taking<T>) -> Fut,
        Fut: Future<Output = Result<Taking<T>, E>>,
    {
        for round in 0..ATTEMPTS {
            let found = self.store.scan(partition, &self.jobs_prefix(), None, limit.min(MAX_BATCH)).await?;
            let Some(taking) = self.lease(partition, found)? else {
                self.settle(partition).await?;
                return Ok(Vec::new());
            };
            let Taking { txn, jobs } = extend(taking).await?;
            match self.store.commit(txn).await? {
                Outcome::Committed => return Ok(jobs),
                Outcome::Conflict => self.store.pause(round).await,
            }
        }
        Err(StoreError::Contention(partition.to_string()).into())
    }

    /// The commit that takes what is due of `found`; `None` when nothing is.
    fn lease(&self, partition: &Partition, found: Vec<(Key, Record)>) -> Result<Option<Taking<T>>, StoreError> {
        let mut txn = self.store.txn(partition.clone());
        let (mut jobs, mut bytes) = (Vec::new(), 0);
        for (key, record) in found {
            let Some((visible_at, id)) = parse_name(key.name()) else {
                return Err(StoreError::Corrupt(format!("{partition}:{} is no job", key.name())));
            };
            bytes += record.value.len();
            let lease = Lease::begin(visible_at, txn.now(), self.lease, txn.version());
            let Some(lease) = lease.filter(|_| bytes <= BATCH_BYTES || txn.is_empty()) else { break };
            let leased = self.job_key(partition, lease.until, &id);
            txn.check_version(key.clone(), record.version).delete(key.clone());
            match decode::<Job<T>>(&key, &record) {
                Ok(mut entry) => {
                    entry.value.attempts = entry.value.attempts.saturating_add(1);
                    txn.put_bytes(leased.clone(), encode(&entry.value)?, None);
                    jobs.push(Leased { id, key: leased, lease, job: entry.value });
                }
                Err(error) => {
                    // Perhaps of a newer program: it stays, out of the way of the others.
                    tracing::error!(%error, queue = &*self.name, "a job cannot be read and is put off");
                    txn.put_bytes(leased, record.value, None);
                }
            }
        }
        Ok((!txn.is_empty()).then_some(Taking { txn, jobs }))
    }

    /// Whether the lease still holds: nobody else has taken the job. Only a look ahead; the commit of the outcome is
    /// what decides.
    ///
    /// # Errors
    /// When the store gives no answer.
    pub async fn holds(&self, job: &Leased<T>) -> Result<bool, StoreError> {
        let found = self.store.get(std::slice::from_ref(&job.key)).await?;
        let found = found.into_iter().flatten().next().map(|record| record.version);
        Ok(job.lease.fence(job.key.clone()).holds(found))
    }

    /// Whether somebody else may have taken the job by now, by the clock of any node.
    #[must_use]
    pub fn may_be_lost(&self, job: &Leased<T>) -> bool {
        self.store.now().plus(2 * MAX_CLOCK_DIFFERENCE) >= job.lease.until
    }

    /// Adds to the commit of the work's outcome that the job is done.
    pub fn finish(&self, txn: &mut Txn, job: &Leased<T>) {
        txn.add_check(job.lease.fence(job.key.clone())).delete(job.key.clone());
    }

    /// Adds to a commit that the job is to be taken again from `due` on.
    ///
    /// # Errors
    /// [`StoreError::Misuse`] when `announced` is not for this place and time.
    pub fn retry_at(
        &self,
        txn: &mut Txn,
        announced: &Announced,
        job: &Leased<T>,
        due: Timestamp,
    ) -> Result<(), StoreError> {
        announced.covers(&self.name, txn, due)?;
        self.finish(txn, job);
        txn.put_bytes(self.job_key(job.partition(), due, &job.id), encode(&job.job)?, None);
        Ok(())
    }

    /// Adds to a commit that the job is given up; it stays readable in [`Queue::dead`].
    ///
    /// # Errors
    /// When the payload does not serialize, which is a mistake of the program.
    pub fn bury(&self, txn: &mut Txn, job: &Leased<T>, reason: &str) -> Result<(), StoreError> {
        self.finish(txn, job);
        let burial = Burial { reason, died_at: txn.now(), job: &job.job };
        let grave = self.dead(job.partition()).item(job.id.as_str());
        txn.put_bytes(grave.into_key(), encode_format(DeadJob::<T>::FORMAT, &burial)?, None);
        Ok(())
    }

    /// The jobs of `partition` that were given up, for [`Store::list`].
    #[must_use]
    pub fn dead(&self, partition: &Partition) -> Collection<DeadJob<T>> {
        Collection::new(partition.clone(), format!("dead/{}/", self.name))
    }

    /// Adds to a commit that a job that was given up is tried again from `due` on, as if for the first time.
    ///
    /// # Errors
    /// [`StoreError::Misuse`] when `announced` is not for this place and time.
    pub fn revive(
        &self,
        txn: &mut Txn,
        announced: &Announced,
        dead: Entry<DeadJob<T>>,
        due: Timestamp,
    ) -> Result<(), StoreError> {
        let id: JobId =
            dead.item().parse().map_err(|_| StoreError::Corrupt(format!("{} is no job", dead.key.name())))?;
        txn.check(&dead).delete(dead.key.clone());
        self.push(txn, announced, &id, due, dead.value.job.payload)
    }

    /// Tells the workers of this process that there is work. Only a hint: the poll is what finds every job.
    pub fn wake(&self) {
        self.woken.notify_waiters();
        // For a worker that is just about to wait.
        self.woken.notify_one();
    }

    /// Waits for [`Queue::wake`], at most about `longest`: between half of it and all of it, so that nodes do not poll
    /// in step.
    pub async fn wait(&self, longest: Duration) {
        let half = longest / 2;
        let spread = u64::try_from(half.as_millis()).unwrap_or(u64::MAX).max(1);
        let span = half + Duration::from_millis(self.store.random().next_u64() % spread);
        let woken = std::pin::pin!(self.woken.notified());
        futures_util::future::select(woken, self.store.clock().sleep(span)).await;
    }

    fn jobs_prefix(&self) -> String {
        format!("job/{}/", self.name)
    }

    /// Names sort by time: 15 digits of milliseconds last until the year 33658.
    fn job_key(&self, partition: &Partition, visible_at: Timestamp, id: &JobId) -> Key {
        let millis = visible_at.as_millis().clamp(0, 999_999_999_999_999);
        Key::record(partition.clone(), format!("{}{millis:015}-{id}", self.jobs_prefix()))
    }
}

/// When the job of this name is visible, and its id.
fn parse_name(name: &str) -> Option<(Timestamp, JobId)> {
    let (_, item) = name.rsplit_once('/')?;
    let (millis, id) = item.split_at_checked(15)?;
    let id = id.strip_prefix('-')?.parse().ok()?;
    Some((Timestamp::from_millis(millis.parse().ok()?), id))
}
