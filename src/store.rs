//! The store: one small atomic primitive, and everything durable goes through it.
//!
//! ```text
//! get(keys)   scan(partition, prefix, after, limit)   commit(Txn) -> Committed | Conflict
//! ```
//!
//! - A [`Txn`] names exactly one [`Partition`], and every key belongs to one. On Redis the partition is the hash tag,
//!   so a commit is atomic on a cluster too.
//! - A check names a key and the [`Version`] that was read, or that the key is absent. Versions are drawn at random by
//!   the writer, so none is used twice, and after an unclear answer a reader can tell whether *its* write arrived.
//! - Counters ([`Key::counter`]) only ever change by addition, so totals never make writers collide.
//! - Expiry is part of the record and judged by the caller's clock ([`Txn::now`]); an expired record is absent for
//!   reads, scans and checks alike. What the backend removes on its own is garbage by then.
//! - `Err` from a commit means "perhaps applied".
//!
//! Limits: [`MAX_OPERATIONS`] operations and [`MAX_BYTES`] bytes in a commit, [`MAX_SCAN`] records a scan, 200 bytes a
//! key. Reads of several partitions in one `get` are not one snapshot.

pub mod keys;
pub mod mark;
pub mod queue;
pub mod records;
pub mod redis;
pub mod sqlite;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::{BoxFuture, join};

use crate::clock::{Clock, Timestamp};
use crate::random::Random;
use mark::{Known, Mark};

/// Operations in one commit at most.
pub const MAX_OPERATIONS: usize = 2_000;
/// Bytes of all values in one commit at most.
pub const MAX_BYTES: usize = 4 * 1024 * 1024;
/// Records in one answer of a scan at most.
pub const MAX_SCAN: usize = 1_000;
/// The largest total of a counter, either side of zero, that every backend keeps exactly. A commit that would pass it
/// is refused.
pub const MAX_TOTAL: u64 = 9_000_000_000_000_000;

/// The unit of atomicity and of sharding, such as `org/<id>`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Partition(String);

impl Partition {
    /// `kind` is a word of the program, `id` an identifier without `{`, `}` or `:`.
    #[must_use]
    pub fn new(kind: &str, id: &str) -> Self {
        Self(format!("{kind}/{id}"))
    }

    /// For text that came out of [`Partition::as_str`].
    #[must_use]
    pub fn from_text(text: &str) -> Self {
        Self(text.to_owned())
    }

    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Partition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The name of one record or counter within its partition.
///
/// A name with a `/` in it is an item of a collection and found by [`Store::scan`]; one without is only found by
/// name, which spares the hot path the ordered index.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Key {
    partition: Partition,
    name: String,
    counter: bool,
}

impl Key {
    #[must_use]
    pub fn record(partition: Partition, name: impl Into<String>) -> Self {
        Self { partition, name: name.into(), counter: false }
    }

    /// A number that is only ever added to. Not found by scans; absent means zero.
    #[must_use]
    pub fn counter(partition: Partition, name: impl Into<String>) -> Self {
        Self { partition, name: name.into(), counter: true }
    }

    #[must_use]
    pub fn partition(&self) -> &Partition {
        &self.partition
    }

    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    #[must_use]
    pub fn is_counter(&self) -> bool {
        self.counter
    }

    #[must_use]
    pub fn is_item(&self) -> bool {
        !self.counter && self.name.contains('/')
    }
}

/// Marks one write of one record. Drawn at random by the writer; never reused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Version(pub u64);

/// A record as the backend keeps it. A counter comes back as its decimal digits, with version 0.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    pub version: Version,
    pub expires_at: Option<Timestamp>,
    pub value: Vec<u8>,
}

impl Record {
    /// Whether the record still counts at `now`: it is absent from its expiry on.
    #[must_use]
    pub fn is_live(&self, now: Timestamp) -> bool {
        self.expires_at.is_none_or(|at| now < at)
    }
}

/// What must hold for a commit to happen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Check {
    pub key: Key,
    /// `None`: absent (or expired).
    pub version: Option<Version>,
}

impl Check {
    /// Whether it holds where the live record has this version, or there is none.
    #[must_use]
    pub fn holds(&self, found: Option<Version>) -> bool {
        self.version == found
    }
}

