//! A store that counts how often it is asked.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use flybridge::clock::Timestamp;
use flybridge::store::{Backend, Key, Outcome, Record, Scan, StoreError, Txn};
use futures_util::future::BoxFuture;

pub(crate) struct Counted {
    inner: Arc<dyn Backend>,
    round_trips: AtomicUsize,
}

impl Counted {
    pub(crate) fn new(inner: Arc<dyn Backend>) -> Arc<Self> {
        Arc::new(Self { inner, round_trips: AtomicUsize::new(0) })
    }

    /// How often the store was asked since this was called last.
    pub(crate) fn round_trips(&self) -> usize {
        self.round_trips.swap(0, Ordering::SeqCst)
    }

    fn asked(&self) -> &dyn Backend {
        self.round_trips.fetch_add(1, Ordering::SeqCst);
        &*self.inner
    }
}

impl Backend for Counted {
    fn get<'a>(&'a self, keys: &'a [Key]) -> BoxFuture<'a, Result<Vec<Option<Record>>, StoreError>> {
        self.asked().get(keys)
    }

    fn scan<'a>(&'a self, scan: &'a Scan) -> BoxFuture<'a, Result<Vec<(Key, Record)>, StoreError>> {
        self.asked().scan(scan)
    }

    fn commit(&self, txn: Txn) -> BoxFuture<'_, Result<Outcome, StoreError>> {
        self.asked().commit(txn)
    }

    fn ping(&self) -> BoxFuture<'_, Result<Option<Timestamp>, StoreError>> {
        self.inner.ping()
    }

    fn collect(&self, expired_before: Timestamp, limit: usize) -> BoxFuture<'_, Result<usize, StoreError>> {
        self.inner.collect(expired_before, limit)
    }
}
