//! What every backend must do alike.

use std::time::Duration;

use flybridge::store::records::{Collection, Stored, TypedKey};
use flybridge::store::{
    Attempt, Key, MAX_BYTES, MAX_OPERATIONS, MAX_TOTAL, Outcome, Partition, Store, StoreError, Txn, Version,
};
use futures_util::future::join_all;
use serde::{Deserialize, Serialize};

use super::{Bench, counter, on_every_backend, org, record};

on_every_backend! {
    a_write_replaces_only_the_version_that_was_read,
    absence_can_be_required,
    a_conflict_writes_nothing,
    counters_only_add_up,
    counters_never_make_writers_collide,
    a_counter_that_would_grow_too_large_is_refused_whole,
    expiry_is_judged_by_the_callers_clock,
    a_record_may_be_put_anew_without_expiry,
    scans_are_ordered_and_paged,
    scans_skip_what_is_deleted_or_expired,
    scans_keep_to_their_prefix_and_partition,
    a_page_goes_past_any_number_of_expired_items,
    reads_answer_in_the_order_of_the_keys,
    one_of_many_racers_wins,
    everybody_gets_through_in_the_retry_loop,
    versions_are_not_reused_after_deletion,
    deletes_come_before_puts_and_adds,
    bytes_come_back_as_they_were,
    misuse_is_refused_before_anything_is_written,
    the_largest_commit_goes_through,
    typed_records_read_back,
    a_ping_says_that_all_is_well,
}

async fn put(store: &Store, key: &Key, value: &str) -> Version {
    let mut txn = store.txn(key.partition().clone());
    txn.put_bytes(key.clone(), value.as_bytes().to_vec(), None);
    let version = txn.version();
    assert_eq!(store.commit(txn).await.unwrap(), Outcome::Committed);
    version
}

async fn put_until(bench: &Bench, key: &Key, value: &str, span: Duration) {
    let mut txn = bench.store.txn(key.partition().clone());
    txn.put_bytes(key.clone(), value.as_bytes().to_vec(), Some(bench.store.now().plus(span)));
    assert_eq!(bench.store.commit(txn).await.unwrap(), Outcome::Committed);
}

async fn value(store: &Store, key: &Key) -> Option<String> {
    let record = store.get(std::slice::from_ref(key)).await.unwrap().remove(0);
    record.map(|record| String::from_utf8(record.value).unwrap())
}

async fn names(store: &Store, prefix: &str, after: Option<&str>, limit: usize) -> Vec<String> {
    let found = store.scan(&org(), prefix, after, limit).await.unwrap();
    found.into_iter().map(|(key, _)| key.name().to_owned()).collect()
}

async fn a_write_replaces_only_the_version_that_was_read(bench: Bench) {
    let (store, key) = (&bench.store, record("profile"));
    let first = put(store, &key, "one").await;
    assert_eq!(store.get(std::slice::from_ref(&key)).await.unwrap()[0].as_ref().unwrap().version, first);

    let mut change = store.txn(org());
    change.check_version(key.clone(), first).put_bytes(key.clone(), b"two".to_vec(), None);
    let mut late = store.txn(org());
    late.check_version(key.clone(), first).put_bytes(key.clone(), b"three".to_vec(), None);
    assert_eq!(store.commit(change).await.unwrap(), Outcome::Committed);
    assert_eq!(store.commit(late).await.unwrap(), Outcome::Conflict);
    assert_eq!(value(store, &key).await.as_deref(), Some("two"));
}

async fn absence_can_be_required(bench: Bench) {
    let (store, key) = (&bench.store, record("profile"));
    let create = || {
        let mut txn = store.txn(org());
        txn.check_absent(key.clone()).put_bytes(key.clone(), b"x".to_vec(), None);
        txn
    };
    assert_eq!(store.commit(create()).await.unwrap(), Outcome::Committed);
    assert_eq!(store.commit(create()).await.unwrap(), Outcome::Conflict);
    let mut only_checks = store.txn(org());
    only_checks.check_absent(record("other"));
    assert_eq!(store.commit(only_checks).await.unwrap(), Outcome::Committed);
    assert_eq!(store.commit(store.txn(org())).await.unwrap(), Outcome::Committed);
}

