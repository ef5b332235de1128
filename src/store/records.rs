//! Typed records above the bytes of the store: a format number, then JSON.

use std::marker::PhantomData;

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::{Key, Partition, Record, Store, StoreError, Txn, Version};
use crate::clock::Timestamp;

/// Something that is kept in the store. `FORMAT` rises when old bytes no longer read as the type.
pub trait Stored: Serialize + DeserializeOwned + Send {
    const FORMAT: u8 = 1;
}

/// A [`Key`] that knows what is kept there.
#[derive(Debug)]
pub struct TypedKey<T> {
    key: Key,
    kept: PhantomData<fn() -> T>,
}

impl<T> Clone for TypedKey<T> {
    fn clone(&self) -> Self {
        Self::new(self.key.clone())
    }
}

impl<T> TypedKey<T> {
    #[must_use]
    pub fn new(key: Key) -> Self {
        Self { key, kept: PhantomData }
    }

    #[must_use]
    pub fn key(&self) -> &Key {
        &self.key
    }

    #[must_use]
    pub fn into_key(self) -> Key {
        self.key
    }
}

/// A record as it was read: the value, and the version that a later check names.
#[derive(Debug, Clone)]
pub struct Entry<T> {
    pub key: Key,
    pub version: Version,
    pub expires_at: Option<Timestamp>,
    pub value: T,
}

/// # Errors
/// When the value does not serialize, which is a mistake of the program.
pub fn encode<T: Stored>(value: &T) -> Result<Vec<u8>, StoreError> {
    encode_format(T::FORMAT, value)
}

/// For a value that borrows and so cannot be [`Stored`] itself.
pub(super) fn encode_format(format: u8, value: &impl Serialize) -> Result<Vec<u8>, StoreError> {
    let mut bytes = vec![format];
    serde_json::to_writer(&mut bytes, value).map_err(|e| StoreError::Misuse(e.to_string()))?;
    Ok(bytes)
}

/// # Errors
/// When the bytes are of another format or damaged.
pub fn decode<T: Stored>(key: &Key, record: &Record) -> Result<Entry<T>, StoreError> {
    let corrupt = |why: String| StoreError::Corrupt(format!("{}:{}: {why}", key.partition(), key.name()));
    let (format, json) = record.value.split_first().ok_or_else(|| corrupt("empty".to_owned()))?;
    if *format != T::FORMAT {
        return Err(corrupt(format!("format {format}, this program reads {}", T::FORMAT)));
    }
    // serde_json's message may quote the value, which may be secret: only its place is told.
    let value = serde_json::from_slice(json)
        .map_err(|e| corrupt(format!("not the expected shape at column {}", e.column())))?;
    Ok(Entry { key: key.clone(), version: record.version, expires_at: record.expires_at, value })
}

impl Store {
    /// The live record at `key`.
    ///
    /// # Errors
    /// When the store gives no answer or the record does not read.
    pub async fn read<T: Stored>(&self, key: &TypedKey<T>) -> Result<Option<Entry<T>>, StoreError> {
        let mut records = self.get(std::slice::from_ref(key.key())).await?;
        records.pop().flatten().map(|record| decode(key.key(), &record)).transpose()
    }

    /// The live records at `keys`, in that order, in one round trip.
    ///
    /// # Errors
    /// When the store gives no answer or a record does not read.
    pub async fn read_all<T: Stored>(&self, keys: &[TypedKey<T>]) -> Result<Vec<Option<Entry<T>>>, StoreError> {
        let raw: Vec<Key> = keys.iter().map(|k| k.key().clone()).collect();
        let records = self.get(&raw).await?;
        raw.iter().zip(records).map(|(key, record)| record.map(|r| decode(key, &r)).transpose()).collect()
    }

    /// Two records of different types in one round trip.
    ///
    /// # Errors
    /// When the store gives no answer or a record does not read.
    pub async fn read_pair<A: Stored, B: Stored>(
        &self,
        a: &TypedKey<A>,
        b: &TypedKey<B>,
    ) -> Result<(Option<Entry<A>>, Option<Entry<B>>), StoreError> {
        let mut records = self.get(&[a.key().clone(), b.key().clone()]).await?;
        let second = records.pop().flatten().map(|record| decode(b.key(), &record)).transpose()?;
        let first = records.pop().flatten().map(|record| decode(a.key(), &record)).transpose()?;
        Ok((first, second))
    }

    /// A page of a collection, decoded; see [`super::Backend::scan`].
    ///
    /// # Errors
    /// When the store gives no answer or a record does not read.
    pub async fn list<T: Stored>(
        &self,
        collection: &Collection<T>,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Vec<Entry<T>>, StoreError> {
        let after = after.map(|item| format!("{}{item}", collection.prefix));
        let found = self.scan(&collection.partition, &collection.prefix, after.as_deref(), limit).await?;
        found.into_iter().map(|(key, record)| decode(&key, &record)).collect()
    }

    /// The values of counters, in one round trip; absent is zero.
    ///
    /// # Errors
    /// When the store gives no answer or a counter does not read.
    pub async fn counters(&self, keys: &[Key]) -> Result<Vec<i64>, StoreError> {
        let records = self.get(keys).await?;
        let number = |(key, record): (&Key, Option<Record>)| match record {
            None => Ok(0),
            Some(record) => (std::str::from_utf8(&record.value).ok().and_then(|text| text.parse().ok()))
                .ok_or_else(|| StoreError::Corrupt(format!("{}:{} is no number", key.partition(), key.name()))),
        };
        keys.iter().zip(records).map(number).collect()
    }
}

/// The items of a partition that share a prefix, such as the members of an organization.
#[derive(Debug)]
pub struct Collection<T> {
    pub partition: Partition,
    /// Ends with `/`.
    pub prefix: String,
    kept: PhantomData<fn() -> T>,
}

impl<T> Collection<T> {
    #[must_use]
    pub fn new(partition: Partition, prefix: impl Into<String>) -> Self {
        Self { partition, prefix: prefix.into(), kept: PhantomData }
    }

    #[must_use]
    pub fn item(&self, name: &str) -> TypedKey<T> {
        TypedKey::new(Key::record(self.partition.clone(), format!("{}{name}", self.prefix)))
    }
}

impl<T> Entry<T> {
    /// The last part of the name: what identifies the item in its collection.
    #[must_use]
    pub fn item(&self) -> &str {
        self.key.name().rsplit('/').next().unwrap_or_default()
    }
}

impl Txn {
    /// The record must still be the one that was read.
    pub fn check<T>(&mut self, entry: &Entry<T>) -> &mut Self {
        self.check_version(entry.key.clone(), entry.version)
    }

    /// # Errors
    /// When the value does not serialize, which is a mistake of the program.
    pub fn put<T: Stored>(&mut self, key: &TypedKey<T>, value: &T) -> Result<&mut Self, StoreError> {
        Ok(self.put_bytes(key.key().clone(), encode(value)?, None))
    }

    /// # Errors
    /// When the value does not serialize, which is a mistake of the program.
    pub fn put_until<T: Stored>(
        &mut self,
        key: &TypedKey<T>,
        value: &T,
        expires_at: Timestamp,
    ) -> Result<&mut Self, StoreError> {
        Ok(self.put_bytes(key.key().clone(), encode(value)?, Some(expires_at)))
    }
}
