//! Records: their expiry, their bytes, their types.

use std::sync::Arc;
use std::time::Duration;

use flybridge::random::{Random, SystemRandom};
use flybridge::store::keys;
use flybridge::store::mark::Installation;
use flybridge::store::records::{Collection, Stored, TypedKey};
use flybridge::store::{Key, Outcome, Partition, Store, StoreError, Txn, Version};
use futures_util::future::join_all;
use serde::{Deserialize, Serialize};

use super::super::{Bench, on_every_backend, org, record};
use super::{names, put, put_until, value};

on_every_backend! {
    expiry_is_judged_by_the_callers_clock,
    a_record_may_be_put_anew_without_expiry,
    reads_answer_in_the_order_of_the_keys,
    bytes_come_back_as_they_were,
    typed_records_read_back,
    a_ping_says_that_all_is_well,
    a_store_without_the_mark_is_refused,
    nodes_that_start_together_know_one_mark,
}

async fn expiry_is_judged_by_the_callers_clock(bench: Bench) {
    let (store, key) = (&bench.store, record("code/1"));
    put_until(&bench, &key, "x", Duration::from_mins(1)).await;
    let version = store.get(std::slice::from_ref(&key)).await.unwrap()[0].as_ref().unwrap().version;
    bench.advance(Duration::from_millis(59_999));
    assert_eq!(value(store, &key).await.as_deref(), Some("x"));
    assert_eq!(names(store, "code/", None, 10).await, ["code/1"]);
    let mut too_early = store.txn(org());
    too_early.check_absent(key.clone());
    assert_eq!(store.commit(too_early).await.unwrap(), Outcome::Conflict);

    bench.advance(Duration::from_millis(1));
    assert_eq!(value(store, &key).await, None);
    assert_eq!(names(store, "code/", None, 10).await, [""; 0]);
    let mut too_late = store.txn(org());
    too_late.check_version(key.clone(), version).delete(key.clone());
    assert_eq!(store.commit(too_late).await.unwrap(), Outcome::Conflict);
    let mut again = store.txn(org());
    again.check_absent(key.clone()).put_bytes(key.clone(), b"y".to_vec(), None);
    assert_eq!(store.commit(again).await.unwrap(), Outcome::Committed);
    assert_eq!(value(store, &key).await.as_deref(), Some("y"));
}

async fn a_record_may_be_put_anew_without_expiry(bench: Bench) {
    let key = record("session/1");
    put_until(&bench, &key, "short", Duration::from_secs(1)).await;
    put(&bench.store, &key, "long").await;
    bench.advance(Duration::from_hours(1_000));
    assert_eq!(value(&bench.store, &key).await.as_deref(), Some("long"));
    assert_eq!(names(&bench.store, "session/", None, 10).await, ["session/1"]);
}

async fn reads_answer_in_the_order_of_the_keys(bench: Bench) {
    let store = &bench.store;
    let mut keys = Vec::new();
    for i in 0..20 {
        let key = Key::record(Partition::new("user", &format!("u{i}")), "profile");
        put(store, &key, &format!("user {i}")).await;
        keys.push(key);
    }
    keys.insert(3, record("missing"));
    keys.push(keys[0].clone());
    let found = store.get(&keys).await.unwrap();
    let found: Vec<_> = found.into_iter().map(|r| r.map(|r| String::from_utf8(r.value).unwrap())).collect();
    assert_eq!(found.len(), 22);
    assert_eq!(found[3], None);
    assert_eq!(found[2].as_deref(), Some("user 2"));
    assert_eq!(found[20].as_deref(), Some("user 19"));
    assert_eq!(found[21].as_deref(), Some("user 0"));
    assert_eq!(store.get(&[]).await.unwrap(), []);
}