async fn a_conflict_writes_nothing(bench: Bench) {
    let store = &bench.store;
    put(store, &record("kept/1"), "kept").await;
    let mut txn = store.txn(org());
    txn.put_bytes(record("new/1"), b"x".to_vec(), None)
        .add(counter("total"), 5)
        .delete(record("kept/1"))
        .check_version(record("missing"), Version(1));
    assert_eq!(store.commit(txn).await.unwrap(), Outcome::Conflict);
    assert_eq!(value(store, &record("new/1")).await, None);
    assert_eq!(value(store, &record("kept/1")).await.as_deref(), Some("kept"));
    assert_eq!(store.counters(&[counter("total")]).await.unwrap(), [0]);
    assert_eq!(names(store, "new/", None, 10).await, [""; 0]);
}

async fn counters_only_add_up(bench: Bench) {
    let store = &bench.store;
    put(store, &record("total"), "a record of the same name").await;
    for delta in [7, -10, 0, 4] {
        let mut txn = store.txn(org());
        txn.add(counter("total"), delta).add(counter("twice"), delta).add(counter("twice"), delta);
        assert_eq!(store.commit(txn).await.unwrap(), Outcome::Committed);
    }
    let keys = [counter("twice"), counter("never"), counter("total")];
    assert_eq!(store.counters(&keys).await.unwrap(), [2, 0, 1]);
    assert_eq!(value(store, &record("total")).await.as_deref(), Some("a record of the same name"));
}

async fn counters_never_make_writers_collide(bench: Bench) {
    let writers = (0..32).map(|_| async {
        for _ in 0..10 {
            let mut txn = bench.store.txn(org());
            txn.add(counter("sent"), 3).add(counter("queued"), -1);
            assert_eq!(bench.store.commit(txn).await.unwrap(), Outcome::Committed);
        }
    });
    join_all(writers).await;
    assert_eq!(bench.store.counters(&[counter("sent"), counter("queued")]).await.unwrap(), [960, -320]);
}