/// A write of one record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Put {
    pub key: Key,
    pub value: Vec<u8>,
    pub expires_at: Option<Timestamp>,
}

/// One atomic change of one partition: all of it, or nothing when a check fails.
///
/// Whatever the order of the calls, deletes come first, then puts, then additions: a key that is deleted and put is
/// there afterwards, and of two puts of one key the later holds.
#[derive(Debug, Clone)]
pub struct Txn {
    pub(crate) partition: Partition,
    pub(crate) now: Timestamp,
    pub(crate) version: Version,
    pub(crate) checks: Vec<Check>,
    pub(crate) puts: Vec<Put>,
    pub(crate) adds: Vec<(Key, i64)>,
    pub(crate) deletes: Vec<Key>,
}

impl Txn {
    #[must_use]
    pub fn new(partition: Partition, now: Timestamp, version: Version) -> Self {
        Self { partition, now, version, checks: vec![], puts: vec![], adds: vec![], deletes: vec![] }
    }

    #[must_use]
    pub fn partition(&self) -> &Partition {
        &self.partition
    }

    /// The caller's time, by which expiry is judged.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        self.now
    }

    /// The version that every record put by this commit gets.
    #[must_use]
    pub fn version(&self) -> Version {
        self.version
    }

    pub fn add_check(&mut self, check: Check) -> &mut Self {
        self.checks.push(check);
        self
    }

    pub fn check_version(&mut self, key: Key, version: Version) -> &mut Self {
        self.add_check(Check { key, version: Some(version) })
    }

    pub fn check_absent(&mut self, key: Key) -> &mut Self {
        self.add_check(Check { key, version: None })
    }

    pub fn put_bytes(&mut self, key: Key, value: Vec<u8>, expires_at: Option<Timestamp>) -> &mut Self {
        self.puts.push(Put { key, value, expires_at });
        self
    }

    pub fn add(&mut self, counter: Key, delta: i64) -> &mut Self {
        if delta != 0 {
            self.adds.push((counter, delta));
        }
        self
    }

    pub fn delete(&mut self, key: Key) -> &mut Self {
        self.deletes.push(key);
        self
    }

    #[must_use]
    pub fn operations(&self) -> usize {
        self.checks.len() + self.puts.len() + self.adds.len() + self.deletes.len()
    }

    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.operations() == 0
    }

    fn validate(&self) -> Result<(), StoreError> {
        if self.partition.0.contains(['{', '}', ':']) {
            return Err(StoreError::Misuse(format!("{} is no partition", self.partition)));
        }
        let keys = (self.checks.iter().map(|c| &c.key))
            .chain(self.puts.iter().map(|p| &p.key))
            .chain(self.adds.iter().map(|(key, _)| key))
            .chain(&self.deletes);
        for key in keys {
            if key.partition != self.partition {
                return Err(StoreError::Misuse(format!(
                    "a commit of {} touches {}:{}",
                    self.partition, key.partition, key.name
                )));
            }
            if key.name.len() > 200 {
                return Err(StoreError::Misuse(format!("a key of {} is too long", self.partition)));
            }
        }
        let mixed = self.puts.iter().any(|p| p.key.counter)
            || self.checks.iter().any(|c| c.key.counter)
            || self.adds.iter().any(|(key, _)| !key.counter);
        if mixed {
            return Err(StoreError::Misuse(format!("a commit of {} mixes counters and records", self.partition)));
        }
        let bytes: usize = self.puts.iter().map(|p| p.value.len()).sum();
        if self.operations() > MAX_OPERATIONS || bytes > MAX_BYTES {
            return Err(StoreError::Misuse(format!("a commit of {} is too large", self.partition)));
        }
        Ok(())
    }
}

/// A change that is older than this by its caller's clock is not committed.
const STALE: Duration = Duration::from_mins(1);

/// What became of a commit that got an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use]
pub enum Outcome {
    Committed,
    /// A check did not hold; nothing was written.
    Conflict,
}

