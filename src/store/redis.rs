//! Several nodes: Redis, standalone, behind Sentinel, or a cluster.
//!
//! - One multiplexed connection, repaired in the background (`redis/link.rs`); every operation answers within 2 s.
//! - One Lua script per commit (`redis/commit.lua`); the partition is the hash tag, so a commit is atomic on a cluster
//!   too (`redis/names.rs` has the layout).
//! - Expiry is judged by the caller's time inside the script. The time to live that Redis knows is ten minutes longer
//!   and only collects garbage.
//! - A write whose answer was lost is [`StoreError::Unavailable`], perhaps applied, and never sent again.
//! - A new connection is used only if it leads to a store with the mark of the installation (`store/mark.rs`); of a
//!   cluster only a ping looks.
//! - What is acknowledged survives only if Redis is told to keep it: see [`RedisStore::durability_report`]. Replicas
//!   follow a little later, so a fail-over may lose the last changes; `min-replicas-to-write` narrows that.

mod address;
mod durability;
mod failure;
mod link;
mod names;
mod source;

use std::collections::BTreeMap;
use std::time::Duration;

use futures_util::future::{BoxFuture, try_join_all};
use redis::{Cmd, FromRedisValue, ParsingError, RedisError, Script, Value};
use tokio::time::timeout;

use super::mark::Mark;
use super::{Backend, Key, Outcome, Partition, Record, Scan, StoreError, Txn};
use crate::clock::Timestamp;
use durability::Accepted;
use link::{Link, Recognition};
use names::Names;

pub use durability::DurabilityReport;

/// How long Redis keeps a record after its expiry, so that callers with slow clocks still find it.
const GARBAGE: Duration = Duration::from_mins(10);
/// The longest time to live that is told to Redis; its own limit is near the largest number.
const LONGEST: Duration = Duration::from_hours(24 * 365 * 100);
/// Names that a page of a scan looks at beyond its limit, for those that are expired.
const SPARE: usize = 64;

/// How to reach Redis.
#[derive(Debug, Clone)]
pub struct Settings {
    /// What all keys start with.
    pub namespace: String,
    /// How long connecting may take.
    pub connect: Duration,
    /// How long one answer may take.
    pub response: Duration,
    /// How long an operation may take, with everything.
    pub total: Duration,
    /// PEM of the certificates to trust instead of the system's.
    pub root_certificates: Option<Vec<u8>>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            namespace: "fb1".to_owned(),
            connect: Duration::from_millis(800),
            response: Duration::from_millis(1_200),
            total: Duration::from_millis(1_800),
            root_certificates: None,
        }
    }
}

/// Whether [`RedisStore::connect`] would understand this URL. Nobody is asked.
///
/// # Errors
/// [`StoreError::Misuse`] with the reason, which never repeats the URL.
pub fn check_url(url: &str) -> Result<(), StoreError> {
    address::parse(url).map(drop)
}

/// A store in Redis.
pub struct RedisStore {
    link: Link,
    names: Names,
    total: Duration,
    scripts: Scripts,
    /// None: whether it is durable is nobody's concern.
    accepted: Option<Accepted>,
}

struct Scripts {
    commit: Lua,
    scan: Lua,
    prune: Lua,
}

struct Lua {
    source: &'static str,
    hash: String,
}

impl Lua {
    fn new(source: &'static str) -> Self {
        Self { source, hash: Script::new(source).get_hash().to_owned() }
    }
}

impl RedisStore {
    /// Connects to the servers that `url` names: `redis://`, `redis+sentinel://` or `redis+cluster://`, and the same
    /// with `rediss` for TLS; `redis/address.rs` has the forms.
    ///
    /// # Errors
    /// [`StoreError::Misuse`] when the URL is wrong, else why there is no connection.
    pub async fn connect(url: &str, settings: Settings) -> Result<Self, StoreError> {
        let address = address::parse(url)?;
        let link = Link::open(address, &settings).await.map_err(|e| failure::explain(&e))?;
        let scripts = Scripts {
            commit: Lua::new(include_str!("redis/commit.lua")),
            scan: Lua::new(include_str!("redis/scan.lua")),
            prune: Lua::new(include_str!("redis/prune.lua")),
        };
        Ok(Self { link, names: Names::new(&settings.namespace), total: settings.total, scripts, accepted: None })
    }

    /// From now on [`Backend::ping`] refuses a Redis that forgets, but for what `accepted` says yes to: called with a
    /// setting and its value, which is empty when Redis does not tell.
    #[must_use]
    pub fn durable_except(mut self, accepted: impl Fn(&str, &str) -> bool + Send + Sync + 'static) -> Self {
        self.accepted = Some(Box::new(accepted));
        self
    }

    /// What is missing of the promise that an answered commit survives a crash and a power cut.
    ///
    /// # Errors
    /// When a server gives no answer.
    pub async fn durability_report(&self) -> Result<DurabilityReport, StoreError> {
        self.within(durability::report(&self.link)).await
    }

