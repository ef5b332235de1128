//! Records read along with the one that names them, which spares a round trip.
//!
//! A grant names the person and the organizations that it depends on, and a session the person's organizations: two round
//! trips, of which the second waits for the first. What they name hardly ever changes, so a node remembers the keys and
//! reads them along the next time. Only keys are remembered, never what lies under them; and where they are no longer the
//! right ones, the right ones are read.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use crate::store::records::{Entry, Stored, TypedKey, decode};
use crate::store::{Key, Record, Store, StoreError};

/// So many are remembered at least, and twice as many at most, at about a kilobyte each.
const KEPT: usize = 2048;

/// What a node remembers: by the key of the record that names others, the keys of those.
#[derive(Default)]
pub struct Ahead {
    generations: Mutex<Generations>,
}

/// The older half goes when the younger is full, but for what was used meanwhile.
#[derive(Default)]
struct Generations {
    young: HashMap<Key, Arc<[Key]>>,
    old: HashMap<Key, Arc<[Key]>>,
}

impl Generations {
    fn put(&mut self, leader: Key, keys: Arc<[Key]>) {
        if self.young.len() >= KEPT {
            self.old = std::mem::take(&mut self.young);
        }
        self.young.insert(leader, keys);
    }

    fn get(&mut self, leader: &Key) -> Option<Arc<[Key]>> {
        if let Some(keys) = self.young.get(leader) {
            return Some(Arc::clone(keys));
        }
        let keys = self.old.remove(leader)?;
        self.put(leader.clone(), Arc::clone(&keys));
        Some(keys)
    }
}

impl Ahead {
    /// A record with those that it names, as far as they are remembered.
    ///
    /// # Errors
    /// When the store gives no answer or the record does not read.
    pub async fn read<T: Stored>(
        self: &Arc<Self>,
        store: &Store,
        leader: &TypedKey<T>,
    ) -> Result<(Option<Entry<T>>, Along), StoreError> {
        let (records, along) = self.get(store, &[leader.key().clone()]).await?;
        Ok((entry(leader, records.into_iter().next().flatten())?, along))
    }

    /// The same with a second record, which names nothing.
    ///
    /// # Errors
    /// As [`Ahead::read`].
    pub async fn read_pair<A: Stored, B: Stored>(
        self: &Arc<Self>,
        store: &Store,
        leader: &TypedKey<A>,
        other: &TypedKey<B>,
    ) -> Result<(Option<Entry<A>>, Option<Entry<B>>, Along), StoreError> {
        let (records, along) = self.get(store, &[leader.key().clone(), other.key().clone()]).await?;
        let mut records = records.into_iter();
        Ok((entry(leader, records.next().flatten())?, entry(other, records.next().flatten())?, along))
    }

    async fn get(self: &Arc<Self>, store: &Store, first: &[Key]) -> Result<(Vec<Option<Record>>, Along), StoreError> {
        let leader = &first[0];
        let keys = self.lock(|generations| generations.get(leader));
        let mut records = match &keys {
            Some(keys) => store.get(&[first, keys].concat()).await?,
            None => store.get(first).await?,
        };
        let along = records.split_off(first.len());
        let read = keys.map(|keys| (keys, along));
        Ok((records, Along { read, remembered: Some((Arc::clone(self), leader.clone())) }))
    }

    /// Remembers what a record names that was just written.
    pub fn remember(&self, leader: &Key, keys: &[Key]) {
        self.lock(|generations| generations.put(leader.clone(), keys.into()));
    }

    fn lock<T>(&self, work: impl FnOnce(&mut Generations) -> T) -> T {
        work(&mut self.generations.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

fn entry<T: Stored>(key: &TypedKey<T>, record: Option<Record>) -> Result<Option<Entry<T>>, StoreError> {
    record.map(|record| decode(key.key(), &record)).transpose()
}

/// Keys, and what lies under them.
type Read = (Arc<[Key]>, Vec<Option<Record>>);

/// What was read along; nothing by default, and then whatever is wanted is read when it is wanted.
#[derive(Clone, Default)]
pub struct Along {
    read: Option<Read>,
    remembered: Option<(Arc<Ahead>, Key)>,
}

impl Along {
    /// The records at `wanted`, and the keys remembered for the next time.
    ///
    /// # Errors
    /// When the store gives no answer.
    pub async fn get(self, store: &Store, wanted: &[Key]) -> Result<Vec<Option<Record>>, StoreError> {
        match self.read {
            Some((keys, records)) if *keys == *wanted => return Ok(records),
            _ => {}
        }
        let records = store.get(wanted).await?;
        if let Some((ahead, leader)) = &self.remembered {
            ahead.remember(leader, wanted);
        }
        Ok(records)
    }
}

/// Without what lies in the records.
impl fmt::Debug for Along {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Along").field("keys", &self.read.as_ref().map(|(keys, _)| keys)).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::keys;

    fn key(number: usize) -> Key {
        keys::user(&format!("u{number}").parse().expect("an id")).into_key()
    }

    #[test]
    fn what_is_used_stays_and_the_rest_goes_in_time() {
        let ahead = Ahead::default();
        let kept = |number| ahead.lock(|generations| generations.get(&key(number)));
        ahead.remember(&key(0), &[key(1)]);
        ahead.remember(&key(1), &[key(2), key(3)]);
        for number in 2..3 * KEPT {
            ahead.remember(&key(number), &[]);
            assert_eq!(kept(0).as_deref(), Some(&[key(1)][..]), "after {number}");
        }
        assert_eq!(kept(1), None);
        assert!(kept(2 * KEPT).is_some(), "one of the last");
        let all = ahead.lock(|generations| generations.young.len() + generations.old.len());
        assert!(all <= 2 * KEPT, "{all}");
    }
}