/// Why the store gave no answer.
#[derive(Debug, Clone, thiserror::Error)]
pub enum StoreError {
    /// No answer in time or no connection. A write may have been applied.
    #[error("the store cannot be reached: {0}")]
    Unavailable(String),
    /// The store answered that it cannot write: disk full, out of memory, read only. Nothing was written.
    #[error("the store takes no writes: {0}")]
    Full(String),
    /// The store answers, but is not fit for use: it forgets, or is another one than at the start. Nothing was written.
    #[error("{0}")]
    Unfit(String),
    /// Somebody else kept winning; nothing was written.
    #[error("too many writers at the same place: {0}")]
    Contention(String),
    /// Something that does not read back: written by a newer version, or damaged.
    #[error("what the store holds cannot be read: {0}")]
    Corrupt(String),
    /// A mistake of the program.
    #[error("the store was misused: {0}")]
    Misuse(String),
}

/// One kind of store. Implementations hold no rules of the program, only the primitive.
pub trait Backend: Send + Sync {
    /// The records at `keys`, in that order; expired ones may still come back.
    fn get<'a>(&'a self, keys: &'a [Key]) -> BoxFuture<'a, Result<Vec<Option<Record>>, StoreError>>;

    /// Live records of a partition whose name starts with `prefix` and sorts after `after`, by name, at most `limit`.
    /// `prefix` contains a `/`. Fewer than `limit` means that there are no more.
    fn scan<'a>(&'a self, scan: &'a Scan) -> BoxFuture<'a, Result<Vec<(Key, Record)>, StoreError>>;

    fn commit(&self, txn: Txn) -> BoxFuture<'_, Result<Outcome, StoreError>>;

    /// Whether the store can be read and written *and* still keeps what it acknowledges, as far as its settings can change
    /// under a running node; for readiness. Gives the store's own time where nodes share one.
    fn ping(&self) -> BoxFuture<'_, Result<Option<Timestamp>, StoreError>>;

    /// From now on every new connection must lead to a store with this mark. For backends that have connections.
    fn expect(&self, _: &Mark) {}

    /// Removes what has been expired for long, at most `limit` records; how many went. Backends with their own
    /// expiry have nothing to do here.
    fn collect(&self, expired_before: Timestamp, limit: usize) -> BoxFuture<'_, Result<usize, StoreError>>;
}

/// What a scan asks for.
#[derive(Debug, Clone)]
pub struct Scan {
    pub partition: Partition,
    pub prefix: String,
    /// The name after which to go on; the name itself is not returned.
    pub after: Option<String>,
    pub limit: usize,
    pub now: Timestamp,
}

/// The handle that the rest of the program holds: a backend with the clock and the randomness it is used with.
#[derive(Clone)]
pub struct Store {
    backend: Arc<dyn Backend>,
    clock: Arc<dyn Clock>,
    random: Arc<dyn Random>,
    known: Arc<Known>,
}

/// What one attempt of [`Store::transact`] wants.
pub enum Attempt<T> {
    /// Commit this, and answer `T` if it happened.
    Commit(Txn, T),
    /// Nothing to write.
    Done(T),
}

const ATTEMPTS: u32 = 12;

/// How far a node's clock may be from the store's: two nodes are then never further apart than the 60 seconds beyond
/// which nothing expired may be accepted.
pub const MAX_CLOCK_DIFFERENCE: Duration = Duration::from_secs(30);

impl Store {
    #[must_use]
    pub fn new(backend: Arc<dyn Backend>, clock: Arc<dyn Clock>, random: Arc<dyn Random>) -> Self {
        Self { backend, clock, random, known: Arc::default() }
    }

    #[must_use]
    pub fn now(&self) -> Timestamp {
        self.clock.now()
    }

    #[must_use]
    pub fn clock(&self) -> &Arc<dyn Clock> {
        &self.clock
    }

    #[must_use]
    pub fn random(&self) -> &dyn Random {
        &*self.random
    }

    /// A new change of `partition`, at this moment.
    #[must_use]
    pub fn txn(&self, partition: Partition) -> Txn {
        // Zero is what counters report, and is kept for them.
        Txn::new(partition, self.clock.now(), Version(self.random.next_u64() | 1))
    }

