//! A store in which one thing goes wrong, at the operation that was chosen for it.

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use flybridge::clock::Timestamp;
use flybridge::store::{Backend, Key, Outcome, Record, Scan, StoreError, Txn};
use futures_util::future::BoxFuture;
use tokio::sync::Notify;

use crate::support::app::SteppingClock;

/// What goes wrong.
pub(super) enum Fault {
    /// No answer, and nothing was done.
    Before,
    /// No answer, and it was done.
    After,
    /// The answer takes that long.
    Slow(Duration),
    /// The process dies, before or after it was done.
    Dies { after: bool },
    /// Somebody else does something first.
    Meanwhile(BoxFuture<'static, ()>),
}

/// One node's way to the store.
pub(super) struct Faulty {
    inner: Arc<dyn Backend>,
    clock: Arc<SteppingClock>,
    /// The fault, and how many operations go well before it.
    armed: Mutex<Option<(usize, Fault)>>,
    died: Notify,
    happened: AtomicU32,
}

impl Faulty {
    pub(super) fn over(inner: &Arc<dyn Backend>, clock: &Arc<SteppingClock>) -> Arc<Self> {
        let (inner, clock) = (Arc::clone(inner), Arc::clone(clock));
        Arc::new(Self { inner, clock, armed: Mutex::default(), died: Notify::new(), happened: AtomicU32::new(0) })
    }

    /// After so many operations that go well.
    pub(super) fn arm(&self, operations: usize, fault: Fault) {
        *self.armed.lock().unwrap() = Some((operations, fault));
    }

    /// Nothing goes wrong any more. How often something did since this was last asked.
    pub(super) fn disarm(&self) -> u32 {
        drop(self.armed.lock().unwrap().take());
        self.happened.swap(0, Ordering::SeqCst)
    }

    /// Returns when the process has died; nothing of it goes on then.
    pub(super) async fn died(&self) {
        self.died.notified().await;
    }

    /// The fault, if its time has come.
    fn strike(&self) -> Option<Fault> {
        let mut armed = self.armed.lock().unwrap();
        match armed.take() {
            Some((0, fault)) => {
                self.happened.fetch_add(1, Ordering::SeqCst);
                Some(fault)
            }
            later => {
                *armed = later.map(|(operations, fault)| (operations - 1, fault));
                None
            }
        }
    }

    async fn operate<T>(&self, operation: impl Future<Output = Result<T, StoreError>>) -> Result<T, StoreError> {
        let lost = || StoreError::Unavailable("the simulation lets nothing through".to_owned());
        match self.strike() {
            None => operation.await,
            Some(Fault::Before) => Err(lost()),
            Some(Fault::After) => {
                drop(operation.await);
                Err(lost())
            }
            Some(Fault::Slow(span)) => {
                let answer = operation.await;
                self.clock.advance(span);
                answer
            }
            Some(Fault::Dies { after }) => {
                if after {
                    drop(operation.await);
                }
                self.died.notify_one();
                std::future::pending().await
            }
            Some(Fault::Meanwhile(other)) => {
                other.await;
                operation.await
            }
        }
    }
}

impl Backend for Faulty {
    fn get<'a>(&'a self, keys: &'a [Key]) -> BoxFuture<'a, Result<Vec<Option<Record>>, StoreError>> {
        Box::pin(self.operate(async move { self.inner.get(keys).await }))
    }

    fn scan<'a>(&'a self, scan: &'a Scan) -> BoxFuture<'a, Result<Vec<(Key, Record)>, StoreError>> {
        Box::pin(self.operate(async move { self.inner.scan(scan).await }))
    }

    fn commit(&self, txn: Txn) -> BoxFuture<'_, Result<Outcome, StoreError>> {
        Box::pin(self.operate(async move { self.inner.commit(txn).await }))
    }

    fn ping(&self) -> BoxFuture<'_, Result<Option<Timestamp>, StoreError>> {
        Box::pin(self.inner.ping())
    }

    fn collect(&self, before: Timestamp, limit: usize) -> BoxFuture<'_, Result<usize, StoreError>> {
        Box::pin(self.inner.collect(before, limit))
    }
}
