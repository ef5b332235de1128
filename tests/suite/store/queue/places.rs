//! Where work is due: announcements, marks, and their end.

use std::collections::BTreeSet;
use std::time::Duration;

use flybridge::store::queue::Queue;
use flybridge::store::{Outcome, Partition, StoreError, Version};

use super::super::{Bench, on_every_backend, org};
use super::{LEASE, Mail, finish, id, mail, names, push, push_in, queue, ready, take};
use crate::support::interrupted::Interrupted;

on_every_backend! {
    queues_of_a_partition_are_independent,
    lanes_of_a_queue_are_found_together_and_worked_apart,
    many_lanes_are_all_found,
    a_later_job_costs_no_looks_until_an_earlier_one_is_announced,
    a_mark_without_a_job_is_removed_in_the_end,
    a_commit_that_comes_late_after_its_announcement_is_found,
    an_announcement_during_the_cleaning_wins,
    what_was_announced_otherwise_is_refused,
    every_place_gets_its_turn,
    the_commit_of_a_stopped_process_comes_to_nothing,
}

async fn queues_of_a_partition_are_independent(bench: Bench) {
    let mails = queue(&bench);
    let work: Queue<Mail> = Queue::new(bench.store.clone(), "work", LEASE);
    push(&mails, "a", bench.store.now()).await;
    assert!(ready(&work).await.is_empty());
    push(&work, "b", bench.store.now()).await;
    assert_eq!(names(&take(&work, 10).await), ["b"]);
    assert_eq!(ready(&mails).await, [org()]);
    assert_eq!(names(&take(&mails, 10).await), ["a"]);
}

async fn lanes_of_a_queue_are_found_together_and_worked_apart(bench: Bench) {
    let queue = queue(&bench);
    let (left, right) = (queue.lane("left"), queue.lane("right"));
    assert_eq!((left.name(), right.name()), ("mail.left", "mail.right"));
    let now = bench.store.now();
    let places: Vec<Partition> = (0..5).map(|n| Partition::new("user", &format!("u{n}"))).collect();
    for place in &places {
        push_in(&left, place, "a", now).await;
    }
    push_in(&right, &places[0], "b", now).await;
    push_in(&right, &places[1], "c", now.plus(Duration::from_secs(5))).await;
    push(&queue, "d", now).await;

    let lanes = queue.ready_lanes(3).await.unwrap();
    assert_eq!(lanes.keys().collect::<Vec<_>>(), ["left", "right"]);
    assert_eq!((lanes["left"].len(), lanes["right"].as_slice()), (3, &places[..1]));
    assert_eq!(ready(&queue).await, [org()], "what is in no lane stays apart");
    let take = async |lane: &Queue<Mail>, place: &Partition| {
        lane.take(place, 10, async |taking| Ok::<_, StoreError>(taking)).await.unwrap()
    };
    let mut jobs = take(&right, &places[0]).await;
    assert_eq!(names(&jobs), ["b"]);
    assert_eq!(finish(&right, &jobs.remove(0)).await, Outcome::Committed);
    assert!(take(&right, &places[1]).await.is_empty(), "not due yet");
    assert!(take(&right, &places[2]).await.is_empty(), "of another lane");
    assert_eq!(names(&take(&left, &places[0]).await), ["a"]);
    let announced = left.announce(&places[4], now).await.unwrap();
    let mut txn = bench.store.txn(places[4].clone());
    let misplaced = right.push(&mut txn, &announced, &id("e"), now, mail("e"));
    assert!(matches!(misplaced, Err(StoreError::Misuse(_))), "a lane is announced by itself");
}

async fn many_lanes_are_all_found(bench: Bench) {
    let queue = queue(&bench);
    let now = bench.store.now();
    for n in 0..40 {
        let lane = queue.lane(&format!("lane{n:02}"));
        let _ = lane.announce(&Partition::new("user", "u"), now).await.unwrap();
        let _ = lane.announce(&Partition::new("user", &format!("v{n}")), now).await.unwrap();
    }
    let lanes = queue.ready_lanes(10).await.unwrap();
    assert_eq!((lanes.len(), lanes.values().map(Vec::len).sum::<usize>()), (40, 80));
}

async fn a_later_job_costs_no_looks_until_an_earlier_one_is_announced(bench: Bench) {
    let (queue, now) = (queue(&bench), bench.store.now());
    push(&queue, "tomorrow", now.plus(Duration::from_hours(24))).await;
    assert!(ready(&queue).await.is_empty());
    bench.advance(Duration::from_mins(10));
    assert!(ready(&queue).await.is_empty());
    let soon = bench.store.now().plus(Duration::from_secs(5));
    push(&queue, "soon", soon).await;
    bench.advance(Duration::from_secs(5));
    assert_eq!(ready(&queue).await, [org()]);
    let job = take(&queue, 10).await.remove(0);
    assert_eq!(finish(&queue, &job).await, Outcome::Committed);
    bench.advance(Duration::from_mins(10));
    assert!(take(&queue, 10).await.is_empty());
    assert!(ready(&queue).await.is_empty());
    let stats = queue.stats().await.unwrap();
    assert_eq!((stats.partitions, stats.ready, stats.oldest_due), (1, 0, None));
    bench.advance(Duration::from_hours(24));
    assert_eq!(ready(&queue).await, [org()]);
    assert_eq!(names(&take(&queue, 10).await), ["tomorrow"]);
}