    /// The live records at `keys`, in that order.
    ///
    /// # Errors
    /// When the store gives no answer.
    pub async fn get(&self, keys: &[Key]) -> Result<Vec<Option<Record>>, StoreError> {
        self.known.admit(&*self.backend).await?;
        let now = self.clock.now();
        let records = self.backend.get(keys).await?;
        Ok(records.into_iter().map(|record| record.filter(|r| r.is_live(now))).collect())
    }

    /// See [`Backend::scan`].
    ///
    /// # Errors
    /// When the store gives no answer.
    pub async fn scan(
        &self,
        partition: &Partition,
        prefix: &str,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Vec<(Key, Record)>, StoreError> {
        if !prefix.contains('/') {
            return Err(StoreError::Misuse(format!("a scan of {partition} without a collection")));
        }
        self.known.admit(&*self.backend).await?;
        let scan = Scan {
            partition: partition.clone(),
            prefix: prefix.to_owned(),
            after: after.map(str::to_owned),
            limit: limit.min(MAX_SCAN),
            now: self.clock.now(),
        };
        self.backend.scan(&scan).await
    }

    /// Applies `txn` whole or not at all.
    ///
    /// A change that was begun more than a minute ago is answered with [`Outcome::Conflict`]: the process was stopped in
    /// between, and what it took for unexpired, leased or announced need not be so any more.
    ///
    /// # Errors
    /// When the store gives no answer; the change may have been applied then.
    pub async fn commit(&self, txn: Txn) -> Result<Outcome, StoreError> {
        txn.validate()?;
        if txn.is_empty() {
            return Ok(Outcome::Committed);
        }
        if self.clock.now().since(txn.now) > STALE {
            tracing::warn!(partition = %txn.partition, "a change was begun too long ago and is not committed");
            return Ok(Outcome::Conflict);
        }
        self.known.admit(&*self.backend).await?;
        self.backend.commit(txn).await
    }

    /// The one retry loop: reads, decides and commits again as long as somebody else came first.
    ///
    /// # Errors
    /// What `attempt` fails with, or a [`StoreError`] when the store gives no answer or others keep winning.
    pub async fn transact<T, E, F, Fut>(&self, mut attempt: F) -> Result<T, E>
    where
        F: FnMut() -> Fut,
        Fut: Future<Output = Result<Attempt<T>, E>>,
        E: From<StoreError>,
    {
        let mut place = String::new();
        for round in 0..ATTEMPTS {
            let (txn, value) = match attempt().await? {
                Attempt::Done(value) => return Ok(value),
                Attempt::Commit(txn, value) => (txn, value),
            };
            place = txn.partition.to_string();
            match self.commit(txn).await? {
                Outcome::Committed => return Ok(value),
                Outcome::Conflict => self.pause(round).await,
            }
        }
        Err(StoreError::Contention(place).into())
    }

    /// Full jitter under a doubling cap of 1, 2, 4 ... 64 ms.
    async fn pause(&self, round: u32) {
        let cap = 1_000_u64 << round.min(6);
        let micros = self.random.next_u64() % cap;
        self.clock.sleep(Duration::from_micros(micros)).await;
    }

    /// See [`Backend::ping`]; also whether the store is still the one of the start (`store/mark.rs`). Gives how far our
    /// clock is from the store's: every expiry is judged by the clock of the node that reads, so nodes must not be far
    /// apart.
    ///
    /// # Errors
    /// When the store is not fit for use.
    pub async fn ping(&self) -> Result<Duration, StoreError> {
        let before = self.clock.now();
        // Side by side: each may take as long as one operation.
        let (same, theirs) = join(self.known.recognize(&*self.backend), self.backend.ping()).await;
        same?;
        let Some(theirs) = theirs? else { return Ok(Duration::ZERO) };
        let after = self.clock.now();
        // The question took a while; their time is from somewhere in between.
        Ok(before.since(theirs).max(theirs.since(after)))
    }

    /// Removes records that expired more than a day ago, at most `limit`.
    ///
    /// # Errors
    /// When the store gives no answer.
    pub async fn collect(&self, limit: usize) -> Result<usize, StoreError> {
        let before = self.clock.now().minus(Duration::from_hours(24));
        self.backend.collect(before, limit).await
    }
}
