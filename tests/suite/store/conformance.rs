//! What every backend must do alike.

#[path = "conformance/commits.rs"]
mod commits;
#[path = "conformance/counters.rs"]
mod counters;
#[path = "conformance/records.rs"]
mod records;
#[path = "conformance/scans.rs"]
mod scans;

use std::time::Duration;

use flybridge::store::{Key, Outcome, Store, Version};

use super::{Bench, org};

async fn put(store: &Store, key: &Key, value: &str) -> Version {
    let mut txn = store.txn(key.partition().clone());
    txn.put_bytes(key.clone(), value.as_bytes().to_vec(), None);
    let version = txn.version();
    assert_eq!(store.commit(txn).await.unwrap(), Outcome::Committed);
    version
}

async fn put_until(bench: &Bench, key: &Key, value: &str, span: Duration) {
    let mut txn = bench.store.txn(key.partition().clone());
    txn.put_bytes(key.clone(), value.as_bytes().to_vec(), Some(bench.store.now().plus(span)));
    assert_eq!(bench.store.commit(txn).await.unwrap(), Outcome::Committed);
}

async fn value(store: &Store, key: &Key) -> Option<String> {
    let record = store.get(std::slice::from_ref(key)).await.unwrap().remove(0);
    record.map(|record| String::from_utf8(record.value).unwrap())
}

async fn names(store: &Store, prefix: &str, after: Option<&str>, limit: usize) -> Vec<String> {
    let found = store.scan(&org(), prefix, after, limit).await.unwrap();
    found.into_iter().map(|(key, _)| key.name().to_owned()).collect()
}
