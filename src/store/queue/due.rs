//! The index of places with work: how workers find jobs without looking everywhere.
//!
//! Each (queue, partition) with jobs has a mark in one of 16 shards (`due/<n>`, chosen by a hash of the partition). A
//! mark says when the next look is worth it. It lies in another partition than the jobs, so no commit covers both;
//! these rules keep every job findable all the same:
//!
//! 1. The mark is written *before* the commit that brings a job, and never later than the job is due. [`Announced`] is
//!    the proof, and is worth a minute ([`FRESH`]).
//! 2. A change that is more than a minute old is not committed at all ([`super::Store::commit`]), however long the
//!    process was stopped.
//! 3. A mark is put off or removed only after a look at the jobs that came *after* reading the mark, and only if the
//!    mark is still the one that was read. An announcement in between changes its version and so wins.
//! 4. While a mark is younger than [`GRACE`], its commit may still be under way, and an empty queue proves nothing: the
//!    mark stays, and the next look comes after as long again as the mark exists (1 s, 2 s, 4 s ...).
//!
//! The grace is longer than what rules 1 and 2 allow from announcement to commit (two minutes) plus two minutes between
//! the clocks of two nodes. Then: as long as a job exists, its mark exists (removal needs an empty queue, and a job that
//! is taken or retried moves within one commit); and a mark that a look put off too far, because the commit came just
//! after, is looked at again after at most as long as announcement and commit lay apart, or a second.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::try_join_all;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::{Queue, parse_name};
use crate::clock::Timestamp;
use crate::store::records::{Collection, Entry, Stored, TypedKey, decode};
use crate::store::{Attempt, MAX_SCAN, Partition, STALE, StoreError, Txn};

const SHARDS: u64 = 16;
/// How long after an announcement a job may be pushed.
const FRESH: Duration = STALE;
/// How long a mark stays without a job.
const GRACE: Duration = Duration::from_mins(5);
/// The shortest time until the next look at a place whose commit may be under way.
const LOOK_AGAIN: Duration = Duration::from_secs(1);

#[derive(Debug, Clone, Serialize, Deserialize)]
struct Mark {
    /// When the next look is worth it.
    due: Timestamp,
    announced_at: Timestamp,
}

impl Stored for Mark {}

/// The proof that workers will look at a partition; it goes into [`Queue::push`].
#[derive(Debug, Clone)]
#[must_use]
pub struct Announced {
    queue: Arc<str>,
    partition: Partition,
    due: Timestamp,
    at: Timestamp,
}

impl Announced {
    pub(super) fn covers(&self, queue: &str, txn: &Txn, due: Timestamp) -> Result<(), StoreError> {
        let misuse = |why: &str| Err(StoreError::Misuse(format!("a job of {} was announced {why}", txn.partition())));
        if *self.queue != *queue || self.partition != *txn.partition() {
            return misuse("for another place");
        }
        if due < self.due {
            return misuse("for a later time");
        }
        if txn.now().since(self.at) > FRESH {
            return misuse("too long ago");
        }
        Ok(())
    }
}

/// How much there is to do in a queue, by its marks.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct QueueStats {
    /// Partitions with jobs, or that had some in the last minutes.
    pub partitions: usize,
    /// Those that workers should look at now.
    pub ready: usize,
    /// Since when the first of those waits.
    pub oldest_due: Option<Timestamp>,
}

impl<T: Serialize + DeserializeOwned + Send> Queue<T> {
    /// Tells all workers that `partition` will have a job due at `due`. To be called before the commit that brings the
    /// job, every time: an earlier announcement may just be on its way out.
    ///
    /// # Errors
    /// When the store gives no answer.
    pub async fn announce(&self, partition: &Partition, due: Timestamp) -> Result<Announced, StoreError> {
        let key = self.mark_key(partition);
        let announced = || async {
            let mut txn = self.store.txn(key.key().partition().clone());
            let found = self.store.read(&key).await?;
            let at = txn.now();
            let earliest = found.as_ref().map_or(due, |mark| mark.value.due.min(due));
            match &found {
                Some(mark) => txn.check(mark),
                None => txn.check_absent(key.key().clone()),
            };
            txn.put(&key, &Mark { due: earliest, announced_at: at })?;
            let proof = Announced { queue: Arc::clone(&self.name), partition: partition.clone(), due, at };
            Ok::<_, StoreError>(Attempt::Commit(txn, proof))
        };
        self.store.transact(announced).await
    }

    /// At most `limit` partitions that have work now, chosen at random among all that have, so that neither big ones
    /// nor the first ones in some order keep the others waiting.
    ///
    /// # Errors
    /// When the store gives no answer.
    pub async fn ready(&self, limit: usize) -> Result<Vec<Partition>, StoreError> {
        let (marks, now) = (self.marks(&self.marks_prefix()).await?, self.store.now());
        Ok(self.choose(marks.iter().filter(|mark| mark.value.due <= now), limit))
    }

    /// The lanes of this queue in which there is work now, and at most `limit` partitions of each, chosen as by
    /// [`Queue::ready`]. All of them cost one look.
    ///
    /// # Errors
    /// When the store gives no answer.
    pub async fn ready_lanes(&self, limit: usize) -> Result<BTreeMap<String, Vec<Partition>>, StoreError> {
        let prefix = format!("mark/{}.", self.name);
        let (marks, now) = (self.marks(&prefix).await?, self.store.now());
        let mut lanes: BTreeMap<&str, Vec<&Entry<Mark>>> = BTreeMap::new();
        for mark in marks.iter().filter(|mark| mark.value.due <= now) {
            let lane = mark.key.name()[prefix.len()..].split('/').next().unwrap_or_default();
            lanes.entry(lane).or_default().push(mark);
        }
        Ok(lanes.into_iter().map(|(lane, marks)| (lane.to_owned(), self.choose(marks.into_iter(), limit))).collect())
    }