    async fn within<T>(&self, work: impl Future<Output = Result<T, StoreError>>) -> Result<T, StoreError> {
        timeout(self.total, work).await.unwrap_or_else(|_| Err(failure::late()))
    }

    /// Runs a script by its hash, and by its text where the server does not know it yet.
    async fn run<T: FromRedisValue>(&self, script: &Lua, keys: &[String], args: &[Vec<u8>]) -> Result<T, RedisError> {
        let command = |verb: &str, script: &str| {
            let mut command = Cmd::new();
            command.arg(verb).arg(script).arg(keys.len()).arg(keys).arg(args);
            command
        };
        match self.link.send(&command("EVALSHA", &script.hash)).await {
            Err(error) if failure::is_unknown_script(&error) => self.link.send(&command("EVAL", script.source)).await,
            answer => answer,
        }
    }

    /// On a cluster one command for each partition: a node that a slot is moving to takes no command that also names
    /// keys of other slots.
    async fn fetch(&self, keys: &[Key]) -> Result<Vec<Option<Record>>, StoreError> {
        let mut groups: BTreeMap<Option<&Partition>, Vec<usize>> = BTreeMap::new();
        for (place, key) in keys.iter().enumerate() {
            groups.entry(self.link.is_cluster().then(|| key.partition())).or_default().push(place);
        }
        let mut found = vec![None; keys.len()];
        let parts = try_join_all(groups.into_values().map(|places| self.fetch_together(keys, places))).await?;
        for (place, record) in parts.into_iter().flatten() {
            found[place] = record;
        }
        Ok(found)
    }

    /// The keys at these places, in one command.
    async fn fetch_together(
        &self,
        keys: &[Key],
        places: Vec<usize>,
    ) -> Result<Vec<(usize, Option<Record>)>, StoreError> {
        let mut command = redis::cmd("MGET");
        for place in &places {
            command.arg(self.names.key(&keys[*place]));
        }
        let values: Vec<Option<Vec<u8>>> = self.link.ask(&command).await.map_err(|e| failure::explain(&e))?;
        let record = |(place, bytes): (usize, Option<Vec<u8>>)| {
            let record = bytes.map(|bytes| names::record(&keys[place], &bytes)).transpose()?;
            Ok((place, record))
        };
        places.into_iter().zip(values).map(record).collect()
    }

    async fn apply(&self, txn: Txn) -> Result<Outcome, StoreError> {
        let (keys, args) = self.arguments(&txn);
        let answer: i64 = self.run(&self.scripts.commit, &keys, &args).await.map_err(|e| failure::explain(&e))?;
        match answer {
            1 => Ok(Outcome::Committed),
            0 => Ok(Outcome::Conflict),
            _ => Err(StoreError::Misuse(format!("a counter of {} grows too large", txn.partition))),
        }
    }

    /// What `commit.lua` wants.
    fn arguments(&self, txn: &Txn) -> (Vec<String>, Vec<Vec<u8>>) {
        let mut keys = vec![self.names.index(&txn.partition)];
        let text = |number: usize| number.to_string().into_bytes();
        let mut args = vec![
            txn.now.as_millis().to_string().into_bytes(),
            names::version(txn.version).into_bytes(),
            text(txn.checks.len()),
            text(txn.deletes.len()),
            text(txn.puts.len()),
            text(txn.adds.len()),
        ];
        let item = |key: &Key| if key.is_item() { key.name().as_bytes().to_vec() } else { Vec::new() };
        for check in &txn.checks {
            keys.push(self.names.key(&check.key));
            args.push(check.version.map(names::version).unwrap_or_default().into_bytes());
        }
        for key in &txn.deletes {
            keys.push(self.names.key(key));
            args.push(item(key));
        }
        for put in &txn.puts {
            keys.push(self.names.key(&put.key));
            args.push(item(&put.key));
            args.push(put.expires_at.map(|at| time_to_live(at, txn.now)).unwrap_or_default().into_bytes());
            args.push(names::tail(put.expires_at, &put.value));
        }
        for (key, delta) in &txn.adds {
            keys.push(self.names.key(key));
            args.push(delta.to_string().into_bytes());
        }
        (keys, args)
    }

    async fn range(&self, scan: &Scan) -> Result<Vec<(Key, Record)>, StoreError> {
        let mut found = Vec::new();
        let start = scan.after.as_ref().filter(|after| **after >= scan.prefix);
        let mut from = start.map_or_else(|| format!("[{}", scan.prefix), |after| format!("({after}"));
        while found.len() < scan.limit {
            let page = self.page(scan, &from, scan.limit - found.len()).await?;
            if !page.vanished.is_empty() && self.prune(&scan.partition, &page.vanished).await? {
                // Some were put again in the meantime: the page is read anew.
                continue;
            }
            for (name, bytes) in page.live {
                let key = Key::record(scan.partition.clone(), name);
                let record = names::record(&key, &bytes)?;
                found.push((key, record));
            }
            if page.last.is_empty() {
                break;
            }
            from = format!("({}", page.last);
        }
        Ok(found)
    }

