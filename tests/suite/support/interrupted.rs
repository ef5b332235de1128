//! A store in which something happens at the worst moment: just before a commit.

use std::sync::{Arc, Mutex};

use flybridge::clock::Timestamp;
use flybridge::random::SeededRandom;
use flybridge::store::{Backend, Key, Outcome, Record, Scan, Store, StoreError, Txn};
use futures_util::future::BoxFuture;

pub(crate) struct Interrupted {
    inner: Store,
    /// How the name of the partition begins whose next commit is interrupted.
    place: &'static str,
    before: Mutex<Option<BoxFuture<'static, ()>>>,
}

impl Interrupted {
    pub(crate) fn new(
        inner: &Store,
        place: &'static str,
        before: impl Future<Output = ()> + Send + 'static,
    ) -> Arc<Self> {
        Arc::new(Self { inner: inner.clone(), place, before: Mutex::new(Some(Box::pin(before))) })
    }

    /// What the one who is interrupted works with.
    pub(crate) fn store(self: &Arc<Self>) -> Store {
        Store::new(self.clone(), Arc::clone(self.inner.clock()), Arc::new(SeededRandom::new(7)))
    }

    pub(crate) fn happened(&self) -> bool {
        self.before.lock().unwrap().is_none()
    }
}

impl Backend for Interrupted {
    fn get<'a>(&'a self, keys: &'a [Key]) -> BoxFuture<'a, Result<Vec<Option<Record>>, StoreError>> {
        Box::pin(self.inner.get(keys))
    }

    fn scan<'a>(&'a self, scan: &'a Scan) -> BoxFuture<'a, Result<Vec<(Key, Record)>, StoreError>> {
        Box::pin(self.inner.scan(&scan.partition, &scan.prefix, scan.after.as_deref(), scan.limit))
    }

    fn commit(&self, txn: Txn) -> BoxFuture<'_, Result<Outcome, StoreError>> {
        Box::pin(async move {
            let here = txn.partition().as_str().starts_with(self.place);
            let before = if here { self.before.lock().unwrap().take() } else { None };
            if let Some(before) = before {
                before.await;
            }
            self.inner.commit(txn).await
        })
    }

    fn ping(&self) -> BoxFuture<'_, Result<Option<Timestamp>, StoreError>> {
        Box::pin(async { self.inner.ping().await.map(|_| None) })
    }

    fn collect(&self, _: Timestamp, limit: usize) -> BoxFuture<'_, Result<usize, StoreError>> {
        Box::pin(self.inner.collect(limit))
    }
}
