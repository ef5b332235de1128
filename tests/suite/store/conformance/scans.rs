//! Scans.

use std::time::Duration;

use flybridge::store::{Key, Outcome, Partition, StoreError};

use super::super::{Bench, counter, on_every_backend, org, record};
use super::{names, put, put_until};

on_every_backend! {
    scans_are_ordered_and_paged,
    scans_skip_what_is_deleted_or_expired,
    scans_keep_to_their_prefix_and_partition,
    a_page_goes_past_any_number_of_expired_items,
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