    async fn page(&self, scan: &Scan, from: &str, limit: usize) -> Result<Page, StoreError> {
        let args = [
            from.to_owned(),
            format!("({}{}", scan.prefix, char::MAX),
            limit.to_string(),
            scan.now.as_millis().to_string(),
            self.names.stem(&scan.partition),
            (limit + SPARE).to_string(),
        ];
        let keys = [self.names.index(&scan.partition)];
        let page: Result<Page, RedisError> = self.run(&self.scripts.scan, &keys, &args.map(String::into_bytes)).await;
        page.map_err(|e| failure::explain(&e))
    }

    /// Takes vanished names out of the index; whether some of them are there after all.
    async fn prune(&self, partition: &Partition, vanished: &[String]) -> Result<bool, StoreError> {
        let mut keys = vec![self.names.index(partition)];
        keys.extend(vanished.iter().map(|name| self.names.key(&Key::record(partition.clone(), name.as_str()))));
        let names: Vec<Vec<u8>> = vanished.iter().map(|name| name.as_bytes().to_vec()).collect();
        let present: Result<i64, RedisError> = self.run(&self.scripts.prune, &keys, &names).await;
        match present.map_err(|e| failure::explain(&e)) {
            Ok(present) => Ok(present > 0),
            // Reading goes on where nothing can be written; the names stay for later.
            Err(StoreError::Full(_)) => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Refuses settings that lose more than is accepted. They may change under a running node.
    async fn keeps(&self) -> Result<(), StoreError> {
        let Some(accepted) = &self.accepted else { return Ok(()) };
        durability::report(&self.link).await?.accept(accepted)
    }

    /// Writes for real, on one node, and asks every primary for the time, which tells that it lives; one time is enough to
    /// know whether ours is far off.
    async fn probe(&self) -> Result<Option<Timestamp>, StoreError> {
        let mut write = redis::cmd("SET");
        let key = self.names.key(&Key::record(Partition::new("probe", "ping"), "ping"));
        write.arg(key).arg("1").arg("PX").arg(60_000);
        self.link.send::<Value>(&write).await.map_err(|e| failure::explain(&e))?;
        let times = self.link.ask_each(&redis::cmd("TIME")).await.map_err(|e| failure::explain(&e))?;
        let Some((_, time)) = times.into_iter().next() else { return Ok(None) };
        let (seconds, micros): (i64, i64) =
            redis::from_redis_value(time).map_err(|e| StoreError::Corrupt(format!("TIME answered {e}")))?;
        Ok(Some(Timestamp::from_millis(seconds.saturating_mul(1_000).saturating_add(micros / 1_000))))
    }
}

/// What `scan.lua` answers.
struct Page {
    /// The name to go on after; empty at the end.
    last: String,
    live: Vec<(String, Vec<u8>)>,
    vanished: Vec<String>,
}

impl FromRedisValue for Page {
    fn from_redis_value(answer: Value) -> Result<Self, ParsingError> {
        let (last, live, vanished) = FromRedisValue::from_redis_value(answer)?;
        Ok(Self { last, live, vanished })
    }
}

/// In milliseconds, of real time. Even a record that is born expired stays for a while.
fn time_to_live(expires_at: Timestamp, now: Timestamp) -> String {
    expires_at.since(now).saturating_add(GARBAGE).min(LONGEST).as_millis().to_string()
}

impl Backend for RedisStore {
    fn get<'a>(&'a self, keys: &'a [Key]) -> BoxFuture<'a, Result<Vec<Option<Record>>, StoreError>> {
        Box::pin(self.within(self.fetch(keys)))
    }

    fn scan<'a>(&'a self, scan: &'a Scan) -> BoxFuture<'a, Result<Vec<(Key, Record)>, StoreError>> {
        Box::pin(self.within(self.range(scan)))
    }

    fn commit(&self, txn: Txn) -> BoxFuture<'_, Result<Outcome, StoreError>> {
        Box::pin(self.within(self.apply(txn)))
    }

    fn ping(&self) -> BoxFuture<'_, Result<Option<Timestamp>, StoreError>> {
        Box::pin(self.within(async {
            let (time, ()) = tokio::try_join!(self.probe(), self.keeps())?;
            Ok(time)
        }))
    }

    fn expect(&self, mark: &Mark) {
        self.link.expect(Recognition { key: self.names.key(&mark.key), mark: mark.clone() });
    }

    /// Redis removes what has expired by itself.
    fn collect(&self, _: Timestamp, _: usize) -> BoxFuture<'_, Result<usize, StoreError>> {
        Box::pin(std::future::ready(Ok(0)))
    }
}
