//! What is special about SQLite: the file, and everybody's changes in one transaction.

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use flybridge::store::sqlite::SqliteStore;
use flybridge::store::{Key, Outcome, Partition, Store, StoreError};
use futures_util::future::join_all;

use super::{Bench, counter, org, record};

fn open(path: &Path) -> Bench {
    Bench::over(Arc::new(SqliteStore::open(path).unwrap()))
}

async fn put(store: &Store, key: Key, size: usize) -> Result<Outcome, StoreError> {
    let mut txn = store.txn(key.partition().clone());
    txn.put_bytes(key, vec![b'x'; size], None);
    store.commit(txn).await
}

#[tokio::test]
async fn everything_is_there_after_reopening() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("deep/inside/store.db");
    for round in 0..3_i64 {
        let bench = open(&path);
        let mut txn = bench.store.txn(org());
        txn.put_bytes(record(&format!("rounds/{round}")), b"x".to_vec(), None).add(counter("rounds"), 1);
        assert_eq!(bench.store.commit(txn).await.unwrap(), Outcome::Committed);
        assert_eq!(
            bench.store.scan(&org(), "rounds/", None, 10).await.unwrap().len(),
            usize::try_from(round).unwrap() + 1
        );
        assert_eq!(bench.store.counters(&[counter("rounds")]).await.unwrap(), [round + 1]);
    }
    // The last connection takes the log back into the file.
    assert!(!folder.path().join("deep/inside/store.db-wal").exists());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn group_commit_loses_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("store.db");
    let bench = open(&path);
    let writers = (0..64).map(|writer| {
        let store = bench.store.clone();
        tokio::spawn(async move {
            for i in 0..20 {
                let own = Key::record(Partition::new("user", &format!("u{writer}")), format!("rows/{i:02}"));
                assert_eq!(put(&store, own, 100).await.unwrap(), Outcome::Committed);
                // Conflicts in the same transaction must not take anything along.
                let mut txn = store.txn(org());
                txn.check_absent(record(&format!("slot/{i:02}")));
                txn.put_bytes(record(&format!("slot/{i:02}")), b"x".to_vec(), None).add(counter("won"), 1);
                let _ = store.commit(txn).await.unwrap();
            }
        })
    });
    for writer in join_all(writers).await {
        writer.unwrap();
    }
    drop(bench);
    let bench = open(&path);
    for writer in 0..64 {
        let partition = Partition::new("user", &format!("u{writer}"));
        assert_eq!(bench.store.scan(&partition, "rows/", None, 100).await.unwrap().len(), 20);
    }
    assert_eq!(bench.store.counters(&[counter("won")]).await.unwrap(), [20]);
}

#[tokio::test]
async fn only_the_owner_may_read_the_files() {
    let folder = tempfile::tempdir().unwrap();
    let bench = open(&folder.path().join("data/store.db"));
    assert_eq!(put(&bench.store, record("x"), 10).await.unwrap(), Outcome::Committed);
    let mode = |name: &str| std::fs::metadata(folder.path().join(name)).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode("data"), 0o700);
    for file in ["data/store.db", "data/store.db-wal", "data/store.db-shm"] {
        assert_eq!(mode(file), 0o600, "{file}");
    }
}

#[tokio::test]
async fn two_processes_share_the_file() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("store.db");
    let (one, two) = (open(&path), open(&path));
    let both = [&one, &two].map(|bench| async {
        for _ in 0..50 {
            let mut txn = bench.store.txn(org());
            txn.add(counter("total"), 1);
            assert_eq!(bench.store.commit(txn).await.unwrap(), Outcome::Committed);
        }
    });
    join_all(both).await;
    assert_eq!(one.store.counters(&[counter("total")]).await.unwrap(), [100]);
    let version = {
        let mut txn = two.store.txn(org());
        txn.put_bytes(record("x"), vec![], None);
        let version = txn.version();
        assert_eq!(two.store.commit(txn).await.unwrap(), Outcome::Committed);
        version
    };
    assert_eq!(one.store.get(&[record("x")]).await.unwrap()[0].as_ref().unwrap().version, version);
}

