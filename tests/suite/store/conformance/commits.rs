//! Commits: checks, races, order, limits.

use flybridge::store::{Attempt, Key, MAX_BYTES, MAX_OPERATIONS, Outcome, Partition, StoreError, Txn, Version};
use futures_util::future::join_all;

use super::super::{Bench, counter, on_every_backend, org, record};
use super::{names, put, value};

on_every_backend! {
    a_write_replaces_only_the_version_that_was_read,
    absence_can_be_required,
    a_conflict_writes_nothing,
    one_of_many_racers_wins,
    everybody_gets_through_in_the_retry_loop,
    versions_are_not_reused_after_deletion,
    deletes_come_before_puts_and_adds,
    misuse_is_refused_before_anything_is_written,
    the_largest_commit_goes_through,
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
