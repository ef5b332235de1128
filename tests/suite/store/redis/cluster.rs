//! A cluster: nodes that go away, and slots that move from one to another.

use std::sync::Arc;

use flybridge::store::redis::{RedisStore, Settings};
use flybridge::store::{Key, Outcome, Partition, StoreError};

use super::super::{Bench, org, record};
use super::{bench, has, in_time, put, until_it_writes};
use crate::support::redis::{Cluster, command, text};

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
    let elsewhere = Key::record(Partition::new("user", "u1"), "profile");
    for key in [record("items/a"), record("items/b"), elsewhere.clone()] {
        assert_eq!(put(store, key).await.unwrap(), Outcome::Committed);
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
    let both = in_time(store.get(&[elsewhere.clone(), record("items/b"), record("items/a")])).await;
    let both: Vec<bool> = both.unwrap().iter().map(Option::is_some).collect();
    assert_eq!(both, [true, true, true], "with what lives on other nodes");
    assert_eq!(in_time(store.scan(&org(), "items/", None, 10)).await.unwrap().len(), 2);
    moving.end();
    let mut txn = store.txn(org());
    txn.check_absent(record("items/a")).put_bytes(record("items/a"), b"again".to_vec(), None);
    assert_eq!(in_time(store.commit(txn)).await.unwrap(), Outcome::Conflict);
    assert_eq!(put(store, record("items/c")).await.unwrap(), Outcome::Committed);
    assert_eq!(in_time(store.scan(&org(), "items/", None, 10)).await.unwrap().len(), 3);
}