    fn choose<'m>(&self, due: impl Iterator<Item = &'m Entry<Mark>>, limit: usize) -> Vec<Partition> {
        let mut chosen: Vec<Partition> = Vec::new();
        // Reservoir sampling: every place ends up chosen with the same probability.
        for (seen, mark) in due.enumerate() {
            let slot = self.below(seen + 1);
            if chosen.len() < limit {
                chosen.push(place(mark));
                let last = chosen.len() - 1;
                chosen.swap(slot, last);
            } else if slot < limit {
                chosen[slot] = place(mark);
            }
        }
        chosen
    }

    /// # Errors
    /// When the store gives no answer.
    pub async fn stats(&self) -> Result<QueueStats, StoreError> {
        let (marks, now) = (self.marks(&self.marks_prefix()).await?, self.store.now());
        let mut stats = QueueStats::default();
        for mark in &marks {
            stats.partitions += 1;
            if mark.value.due <= now {
                stats.ready += 1;
                stats.oldest_due = Some(stats.oldest_due.map_or(mark.value.due, |due| due.min(mark.value.due)));
            }
        }
        Ok(stats)
    }

    /// Puts the mark of a place without due jobs off until it is worth a look, or removes it.
    pub(super) async fn settle(&self, partition: &Partition) -> Result<(), StoreError> {
        let key = self.mark_key(partition);
        let mark = self.store.read(&key).await?;
        let first = self.store.scan(partition, &self.jobs_prefix(), None, 1).await?;
        let next = first.first().and_then(|(key, _)| parse_name(key.name())).map(|(visible_at, _)| visible_at);
        let Some(mark) = mark else {
            if let Some(next) = next {
                tracing::warn!(%partition, queue = &*self.name, "jobs without a mark were found");
                let _ = self.announce(partition, next).await?;
            }
            return Ok(());
        };
        let mut txn = self.store.txn(key.key().partition().clone());
        txn.check(&mark);
        let age = txn.now().since(mark.value.announced_at);
        let grace_ends = mark.value.announced_at.plus(GRACE);
        let look_again = (age < GRACE).then(|| txn.now().plus(age.max(LOOK_AGAIN)).min(grace_ends));
        match next.into_iter().chain(look_again).min() {
            None => drop_mark(&mut txn, &mark),
            Some(due) if due == mark.value.due => return Ok(()),
            Some(due) => drop(txn.put(&key, &Mark { due, ..mark.value.clone() })?),
        }
        // On a conflict somebody has announced or settled in between, and knows better.
        let _ = self.store.commit(txn).await?;
        Ok(())
    }

    /// The marks of all shards whose name begins with `prefix`.
    async fn marks(&self, prefix: &str) -> Result<Vec<Entry<Mark>>, StoreError> {
        let shards = try_join_all((0..SHARDS).map(|shard| self.marks_of(shard, prefix))).await?;
        Ok(shards.into_iter().flatten().collect())
    }

    async fn marks_of(&self, shard: u64, prefix: &str) -> Result<Vec<Entry<Mark>>, StoreError> {
        let shard = shard_partition(shard);
        let mut found: Vec<Entry<Mark>> = Vec::new();
        loop {
            let after = found.last().map(|mark| mark.key.name().to_owned());
            let page = self.store.scan(&shard, prefix, after.as_deref(), MAX_SCAN).await?;
            let last = page.len() < MAX_SCAN;
            for (key, record) in page {
                found.push(decode(&key, &record)?);
            }
            if last {
                return Ok(found);
            }
        }
    }

    fn marks_prefix(&self) -> String {
        format!("mark/{}/", self.name)
    }

    fn mark_key(&self, partition: &Partition) -> TypedKey<Mark> {
        let shard = shard_partition(hash(partition.as_str()) % SHARDS);
        Collection::new(shard, self.marks_prefix()).item(&partition.as_str().replace('/', ":"))
    }

    /// A random number below `end`.
    fn below(&self, end: usize) -> usize {
        let end = u64::try_from(end).unwrap_or(u64::MAX).max(1);
        usize::try_from(self.store.random().next_u64() % end).unwrap_or(0)
    }
}

fn drop_mark(txn: &mut Txn, mark: &Entry<Mark>) {
    txn.delete(mark.key.clone());
}

fn shard_partition(shard: u64) -> Partition {
    Partition::new("due", &shard.to_string())
}

/// No partition has a colon of its own.
fn place(mark: &Entry<Mark>) -> Partition {
    Partition::from_text(&mark.item().replace(':', "/"))
}

/// FNV-1a. Part of the layout: another hash would look for marks where they are not.
fn hash(text: &str) -> u64 {
    text.bytes().fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hash_stays_what_it_is() {
        // The published test vectors of FNV-1a.
        assert_eq!(hash(""), 0xcbf2_9ce4_8422_2325);
        assert_eq!(hash("a"), 0xaf63_dc4c_8601_ec8c);
        assert_eq!(hash("foobar"), 0x8594_4171_f739_67e8);
    }
}