async fn a_mark_without_a_job_is_removed_in_the_end(bench: Bench) {
    let queue = queue(&bench);
    let _ = queue.announce(&org(), bench.store.now()).await.unwrap();
    let mut looks = 0;
    for _ in 0..400 {
        if !ready(&queue).await.is_empty() {
            looks += 1;
            assert!(take(&queue, 10).await.is_empty());
        }
        bench.advance(Duration::from_secs(1));
    }
    assert_eq!(queue.stats().await.unwrap().partitions, 0);
    assert!((5..15).contains(&looks), "{looks} looks");
}

async fn a_commit_that_comes_late_after_its_announcement_is_found(bench: Bench) {
    let (queue, store) = (queue(&bench), &bench.store);
    for (round, delay) in [0, 1, 7, 59].into_iter().enumerate() {
        let (name, partition) = (format!("job{round}"), Partition::new("org", &format!("o{round}")));
        let announced = queue.announce(&partition, store.now()).await.unwrap();
        // Workers look all the time, and find nothing yet.
        for _ in 0..delay {
            assert!(queue.take(&partition, 1, async |t| Ok::<_, StoreError>(t)).await.unwrap().is_empty());
            bench.advance(Duration::from_secs(1));
        }
        let mut txn = store.txn(partition.clone());
        queue.push(&mut txn, &announced, &id(&name), store.now(), mail("x")).unwrap();
        assert_eq!(store.commit(txn).await.unwrap(), Outcome::Committed);
        let mut waited = 0;
        while !ready(&queue).await.contains(&partition) {
            bench.advance(Duration::from_secs(1));
            waited += 1;
        }
        assert!(waited <= delay.max(1), "announced {delay} s before, found after {waited} s");
        assert_eq!(names(&queue.take(&partition, 9, async |t| Ok::<_, StoreError>(t)).await.unwrap()), [name]);
    }
}

async fn an_announcement_during_the_cleaning_wins(bench: Bench) {
    let queue = queue(&bench);
    let _ = queue.announce(&org(), bench.store.now()).await.unwrap();
    bench.advance(Duration::from_mins(10));
    // Between the cleaner's look and its commit, another process announces a job and brings it.
    let other = queue.clone();
    let before = async move { push(&other, "a", other.store().now()).await };
    let interrupted = Interrupted::new(&bench.store, "due/", before);
    let cleaning: Queue<Mail> = Queue::new(interrupted.store(), "mail", LEASE);
    assert!(take(&cleaning, 10).await.is_empty());
    assert!(interrupted.happened());
    assert_eq!(ready(&queue).await, [org()]);
    assert_eq!(names(&take(&queue, 10).await), ["a"]);
}

async fn what_was_announced_otherwise_is_refused(bench: Bench) {
    let (queue, store) = (queue(&bench), &bench.store);
    let announced = queue.announce(&org(), store.now()).await.unwrap();
    let other: Queue<Mail> = Queue::new(store.clone(), "work", LEASE);
    let mut elsewhere = store.txn(Partition::new("org", "other"));
    let mut here = store.txn(org());
    let early = store.now().minus(Duration::from_millis(1));
    let refused = [
        queue.push(&mut elsewhere, &announced, &id("a"), store.now(), mail("a")),
        other.push(&mut here, &announced, &id("a"), store.now(), mail("a")),
        queue.push(&mut here, &announced, &id("a"), early, mail("a")),
    ];
    for outcome in refused {
        assert!(matches!(outcome, Err(StoreError::Misuse(_))), "{outcome:?}");
    }
    assert!(here.is_empty() && elsewhere.is_empty());
    bench.advance(Duration::from_secs(61));
    let mut late = store.txn(org());
    let outcome = queue.push(&mut late, &announced, &id("a"), store.now(), mail("a"));
    assert!(matches!(outcome, Err(StoreError::Misuse(_))), "{outcome:?}");
}

async fn every_place_gets_its_turn(bench: Bench) {
    let queue = queue(&bench);
    for i in 0..12 {
        push_in(&queue, &Partition::new("org", &format!("o{i}")), "a", bench.store.now()).await;
    }
    assert_eq!(ready(&queue).await.into_iter().collect::<BTreeSet<_>>().len(), 12);
    let mut seen = BTreeSet::new();
    for _ in 0..200 {
        let some = queue.ready(3).await.unwrap();
        assert_eq!(some.iter().collect::<BTreeSet<_>>().len(), 3);
        seen.extend(some);
    }
    assert_eq!(seen.len(), 12);
    let stats = queue.stats().await.unwrap();
    assert_eq!((stats.partitions, stats.ready, stats.oldest_due), (12, 12, Some(bench.store.now())));
}

async fn the_commit_of_a_stopped_process_comes_to_nothing(bench: Bench) {
    let (queue, store) = (queue(&bench), &bench.store);
    let announced = queue.announce(&org(), store.now()).await.unwrap();
    let mut txn = store.txn(org());
    queue.push(&mut txn, &announced, &id("a"), store.now(), mail("a")).unwrap();
    // The process is stopped here, and goes on when the mark has long been removed.
    bench.advance(Duration::from_mins(10));
    assert!(take(&queue, 10).await.is_empty());
    assert_eq!(queue.stats().await.unwrap().partitions, 0);
    assert_eq!(store.commit(txn).await.unwrap(), Outcome::Conflict);
    assert!(store.scan(&org(), "job/", None, 10).await.unwrap().is_empty());
    assert_ne!(store.txn(org()).version(), Version(0));
}
