//! What is special about Redis: servers that go away, come back, change their place, and forget.

use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use flybridge::store::redis::{RedisStore, Settings};
use flybridge::store::{Key, Outcome, Partition, Store, StoreError};

use super::{Bench, connect, counter, org, record};
use crate::support::redis::{self as redis_servers, Cluster, Server, Watched, command, text};

/// What callers are promised, and a little for a busy machine.
const PROMISE: Duration = Duration::from_millis(2_500);

/// The answer, which must come in time.
async fn in_time<T>(what: impl Future<Output = T>) -> T {
    tokio::time::timeout(PROMISE, what).await.expect("an answer within 2 s")
}

async fn put(store: &Store, key: Key) -> Result<Outcome, StoreError> {
    let mut txn = store.txn(key.partition().clone());
    txn.put_bytes(key, b"value".to_vec(), None);
    in_time(store.commit(txn)).await
}

async fn has(store: &Store, key: Key) -> Result<bool, StoreError> {
    Ok(in_time(store.get(&[key])).await?.remove(0).is_some())
}

async fn bench(url: &str) -> Bench {
    Bench::over(Arc::new(connect(url).await))
}

/// Writes until it works again; the answers in between must all come in time.
#[expect(clippy::disallowed_methods, reason = "waits for other processes, whose time no test can set")]
async fn until_it_writes(store: &Store, key: &Key) {
    for _ in 0..200 {
        if matches!(put(store, key.clone()).await, Ok(Outcome::Committed)) {
            return;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("no write went through within 10 s");
}

#[tokio::test]
async fn a_server_that_was_killed_comes_back_with_everything() {
    let mut server = Server::start(&[]);
    let bench = bench(&server.url()).await;
    assert_eq!(put(&bench.store, record("items/before")).await.unwrap(), Outcome::Committed);
    server.kill();
    for _ in 0..5 {
        let read = has(&bench.store, record("items/before")).await;
        assert!(matches!(read, Err(StoreError::Unavailable(_))), "{read:?}");
        let written = put(&bench.store, record("items/during")).await;
        assert!(matches!(written, Err(StoreError::Unavailable(_))), "{written:?}");
        assert!(in_time(bench.store.ping()).await.is_err());
    }
    server.restart();
    until_it_writes(&bench.store, &record("items/after")).await;
    assert!(has(&bench.store, record("items/before")).await.unwrap());
    assert!(!has(&bench.store, record("items/during")).await.unwrap());
    assert_eq!(bench.store.scan(&org(), "items/", None, 10).await.unwrap().len(), 2);
}

#[tokio::test]
async fn a_server_that_hangs_is_given_up_on_in_time() {
    let server = Server::start(&[]);
    let bench = bench(&server.url()).await;
    assert_eq!(put(&bench.store, record("x")).await.unwrap(), Outcome::Committed);
    server.signal("-STOP");
    let mut lost = bench.store.txn(org());
    lost.add(counter("total"), 1);
    let written = in_time(bench.store.commit(lost)).await;
    assert!(matches!(written, Err(StoreError::Unavailable(_))), "{written:?}");
    let read = has(&bench.store, record("x")).await;
    assert!(matches!(read, Err(StoreError::Unavailable(_))), "{read:?}");
    server.signal("-CONT");
    until_it_writes(&bench.store, &record("y")).await;
    // The write whose answer was lost was applied once or not at all, but never again.
    assert!(bench.store.counters(&[counter("total")]).await.unwrap()[0] <= 1);
}

#[tokio::test]
async fn connecting_to_nothing_fails_in_words() {
    let mut server = Server::start(&[]);
    server.kill();
    for scheme in ["redis", "redis+cluster"] {
        let url = format!("{scheme}://127.0.0.1:{}", server.port());
        let found =
            tokio::time::timeout(Duration::from_secs(8), RedisStore::connect(&url, Settings::default())).await;
        assert!(matches!(found.unwrap(), Err(StoreError::Unavailable(_))), "{scheme}");
    }
    let wrong = RedisStore::connect("http://127.0.0.1", Settings::default()).await;
    assert!(matches!(wrong, Err(StoreError::Misuse(_))));
}

#[tokio::test]
async fn a_user_needs_a_name_and_a_password() {
    let server = Server::start(&[]);
    server.command(&["ACL", "SETUSER", "app", "on", ">s3cret/word", "~fb1:*", "+@all", "-@admin", "-config"]);
    server.command(&["ACL", "SETUSER", "default", "off"]);
    let url = format!("redis://app:s3cret%2Fword@127.0.0.1:{}", server.port());
    let store = RedisStore::connect(&url, Settings::default()).await.unwrap();
    let report = store.durability_report().await.unwrap();
    assert_eq!(report.missing.len(), 1, "{report:?}");
    assert!(report.missing[0].sentence.contains("does not tell its appendfsync"), "{report:?}");
    let bench = Bench::over(Arc::new(store));
    assert_eq!(put(&bench.store, record("items/x")).await.unwrap(), Outcome::Committed);
    assert_eq!(bench.store.scan(&org(), "items/", None, 10).await.unwrap().len(), 1);
    bench.store.ping().await.unwrap();
    let wrong = format!("redis://app:other@127.0.0.1:{}", server.port());
    let refused = RedisStore::connect(&wrong, Settings::default()).await.err().unwrap();
    assert!(!refused.to_string().contains("other"), "{refused}");
}

/// A key and a certificate for `localhost`, signed by itself.
fn certificate(folder: &Path) -> (String, String) {
    let [key, certificate] = ["key.pem", "certificate.pem"].map(|name| folder.join(name).display().to_string());
    let made = Command::new("openssl")
        .args(["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2"])
        .args(["-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost", "-addext"])
        .args(["basicConstraints=critical,CA:FALSE", "-keyout", &key, "-out", &certificate])
        .output()
        .unwrap();
    assert!(made.status.success(), "{made:?}");
    (key, certificate)
}

#[tokio::test]
async fn tls_is_spoken_and_the_certificate_is_checked() {
    // Another test of this process may have installed it.
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let folder = tempfile::tempdir().unwrap();
    let (key, certificate) = certificate(folder.path());
    let port = redis_servers::free_port().to_string();
    let _server = Server::start(&[
        "--tls-port",
        &port,
        "--tls-key-file",
        &key,
        "--tls-cert-file",
        &certificate,
        "--tls-auth-clients",
        "no",
    ]);
    let url = format!("rediss://localhost:{port}");
    let trusting = Settings { root_certificates: Some(std::fs::read(&certificate).unwrap()), ..Settings::default() };
    let bench = Bench::over(Arc::new(RedisStore::connect(&url, trusting.clone()).await.unwrap()));
    assert_eq!(put(&bench.store, record("items/x")).await.unwrap(), Outcome::Committed);
    assert!(has(&bench.store, record("items/x")).await.unwrap());

    let stranger = RedisStore::connect(&url, Settings::default()).await;
    assert!(matches!(stranger, Err(StoreError::Unavailable(_))));
    let other_name = RedisStore::connect(&format!("rediss://127.0.0.1:{port}"), trusting).await;
    assert!(matches!(other_name, Err(StoreError::Unavailable(_))));
}

#[tokio::test]
async fn a_full_or_read_only_server_takes_no_writes() {
    let (primary, server) = (Server::start(&[]), Server::start(&[]));
    let bench = bench(&server.url()).await;
    assert_eq!(put(&bench.store, record("items/kept")).await.unwrap(), Outcome::Committed);
    server.command(&["CONFIG", "SET", "maxmemory", "1"]);
    let mut txn = bench.store.txn(org());
    txn.put_bytes(record("items/new"), vec![0; 100], None).add(counter("total"), 1);
    let written = in_time(bench.store.commit(txn)).await;
    assert!(matches!(written, Err(StoreError::Full(_))), "{written:?}");
    assert!(matches!(in_time(bench.store.ping()).await, Err(StoreError::Full(_))));
    assert!(has(&bench.store, record("items/kept")).await.unwrap());
    server.command(&["CONFIG", "SET", "maxmemory", "0"]);
    assert_eq!(put(&bench.store, record("items/again")).await.unwrap(), Outcome::Committed);

    server.command(&["REPLICAOF", "127.0.0.1", &primary.port().to_string()]);
    let written = put(&bench.store, record("items/new")).await;
    assert!(matches!(written, Err(StoreError::Full(_))), "{written:?}");
    server.command(&["REPLICAOF", "NO", "ONE"]);
    until_it_writes(&bench.store, &record("items/new")).await;
}

#[tokio::test]
async fn a_server_that_forgot_the_scripts_is_told_them_again() {
    let server = Server::start(&[]);
    let bench = bench(&server.url()).await;
    for _ in 0..2 {
        server.command(&["SCRIPT", "FLUSH"]);
        assert_eq!(put(&bench.store, record("items/x")).await.unwrap(), Outcome::Committed);
        server.command(&["SCRIPT", "FLUSH"]);
        assert_eq!(bench.store.scan(&org(), "items/", None, 10).await.unwrap().len(), 1);
    }
}

#[tokio::test]
async fn redis_removes_what_expired_ten_minutes_ago_and_the_index_follows() {
    let server = Server::start(&[]);
    let store = RedisStore::connect(&server.url(), Settings::default()).await.unwrap();
    let bench = Bench::over(Arc::new(store));
    let time_to_live = |key: &str| -> i64 { text(&server.command(&["PTTL", key])).parse().unwrap() };
    let mut txn = bench.store.txn(org());
    for (name, minutes) in [("codes/a", 1), ("codes/b", 5), ("plain", 2)] {
        txn.put_bytes(record(name), b"x".to_vec(), Some(bench.store.now().plus(Duration::from_mins(minutes))));
    }
    assert_eq!(bench.store.commit(txn).await.unwrap(), Outcome::Committed);
    for (key, minutes) in [
        ("fb1:{org/abc}:codes/a", 11),
        ("fb1:{org/abc}:codes/b", 15),
        ("fb1:{org/abc}:plain", 12),
        ("fb1:{org/abc}*", 15),
    ] {
        let left = time_to_live(key);
        assert!((minutes * 60_000 - 60_000..=minutes * 60_000).contains(&left), "{key}: {left} ms");
    }
    // As if ten more minutes had passed.
    server.command(&["DEL", "fb1:{org/abc}:codes/a"]);
    let found = bench.store.scan(&org(), "codes/", None, 10).await.unwrap();
    assert_eq!(found.len(), 1);
    assert_eq!(text(&server.command(&["ZRANGE", "fb1:{org/abc}*", "0", "-1"])), "codes/b");

    // An item that stays makes the index stay.
    assert_eq!(put(&bench.store, record("codes/c")).await.unwrap(), Outcome::Committed);
    assert_eq!(time_to_live("fb1:{org/abc}*"), -1);
    let mut txn = bench.store.txn(org());
    txn.put_bytes(record("codes/d"), b"x".to_vec(), Some(bench.store.now().plus(Duration::from_secs(1))));
    assert_eq!(bench.store.commit(txn).await.unwrap(), Outcome::Committed);
    assert_eq!(time_to_live("fb1:{org/abc}*"), -1);
}

#[tokio::test]
async fn the_report_names_what_is_missing_for_durability() {
    let durable = connect(&redis_servers::shared()).await;
    assert!(durable.durability_report().await.unwrap().is_durable());
    let cluster = connect(&redis_servers::shared_cluster()).await;
    assert!(cluster.durability_report().await.unwrap().is_durable());

    let server = Server::start(&["--appendonly", "no", "--maxmemory-policy", "allkeys-lru"]);
    let report = connect(&server.url()).await.durability_report().await.unwrap();
    assert!(!report.is_durable());
    assert_eq!(report.missing.len(), 2, "{report:?}");
    assert!(report.missing[0].sentence.contains("appendonly no, so a restart loses everything"), "{report:?}");
    assert!(report.missing[1].sentence.contains("set \"maxmemory-policy noeviction\""), "{report:?}");
}

#[tokio::test]
async fn sentinel_leads_to_the_new_primary() {
    let mut watched = Watched::start();
    let bench = bench(&watched.url()).await;
    assert_eq!(put(&bench.store, record("items/before")).await.unwrap(), Outcome::Committed);
    redis_servers::wait_until("the replica has the record", || {
        text(&watched.replica.command(&["DBSIZE"])) == text(&watched.primary.command(&["DBSIZE"]))
    });
    watched.primary.kill();
    until_it_writes(&bench.store, &record("items/after")).await;
    assert!(text(&watched.replica.command(&["ROLE"])).starts_with("master"));
    assert_eq!(bench.store.scan(&org(), "items/", None, 10).await.unwrap().len(), 2);
}

#[tokio::test]
async fn a_cluster_without_one_node_serves_the_others() {
    let mut cluster = Cluster::start();
    for port in cluster.ports() {
        command(port, &["CONFIG", "SET", "cluster-require-full-coverage", "no"]).unwrap();
    }
    let bench = bench(&cluster.url()).await;
    let keys: Vec<Key> = (0..30).map(|i| Key::record(Partition::new("user", &format!("u{i}")), "profile")).collect();
    for key in &keys {
        assert_eq!(put(&bench.store, key.clone()).await.unwrap(), Outcome::Committed);
    }
    cluster.kill(2);
    let mut answered = 0;
    for key in &keys {
        match put(&bench.store, key.clone()).await {
            Ok(outcome) => {
                assert_eq!(outcome, Outcome::Committed);
                answered += 1;
            }
            Err(error) => assert!(matches!(error, StoreError::Unavailable(_)), "{error:?}"),
        }
    }
    assert!((5..30).contains(&answered), "{answered} of 30");
    assert!(in_time(bench.store.ping()).await.is_err());
    cluster.restart();
    for key in &keys {
        until_it_writes(&bench.store, key).await;
    }
    in_time(bench.store.ping()).await.unwrap();
}

#[tokio::test]
async fn a_cluster_that_was_down_comes_back_with_everything() {
    let mut cluster = Cluster::start();
    let bench = bench(&cluster.url()).await;
    let keys: Vec<Key> = (0..12).map(|i| Key::record(Partition::new("user", &format!("u{i}")), "profile")).collect();
    for key in &keys {
        assert_eq!(put(&bench.store, key.clone()).await.unwrap(), Outcome::Committed);
    }
    for node in 0..3 {
        cluster.kill(node);
    }
    for key in &keys {
        assert!(matches!(put(&bench.store, key.clone()).await, Err(StoreError::Unavailable(_))));
    }
    cluster.restart();
    until_it_writes(&bench.store, &record("after")).await;
    for key in &keys {
        assert!(has(&bench.store, key.clone()).await.unwrap());
        assert_eq!(put(&bench.store, key.clone()).await.unwrap(), Outcome::Committed);
    }
}

/// Slot by slot, the way `redis-cli --cluster reshard` does it.
struct Move {
    slot: String,
    from: u16,
    to: u16,
}

impl Move {
    fn of(cluster: &Cluster, partition: &Partition) -> Self {
        let ports = cluster.ports();
        let tag = format!("{{{partition}}}");
        let slot = text(&command(ports[0], &["CLUSTER", "KEYSLOT", &tag]).unwrap());
        let owner = usize::from(slot.parse::<u16>().unwrap()) * 3 / 16_384;
        Self { slot, from: ports[owner], to: ports[(owner + 1) % 3] }
    }

    fn begin(&self) {
        let [from, to] = [self.from, self.to].map(|port| text(&command(port, &["CLUSTER", "MYID"]).unwrap()));
        command(self.to, &["CLUSTER", "SETSLOT", &self.slot, "IMPORTING", &from]).unwrap();
        command(self.from, &["CLUSTER", "SETSLOT", &self.slot, "MIGRATING", &to]).unwrap();
    }

    fn carry(&self, key: &str) {
        let to = self.to.to_string();
        command(self.from, &["MIGRATE", "127.0.0.1", &to, key, "0", "5000"]).unwrap();
    }

    fn carry_all(&self) {
        let keys = text(&command(self.from, &["CLUSTER", "GETKEYSINSLOT", &self.slot, "100"]).unwrap());
        for key in keys.lines() {
            self.carry(key);
        }
    }

    fn end(&self) {
        let id = text(&command(self.to, &["CLUSTER", "MYID"]).unwrap());
        for port in [self.to, self.from] {
            command(port, &["CLUSTER", "SETSLOT", &self.slot, "NODE", &id]).unwrap();
        }
    }
}

#[tokio::test]
async fn nothing_is_lost_or_misjudged_while_a_slot_moves() {
    let cluster = Cluster::start();
    let store = RedisStore::connect(&cluster.url(), Settings::default()).await.unwrap();
    let bench = Bench::over(Arc::new(store));
    let store = &bench.store;
    for name in ["items/a", "items/b"] {
        assert_eq!(put(store, record(name)).await.unwrap(), Outcome::Committed);
    }
    let moving = Move::of(&cluster, &org());
    moving.begin();
    // Half of it has moved: what needs both halves is refused, and never takes the other half for absent.
    moving.carry("fb1:{org/abc}:items/a");
    let mut txn = store.txn(org());
    txn.check_absent(record("items/a")).put_bytes(record("items/a"), b"again".to_vec(), None);
    let outcome = in_time(store.commit(txn)).await;
    assert!(matches!(outcome, Err(StoreError::Unavailable(_))), "{outcome:?}");
    let found = in_time(store.scan(&org(), "items/", None, 10)).await;
    assert!(matches!(found, Err(StoreError::Unavailable(_))), "{found:?}");
    assert!(has(store, record("items/a")).await.unwrap());
    assert!(has(store, record("items/b")).await.unwrap());

    moving.carry_all();
    assert!(has(store, record("items/b")).await.unwrap());
    assert_eq!(in_time(store.scan(&org(), "items/", None, 10)).await.unwrap().len(), 2);
    moving.end();
    let mut txn = store.txn(org());
    txn.check_absent(record("items/a")).put_bytes(record("items/a"), b"again".to_vec(), None);
    assert_eq!(in_time(store.commit(txn)).await.unwrap(), Outcome::Conflict);
    assert_eq!(put(store, record("items/c")).await.unwrap(), Outcome::Committed);
    assert_eq!(in_time(store.scan(&org(), "items/", None, 10)).await.unwrap().len(), 3);
}
