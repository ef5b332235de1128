//! What is special about Redis: servers that go away, come back, change their place, and forget.

#[path = "redis/cluster.rs"]
mod cluster;

use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use flybridge::domain::access::Proof;
use flybridge::domain::organization::LoginMethod;
use flybridge::domain::session::SessionRules;
use flybridge::domain::user::User;
use flybridge::services::jobs::Jobs;
use flybridge::services::sessions::Sessions;
use flybridge::store::redis::{RedisStore, Settings};
use flybridge::store::{Key, Outcome, Store, StoreError, keys};

use super::{Bench, connect, counter, org, record};
use crate::support::ports::free_port;
use crate::support::redis::{self as redis_servers, Server, Watched, text};

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
    let port = free_port().to_string();
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
async fn nothing_is_left_of_sessions_that_are_over() {
    let server = Server::start(&[]);
    let bench = Bench::over(Arc::new(RedisStore::connect(&server.url(), Settings::default()).await.unwrap()));
    let user = User {
        id: "u1".parse().unwrap(),
        fly_id: "f1".parse().unwrap(),
        name: "Ines Marlow".to_owned(),
        email: None,
        created_at: bench.store.now(),
        organizations: vec![],
        session_epoch: 0,
        fly_epoch: 0,
    };
    let mut txn = bench.store.txn(keys::user_partition(&user.id));
    txn.put(&keys::user(&user.id), &user).unwrap();
    assert_eq!(bench.store.commit(txn).await.unwrap(), Outcome::Committed);

    let [idle, absolute, fresh] = [24 * 60, 14 * 24 * 60, 5].map(Duration::from_mins);
    let jobs = Jobs::new(bench.store.clone(), Duration::from_mins(1));
    let sessions = Sessions::new(bench.store.clone(), jobs, SessionRules { idle, absolute, fresh });
    let proof = Proof { method: LoginMethod::Fly, auth_time: bench.store.now(), organizations: vec![] };
    for _ in 0..5 {
        let cookie = sessions.begin(&user, proof.clone()).await.unwrap();
        assert!(sessions.find(&cookie).await.unwrap().is_some());
    }
    // As if their time and ten more minutes had passed.
    for key in text(&server.command(&["KEYS", "fb1:{user/u1}:session*"])).lines() {
        assert_eq!(text(&server.command(&["PEXPIRE", key, "1"])), "1");
    }
    redis_servers::wait_until("Redis has removed the sessions", || {
        text(&server.command(&["KEYS", "fb1:{user/u1}:session*"])).is_empty()
    });
    assert_eq!(text(&server.command(&["KEYS", "*"])), "fb1:{user/u1}:user", "nor a name in an index");
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