async fn a_counter_that_would_grow_too_large_is_refused_whole(bench: Bench) {
    let store = &bench.store;
    let largest = i64::try_from(MAX_TOTAL).unwrap();
    for delta in [largest, i64::MAX, i64::MIN] {
        let mut txn = store.txn(org());
        txn.put_bytes(record("witness"), b"x".to_vec(), None).add(counter("first"), 1).add(counter("total"), delta);
        let outcome = store.commit(txn).await;
        if delta == largest {
            assert_eq!(outcome.unwrap(), Outcome::Committed);
            let mut txn = store.txn(org());
            txn.delete(record("witness"));
            assert_eq!(store.commit(txn).await.unwrap(), Outcome::Committed);
        } else {
            assert!(matches!(outcome, Err(StoreError::Misuse(_))), "{outcome:?}");
        }
    }
    assert_eq!(value(store, &record("witness")).await, None);
    assert_eq!(store.counters(&[counter("first"), counter("total")]).await.unwrap(), [1, largest]);
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

async fn scans_are_ordered_and_paged(bench: Bench) {
    let store = &bench.store;
    let mut expected: Vec<String> = (0..25_u32).map(|i| format!("members/{:02}", i * 7 % 25)).collect();
    for name in &expected {
        put(store, &record(name), name).await;
    }
    expected.sort();
    let mut seen = Vec::new();
    loop {
        let page = names(store, "members/", seen.last().map(String::as_str), 10).await;
        assert_eq!(page.len(), (expected.len() - seen.len()).min(10));
        seen.extend(page.iter().cloned());
        if page.len() < 10 {
            break;
        }
    }
    assert_eq!(seen, expected);
    // The item to go on after need not exist.
    assert_eq!(names(store, "members/", Some("members/225"), 10).await, ["members/23", "members/24"]);
    assert_eq!(names(store, "members/", Some("a"), 1).await, ["members/00"]);
    assert_eq!(names(store, "members/", Some("z"), 1).await, [""; 0]);
    assert_eq!(names(store, "members/", None, 0).await, [""; 0]);
}

async fn scans_skip_what_is_deleted_or_expired(bench: Bench) {
    let store = &bench.store;
    for i in 0..12 {
        let key = record(&format!("links/{i:02}"));
        match i % 3 {
            0 => {
                put(store, &key, "stays").await;
            }
            1 => put_until(&bench, &key, "expires", Duration::from_secs(10)).await,
            _ => {
                put(store, &key, "goes").await;
                let mut txn = store.txn(org());
                txn.delete(key);
                assert_eq!(store.commit(txn).await.unwrap(), Outcome::Committed);
            }
        }
    }
    assert_eq!(names(store, "links/", None, 3).await, ["links/00", "links/01", "links/03"]);
    bench.advance(Duration::from_secs(10));
    assert_eq!(names(store, "links/", None, 3).await, ["links/00", "links/03", "links/06"]);
    assert_eq!(names(store, "links/", Some("links/06"), 3).await, ["links/09"]);
}

async fn scans_keep_to_their_prefix_and_partition(bench: Bench) {
    let store = &bench.store;
    for name in ["jobs", "jobs/a", "jobs/b/c", "jobs0", "job/z", "jobs/é", "jobt/a"] {
        put(store, &record(name), name).await;
    }
    put(store, &Key::record(Partition::new("org", "other"), "jobs/x"), "x").await;
    let mut txn = store.txn(org());
    txn.add(counter("jobs/count"), 1);
    assert_eq!(store.commit(txn).await.unwrap(), Outcome::Committed);
    assert_eq!(names(store, "jobs/", None, 10).await, ["jobs/a", "jobs/b/c", "jobs/é"]);
    assert_eq!(names(store, "jobs/b/", None, 10).await, ["jobs/b/c"]);
    assert!(matches!(store.scan(&org(), "jobs", None, 10).await, Err(StoreError::Misuse(_))));
}

async fn a_page_goes_past_any_number_of_expired_items(bench: Bench) {
    let store = &bench.store;
    let soon = bench.store.now().plus(Duration::from_secs(1));
    let mut txn = store.txn(org());
    for i in 0..300 {
        txn.put_bytes(record(&format!("codes/{i:03}")), b"x".to_vec(), Some(soon));
    }
    txn.put_bytes(record("codes/zzz"), b"last".to_vec(), None);
    assert_eq!(store.commit(txn).await.unwrap(), Outcome::Committed);
    bench.advance(Duration::from_secs(2));
    assert_eq!(names(store, "codes/", None, 5).await, ["codes/zzz"]);
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

async fn one_of_many_racers_wins(bench: Bench) {
    let racers = (0..40).map(|i| {
        let store = bench.store.clone();
        tokio::spawn(async move {
            let mut txn = store.txn(org());
            txn.check_absent(record("used")).put_bytes(record("used"), format!("{i}").into_bytes(), None);
            txn.add(counter("wins"), 1);
            (i, store.commit(txn).await.unwrap())
        })
    });
    let results: Vec<_> = join_all(racers).await.into_iter().map(Result::unwrap).collect();
    let winners: Vec<_> = results.iter().filter(|(_, outcome)| *outcome == Outcome::Committed).collect();
    assert_eq!(winners.len(), 1);
    assert_eq!(value(&bench.store, &record("used")).await, Some(winners[0].0.to_string()));
    assert_eq!(bench.store.counters(&[counter("wins")]).await.unwrap(), [1]);
}

async fn everybody_gets_through_in_the_retry_loop(bench: Bench) {
    let key = record("list");
    put(&bench.store, &key, "").await;
    let writers = (0..6).map(|i| {
        let (store, key) = (bench.store.clone(), key.clone());
        tokio::spawn(async move {
            let append = || async {
                let found = store.get(std::slice::from_ref(&key)).await?.remove(0).unwrap();
                let mut value = found.value.clone();
                value.push(b'0' + i);
                let mut txn = store.txn(org());
                txn.check_version(key.clone(), found.version).put_bytes(key.clone(), value, None);
                Ok::<_, StoreError>(Attempt::Commit(txn, ()))
            };
            store.transact(append).await.unwrap();
        })
    });
    for writer in join_all(writers).await {
        writer.unwrap();
    }
    let mut list: Vec<char> = value(&bench.store, &key).await.unwrap().chars().collect();
    list.sort_unstable();
    assert_eq!(list, ['0', '1', '2', '3', '4', '5']);
}

async fn versions_are_not_reused_after_deletion(bench: Bench) {
    let (store, key) = (&bench.store, record("grant"));
    let first = put(store, &key, "one").await;
    let mut txn = store.txn(org());
    txn.delete(key.clone());
    assert_eq!(store.commit(txn).await.unwrap(), Outcome::Committed);
    let second = put(store, &key, "one").await;
    assert_ne!(first, second);
    let mut stale = store.txn(org());
    stale.check_version(key.clone(), first).delete(key.clone());
    assert_eq!(store.commit(stale).await.unwrap(), Outcome::Conflict);
}

async fn deletes_come_before_puts_and_adds(bench: Bench) {
    let store = &bench.store;
    put(store, &record("jobs/1"), "old").await;
    let mut txn = store.txn(org());
    txn.add(counter("total"), 5);
    assert_eq!(store.commit(txn).await.unwrap(), Outcome::Committed);
    let mut txn = store.txn(org());
    txn.put_bytes(record("jobs/1"), b"new".to_vec(), None)
        .add(counter("total"), 2)
        .delete(record("jobs/1"))
        .delete(counter("total"));
    assert_eq!(store.commit(txn).await.unwrap(), Outcome::Committed);
    assert_eq!(value(store, &record("jobs/1")).await.as_deref(), Some("new"));
    assert_eq!(names(store, "jobs/", None, 10).await, ["jobs/1"]);
    assert_eq!(store.counters(&[counter("total")]).await.unwrap(), [2]);
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

async fn misuse_is_refused_before_anything_is_written(bench: Bench) {
    let store = &bench.store;
    let mut refused: Vec<Txn> = Vec::new();
    let mut with = |change: &dyn Fn(&mut Txn)| {
        let mut txn = store.txn(org());
        txn.put_bytes(record("witness"), b"x".to_vec(), None);
        change(&mut txn);
        refused.push(txn);
    };
    with(&|txn| {
        txn.delete(Key::record(Partition::new("org", "other"), "name"));
    });
    with(&|txn| {
        txn.check_absent(Key::record(Partition::new("user", "abc"), "name"));
    });
    with(&|txn| {
        txn.add(Key::record(org(), "name"), 1);
    });
    with(&|txn| {
        txn.put_bytes(counter("name"), vec![], None);
    });
    with(&|txn| {
        txn.check_absent(counter("name"));
    });
    with(&|txn| {
        txn.put_bytes(record(&"x".repeat(201)), vec![], None);
    });
    with(&|txn| {
        txn.put_bytes(record("name"), vec![0; MAX_BYTES], None);
    });
    with(&|txn| {
        for i in 0..MAX_OPERATIONS {
            txn.add(counter(&i.to_string()), 1);
        }
    });
    let mut odd = store.txn(Partition::from_text("org/{a}"));
    odd.delete(Key::record(Partition::from_text("org/{a}"), "name"));
    refused.push(odd);
    for txn in refused {
        let outcome = store.commit(txn).await;
        assert!(matches!(outcome, Err(StoreError::Misuse(_))), "{outcome:?}");
    }
    assert_eq!(value(store, &record("witness")).await, None);
}

async fn the_largest_commit_goes_through(bench: Bench) {
    let store = &bench.store;
    let mut txn = store.txn(org());
    for i in 0..MAX_OPERATIONS {
        txn.put_bytes(record(&format!("rows/{i:04}")), vec![b'x'; 2_000], None);
    }
    assert_eq!(store.commit(txn).await.unwrap(), Outcome::Committed);
    let page = names(store, "rows/", Some("rows/0999"), 5_000).await;
    assert_eq!(page.len(), 1_000);
    assert_eq!(page[999], "rows/1999");
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
