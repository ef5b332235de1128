//! The store: one suite for every backend, and what is special about each.

#[path = "store/conformance.rs"]
mod conformance;
#[path = "store/queue.rs"]
mod queue;
#[path = "store/redis.rs"]
mod redis;
#[path = "store/sqlite.rs"]
mod sqlite;

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use flybridge::clock::{Clock, ManualClock, SystemClock, Timestamp};
use flybridge::random::{Random, SystemRandom};
use flybridge::store::redis::{RedisStore, Settings};
use flybridge::store::sqlite::SqliteStore;
use flybridge::store::{Backend, Key, Partition, Store};

use crate::support::redis as redis_servers;

/// Tells a time that moves only when told to; but waiting takes real time, as it does for racing writers.
pub(crate) struct SteppedClock(ManualClock);

impl SteppedClock {
    pub(crate) fn start() -> Arc<Self> {
        Arc::new(Self(ManualClock::at(Timestamp::from_seconds(1_700_000_000))))
    }

    pub(crate) fn advance(&self, span: Duration) {
        self.0.advance(span);
    }
}

impl Clock for SteppedClock {
    fn now(&self) -> Timestamp {
        self.0.now()
    }

    fn sleep<'a>(&'a self, span: Duration) -> std::pin::Pin<Box<dyn Future<Output = ()> + Send + 'a>> {
        Box::pin(async move { SystemClock.sleep(span).await })
    }
}

/// A fresh store of one kind and the clock it goes by.
pub(crate) struct Bench {
    pub(crate) store: Store,
    pub(crate) clock: Arc<SteppedClock>,
    /// What another node reaches the same store by.
    pub(crate) backend: Arc<dyn Backend>,
    _folder: Option<tempfile::TempDir>,
}

impl Bench {
    pub(crate) fn sqlite() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let backend = SqliteStore::open(folder.path().join("store.db")).unwrap();
        Self { _folder: Some(folder), ..Self::over(Arc::new(backend)) }
    }

    /// On the embedded store; for the macro, which awaits every kind.
    pub(crate) fn embedded() -> std::future::Ready<Self> {
        std::future::ready(Self::sqlite())
    }

    pub(crate) async fn redis() -> Self {
        Self::over_connections(&redis_servers::shared()).await
    }

    pub(crate) async fn cluster() -> Self {
        Self::over_connections(&redis_servers::shared_cluster()).await
    }

    async fn over_connections(url: &str) -> Self {
        let namespace = namespace();
        let backend = Arc::new(connect_to(url, &namespace).await);
        Self { backend, ..Self::over(Arc::new(connect_to(url, &namespace).await)) }
    }

    pub(crate) fn over(backend: Arc<dyn Backend>) -> Self {
        let clock = SteppedClock::start();
        let random = Arc::new(SystemRandom::default());
        let store = Store::new(Arc::clone(&backend), clock.clone(), random);
        Self { store, clock, backend, _folder: None }
    }

    /// Another node over the same store.
    pub(crate) fn node(&self, random: Arc<dyn Random>) -> Store {
        Store::new(Arc::clone(&self.backend), self.clock.clone(), random)
    }

    pub(crate) fn advance(&self, span: Duration) {
        self.clock.advance(span);
    }
}

/// A connection with a namespace of its own.
pub(crate) async fn connect(url: &str) -> RedisStore {
    connect_to(url, &namespace()).await
}

async fn connect_to(url: &str, namespace: &str) -> RedisStore {
    let settings = Settings { namespace: namespace.to_owned(), ..Settings::default() };
    RedisStore::connect(url, settings).await.unwrap()
}

fn namespace() -> String {
    static NUMBER: AtomicU32 = AtomicU32::new(0);
    format!("test{}", NUMBER.fetch_add(1, Ordering::SeqCst))
}

pub(crate) fn org() -> Partition {
    Partition::new("org", "abc")
}

pub(crate) fn record(name: &str) -> Key {
    Key::record(org(), name)
}

pub(crate) fn counter(name: &str) -> Key {
    Key::counter(org(), name)
}

/// Makes a test of each case for each kind of store.
macro_rules! on_every_backend {
    ($($case:ident),* $(,)?) => {
        $crate::store::on_every_backend!(@ sqlite embedded: $($case)*);
        $crate::store::on_every_backend!(@ redis redis: $($case)*);
        $crate::store::on_every_backend!(@ cluster cluster: $($case)*);
    };
    (@ $kind:ident $bench:ident: $($case:ident)*) => {
        mod $kind {
            $(
                #[tokio::test]
                async fn $case() {
                    super::$case($crate::store::Bench::$bench().await).await;
                }
            )*
        }
    };
}
pub(crate) use on_every_backend;
