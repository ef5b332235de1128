//! A store that cannot be reached any more once something was written at a certain place.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use flybridge::clock::Timestamp;
use flybridge::random::SystemRandom;
use flybridge::store::{Backend, Key, Outcome, Record, Scan, Store, StoreError, Txn};
use futures_util::future::BoxFuture;

pub(crate) struct CutOff {
    inner: Store,
    /// How the name of the partition begins whose commit is the last thing that happens.
    place: &'static str,
    cut: AtomicBool,
}

impl CutOff {
    pub(crate) fn after(inner: &Store, place: &'static str) -> Store {
        let clock = Arc::clone(inner.clock());
        let cut_off = Self { inner: inner.clone(), place, cut: AtomicBool::new(false) };
        Store::new(Arc::new(cut_off), clock, Arc::new(SystemRandom::default()))
    }

    /// A store that can be reached until somebody cuts it off.
    pub(crate) fn until_cut(inner: &Store) -> Arc<Self> {
        // No partition has such a name.
        Arc::new(Self { inner: inner.clone(), place: "\n", cut: AtomicBool::new(false) })
    }

    pub(crate) fn cut(&self) {
        self.cut.store(true, Ordering::SeqCst);
    }

    fn reach(&self) -> Result<&Store, StoreError> {
        if self.cut.load(Ordering::SeqCst) {
            return Err(StoreError::Unavailable("cut off".to_owned()));
        }
        Ok(&self.inner)
    }
}

impl Backend for CutOff {
    fn get<'a>(&'a self, keys: &'a [Key]) -> BoxFuture<'a, Result<Vec<Option<Record>>, StoreError>> {
        Box::pin(async move { self.reach()?.get(keys).await })
    }

    fn scan<'a>(&'a self, scan: &'a Scan) -> BoxFuture<'a, Result<Vec<(Key, Record)>, StoreError>> {
        Box::pin(
            async move { self.reach()?.scan(&scan.partition, &scan.prefix, scan.after.as_deref(), scan.limit).await },
        )
    }

    fn commit(&self, txn: Txn) -> BoxFuture<'_, Result<Outcome, StoreError>> {
        Box::pin(async move {
            let here = txn.partition().as_str().starts_with(self.place);
            let outcome = self.reach()?.commit(txn).await?;
            self.cut.fetch_or(here, Ordering::SeqCst);
            Ok(outcome)
        })
    }

    fn ping(&self) -> BoxFuture<'_, Result<Option<Timestamp>, StoreError>> {
        Box::pin(async { self.reach()?.ping().await.map(|_| None) })
    }

    fn collect(&self, _: Timestamp, limit: usize) -> BoxFuture<'_, Result<usize, StoreError>> {
        Box::pin(async move { self.reach()?.collect(limit).await })
    }
}
