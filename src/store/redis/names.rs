//! How keys and records look in Redis.
//!
//! | key | what |
//! |---|---|
//! | `fb1:{org/abc}:name` | a record |
//! | `fb1:{org/abc}+name` | a counter |
//! | `fb1:{org/abc}*` | the index: a sorted set of the names of the partition's items |
//!
//! The braces are Redis Cluster's hash tag, so everything of a partition lives on one node. `fb1` is the namespace, in
//! which the number is the version of this layout.

use crate::clock::Timestamp;
use crate::store::{Key, Partition, Record, StoreError, Version};

/// Of a record: its format, its version, its expiry.
const HEADER: usize = 1 + 16 + 16;
const NEVER: &str = "----------------";
/// The last millisecond that fits the 16 characters, in the year 33658.
const LATEST: i64 = 999_999_999_999_999;

#[derive(Debug, Clone)]
pub(super) struct Names {
    namespace: String,
}

impl Names {
    pub(super) fn new(namespace: &str) -> Self {
        Self { namespace: namespace.to_owned() }
    }

    pub(super) fn key(&self, key: &Key) -> String {
        let kind = if key.is_counter() { '+' } else { ':' };
        format!("{}:{{{}}}{kind}{}", self.namespace, key.partition(), key.name())
    }

    /// What stands before the name in the key of a record.
    pub(super) fn stem(&self, partition: &Partition) -> String {
        format!("{}:{{{partition}}}:", self.namespace)
    }

    pub(super) fn index(&self, partition: &Partition) -> String {
        format!("{}:{{{partition}}}*", self.namespace)
    }
}

pub(super) fn version(version: Version) -> String {
    format!("{:016x}", version.0)
}

/// Expiry and value: what follows the version in a record.
pub(super) fn tail(expires_at: Option<Timestamp>, value: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(16 + value.len());
    match expires_at {
        None => bytes.extend_from_slice(NEVER.as_bytes()),
        Some(at) => {
            let millis = at.as_millis().clamp(-LATEST, LATEST);
            bytes.extend_from_slice(format!("{millis:+016}").as_bytes());
        }
    }
    bytes.extend_from_slice(value);
    bytes
}

pub(super) fn record(key: &Key, bytes: &[u8]) -> Result<Record, StoreError> {
    if key.is_counter() {
        return Ok(Record { version: Version(0), expires_at: None, value: bytes.to_vec() });
    }
    parse(bytes).ok_or_else(|| {
        StoreError::Corrupt(format!(
            "{}:{} has another layout: written by a newer version?",
            key.partition(),
            key.name()
        ))
    })
}

fn parse(bytes: &[u8]) -> Option<Record> {
    let (header, value) = bytes.split_at_checked(HEADER)?;
    let header = std::str::from_utf8(header).ok()?.strip_prefix('1')?;
    let (version, expiry) = header.split_at_checked(16)?;
    let expires_at = match expiry {
        NEVER => None,
        text => Some(Timestamp::from_millis(text.parse().ok()?)),
    };
    Some(Record { version: Version(u64::from_str_radix(version, 16).ok()?), expires_at, value: value.to_vec() })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key() -> Key {
        Key::record(Partition::new("org", "abc"), "members/42")
    }

    #[test]
    fn a_record_reads_back_as_it_was_written() {
        for expires_at in [None, Some(0), Some(-5), Some(1_700_000_000_123), Some(LATEST)] {
            let expires_at = expires_at.map(Timestamp::from_millis);
            let number = Version(0x00ff_0000_0000_0001);
            let mut bytes = format!("1{}", version(number)).into_bytes();
            bytes.extend(tail(expires_at, b"\x00\xffvalue"));
            let expected = Record { version: number, expires_at, value: b"\x00\xffvalue".to_vec() };
            assert_eq!(record(&key(), &bytes).unwrap(), expected);
        }
    }

    #[test]
    fn other_layouts_are_refused() {
        for bytes in [&b""[..], b"1", b"20000000000000001----------------x", b"1000000000000000g----------------x"] {
            assert!(matches!(record(&key(), bytes), Err(StoreError::Corrupt(_))), "{bytes:?}");
        }
    }

    #[test]
    fn the_partition_is_the_hash_tag() {
        let names = Names::new("fb1");
        assert_eq!(names.key(&key()), "fb1:{org/abc}:members/42");
        assert_eq!(names.key(&Key::counter(Partition::new("org", "abc"), "sent")), "fb1:{org/abc}+sent");
        assert_eq!(names.index(&Partition::new("org", "abc")), "fb1:{org/abc}*");
    }
}
