//! Counters.

use flybridge::store::{MAX_TOTAL, Outcome, StoreError};
use futures_util::future::join_all;

use super::super::{Bench, counter, on_every_backend, org, record};
use super::{put, value};

on_every_backend! {
    counters_only_add_up,
    counters_never_make_writers_collide,
    a_counter_that_would_grow_too_large_is_refused_whole,
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
