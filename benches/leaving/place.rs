//! The stores that are measured, and what they hold.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use flybridge::clock::SystemClock;
use flybridge::random::SystemRandom;
use flybridge::store::redis::{RedisStore, Settings};
use flybridge::store::sqlite::SqliteStore;
use flybridge::store::{Backend, Store};

use crate::counted::Counted;
use crate::cpu::cpu_time;
use crate::redis::Redis;

/// An empty store of its own, gone when dropped.
pub(crate) enum Place {
    /// With `synchronous=FULL`, in this folder.
    Sqlite(tempfile::TempDir),
    /// With `appendfsync always`.
    Redis(Redis, tempfile::TempDir),
}

impl Place {
    /// None when it is a Redis and none is installed.
    pub(crate) fn new(kind: &str) -> Option<Self> {
        let folder = tempfile::tempdir().expect("a folder");
        match kind {
            "sqlite" => Some(Self::Sqlite(folder)),
            "redis" => Some(Self::Redis(Redis::start()?, folder)),
            other => panic!("{other} is no store: sqlite or redis"),
        }
    }

    pub(crate) fn name(&self) -> &'static str {
        match self {
            Self::Sqlite(_) => "SQLite",
            Self::Redis(..) => "Redis",
        }
    }

    pub(crate) fn folder(&self) -> &Path {
        match self {
            Self::Sqlite(folder) | Self::Redis(_, folder) => folder.path(),
        }
    }

    fn file(&self) -> PathBuf {
        self.folder().join("bench.db")
    }

    pub(crate) fn url(&self) -> String {
        match self {
            Self::Sqlite(_) => format!("sqlite:{}", self.file().display()),
            Self::Redis(redis, _) => redis.url.clone(),
        }
    }

    /// The store, and how often it is asked.
    pub(crate) async fn open(&self) -> (Store, Arc<Counted>) {
        let backend: Arc<dyn Backend> = match self {
            Self::Sqlite(_) => Arc::new(SqliteStore::open(self.file()).expect("a file")),
            Self::Redis(redis, _) => {
                Arc::new(RedisStore::connect(&redis.url, Settings::default()).await.expect("Redis"))
            }
        };
        let counted = Counted::new(backend);
        let backend: Arc<dyn Backend> = Arc::clone(&counted) as Arc<dyn Backend>;
        (Store::new(backend, Arc::new(SystemClock), Arc::new(SystemRandom::default())), counted)
    }

    /// Bytes that the store holds, when nobody is using it: the file, or the memory of Redis.
    pub(crate) fn bytes(&self) -> u64 {
        match self {
            Self::Sqlite(_) => fs::metadata(self.file()).expect("the file").len(),
            Self::Redis(redis, _) => info(redis, "memory", "used_memory"),
        }
    }

    /// Bytes written so far to stay: by this process into SQLite's log and file, or by Redis into its own log.
    pub(crate) fn written(&self) -> u64 {
        match self {
            Self::Sqlite(_) => {
                let text = fs::read_to_string("/proc/self/io").expect("what this process wrote");
                field(&text, "wchar")
            }
            Self::Redis(redis, _) => info(redis, "persistence", "aof_current_size"),
        }
    }

    /// What Redis has used of the processors; the work of SQLite is done by whoever uses it.
    pub(crate) fn cpu_time(&self) -> Duration {
        match self {
            Self::Sqlite(_) => Duration::ZERO,
            Self::Redis(redis, _) => cpu_time(u32::try_from(info(redis, "server", "process_id")).expect("a process")),
        }
    }
}

fn info(redis: &Redis, section: &str, name: &str) -> u64 {
    let client = ::redis::Client::open(redis.url.as_str()).expect("an address");
    let mut connection = client.get_connection().expect("Redis");
    let text: String = ::redis::cmd("INFO").arg(section).query(&mut connection).expect("what Redis tells of itself");
    field(&text, name)
}

/// The number behind `name:` at the beginning of a line.
fn field(text: &str, name: &str) -> u64 {
    let rest = |line: &str| line.strip_prefix(name)?.strip_prefix(':')?.trim().parse().ok();
    text.lines().find_map(rest).unwrap_or_else(|| panic!("no {name} in {text}"))
}