#[tokio::test]
async fn a_full_disk_refuses_writes_and_recovers() {
    let folder = tempfile::tempdir().unwrap();
    let backend = SqliteStore::open_limited(folder.path().join("store.db"), Some(400_000)).unwrap();
    let bench = Bench::over(Arc::new(backend));
    assert_eq!(put(&bench.store, record("kept"), 100_000).await.unwrap(), Outcome::Committed);
    let refused = put(&bench.store, record("large"), 1_000_000).await;
    assert!(matches!(refused, Err(StoreError::Full(_))), "{refused:?}");
    assert!(bench.store.get(&[record("large")]).await.unwrap()[0].is_none());
    assert!(bench.store.get(&[record("kept")]).await.unwrap()[0].is_some());
    assert_eq!(put(&bench.store, record("small"), 100).await.unwrap(), Outcome::Committed);
    bench.store.ping().await.unwrap();
}

#[tokio::test]
async fn a_failed_transaction_fails_everybody_in_it_and_writes_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let backend = SqliteStore::open_limited(folder.path().join("store.db"), Some(400_000)).unwrap();
    let bench = Bench::over(Arc::new(backend));
    let writers = (0..20).map(|i| {
        let size = if i % 2 == 0 { 10 } else { 1_000_000 };
        let store = bench.store.clone();
        async move { (i, put(&store, record(&format!("rows/{i:02}")), size).await) }
    });
    for (i, outcome) in join_all(writers).await {
        let there = bench.store.get(&[record(&format!("rows/{i:02}"))]).await.unwrap()[0].is_some();
        assert_eq!(there, outcome.is_ok(), "{i}: {outcome:?}");
    }
}

#[tokio::test]
async fn a_newer_or_foreign_file_is_refused_in_words() {
    let folder = tempfile::tempdir().unwrap();
    let newer = folder.path().join("newer.db");
    drop(SqliteStore::open(&newer).unwrap());
    let connection = rusqlite::Connection::open(&newer).unwrap();
    connection.pragma_update(None, "user_version", 99).unwrap();
    drop(connection);
    let why = SqliteStore::open(&newer).err().unwrap().to_string();
    assert!(why.contains("newer version") && why.contains("schema 99"), "{why}");

    let foreign = folder.path().join("foreign.db");
    rusqlite::Connection::open(&foreign).unwrap().execute_batch("CREATE TABLE theirs (x)").unwrap();
    let why = SqliteStore::open(&foreign).err().unwrap().to_string();
    assert!(why.contains("another program"), "{why}");

    let text = folder.path().join("text.db");
    std::fs::write(&text, "not a database, but long enough to have a header of sixteen bytes").unwrap();
    assert!(matches!(SqliteStore::open(&text), Err(StoreError::Corrupt(_))));
    assert!(matches!(SqliteStore::open(folder.path()), Err(StoreError::Unavailable(_))));
}

#[tokio::test]
async fn what_expired_long_ago_is_collected_in_steps() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("store.db");
    let bench = open(&path);
    let mut txn = bench.store.txn(org());
    for i in 0..30 {
        let expires_at = bench.store.now().plus(Duration::from_secs(i));
        txn.put_bytes(record(&format!("codes/{i:02}")), b"x".to_vec(), Some(expires_at));
    }
    txn.put_bytes(record("codes/forever"), b"x".to_vec(), None);
    assert_eq!(bench.store.commit(txn).await.unwrap(), Outcome::Committed);
    assert_eq!(bench.store.collect(100).await.unwrap(), 0);
    bench.advance(Duration::from_secs(24 * 3_600 + 20));
    assert_eq!(bench.store.collect(8).await.unwrap(), 8);
    assert_eq!(bench.store.collect(100).await.unwrap(), 12);
    assert_eq!(bench.store.collect(100).await.unwrap(), 0);
    drop(bench);
    let connection = rusqlite::Connection::open(&path).unwrap();
    let left: i64 = connection.query_row("SELECT count(*) FROM records", [], |row| row.get(0)).unwrap();
    assert_eq!(left, 11);
}