async fn bytes_come_back_as_they_were(bench: Bench) {
    let store = &bench.store;
    let large: Vec<u8> = (0..1_000_000_u32).map(|i| i.to_le_bytes()[1]).collect();
    for bytes in [vec![], vec![0], b"\r\n\x00\xff-\x80".to_vec(), large] {
        let version = Version(u64::MAX - 2);
        let mut txn = Txn::new(org(), store.now(), version);
        let expires_at = Some(store.now().plus(Duration::from_millis(12_345)));
        txn.put_bytes(record("blob/1"), bytes.clone(), expires_at);
        assert_eq!(store.commit(txn).await.unwrap(), Outcome::Committed);
        let found = store.get(&[record("blob/1")]).await.unwrap().remove(0).unwrap();
        assert_eq!((found.version, found.expires_at), (version, expires_at));
        assert!(found.value == bytes);
        let mut check = store.txn(org());
        check.check_version(record("blob/1"), Version(u64::MAX - 1));
        assert_eq!(store.commit(check).await.unwrap(), Outcome::Conflict);
        assert!(store.scan(&org(), "blob/", None, 1).await.unwrap()[0].1.value == bytes);
    }
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Member {
    role: String,
}

impl Stored for Member {}

async fn typed_records_read_back(bench: Bench) {
    let store = &bench.store;
    let members: Collection<Member> = Collection::new(org(), "members/");
    let profile: TypedKey<Member> = TypedKey::new(record("profile"));
    let mut txn = store.txn(org());
    txn.put(&members.item("a"), &Member { role: "admin".to_owned() }).unwrap();
    txn.put(&members.item("b"), &Member { role: "member".to_owned() }).unwrap();
    assert_eq!(store.commit(txn).await.unwrap(), Outcome::Committed);
    let listed = store.list(&members, Some("a"), 10).await.unwrap();
    assert_eq!(listed.len(), 1);
    assert_eq!((listed[0].item(), listed[0].value.role.as_str()), ("b", "member"));
    let (first, none) = store.read_pair(&members.item("a"), &profile).await.unwrap();
    assert_eq!(first.unwrap().value, Member { role: "admin".to_owned() });
    assert!(none.is_none());

    put(store, &record("profile"), "\x02{}").await;
    assert!(matches!(store.read(&profile).await, Err(StoreError::Corrupt(_))));
}

async fn a_ping_says_that_all_is_well(bench: Bench) {
    bench.store.ping().await.unwrap();
    bench.store.collect(100).await.unwrap();
}

async fn a_store_without_the_mark_is_refused(bench: Bench) {
    let (store, key) = (&bench.store, record("items/x"));
    for _ in 0..2 {
        store.remember_installation().await.unwrap();
    }
    put(store, &key, "x").await;
    store.ping().await.unwrap();
    let mark = keys::installation::<Installation>().into_key();
    let as_before = store.get(std::slice::from_ref(&mark)).await.unwrap().pop().flatten().unwrap();
    let mut txn = store.txn(mark.partition().clone());
    txn.delete(mark.clone());
    assert_eq!(store.commit(txn).await.unwrap(), Outcome::Committed);

    let unfit = |error: Option<StoreError>| assert!(matches!(error, Some(StoreError::Unfit(_))), "{error:?}");
    unfit(store.ping().await.err());
    unfit(store.get(std::slice::from_ref(&key)).await.err());
    unfit(store.scan(&org(), "items/", None, 10).await.err());
    let mut txn = store.txn(org());
    txn.delete(key);
    unfit(store.commit(txn).await.err());
    unfit(store.ping().await.err());

    let write = async |version| {
        let other = bench.node(Arc::new(Drawn(version)));
        let mut txn = other.txn(mark.partition().clone());
        txn.put_bytes(mark.clone(), as_before.value.clone(), None);
        assert_eq!(other.commit(txn).await.unwrap(), Outcome::Committed);
    };
    write(as_before.version.0 ^ 2).await;
    unfit(store.ping().await.err());
    write(as_before.version.0).await;
    assert_eq!(store.get(std::slice::from_ref(&record("items/x"))).await.unwrap().len(), 1, "the data is back");
    store.ping().await.unwrap();
}

/// Draws the same number each time.
struct Drawn(u64);

impl Random for Drawn {
    fn fill(&self, bytes: &mut [u8]) {
        for (place, byte) in bytes.iter_mut().zip(self.0.to_le_bytes().into_iter().cycle()) {
            *place = byte;
        }
    }
}

async fn nodes_that_start_together_know_one_mark(bench: Bench) {
    let nodes = [0; 4].map(|_| bench.node(Arc::new(SystemRandom::default())));
    for started in join_all(nodes.iter().map(Store::remember_installation)).await {
        started.unwrap();
    }
    for node in &nodes {
        node.ping().await.unwrap();
    }
}
