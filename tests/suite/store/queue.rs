//! The queue, on every backend.

use std::collections::BTreeSet;
use std::time::Duration;

use flybridge::clock::Timestamp;
use flybridge::domain::ids::JobId;
use flybridge::random::{Random as _, SeededRandom};
use flybridge::store::queue::{Leased, Queue};
use flybridge::store::{Key, Outcome, Partition, StoreError, Txn, Version};
use futures_util::future::join_all;
use serde::{Deserialize, Serialize};

use super::{Bench, counter, on_every_backend, org, record};
use crate::support::interrupted::Interrupted;

on_every_backend! {
    a_job_comes_with_its_cause_and_goes_with_its_outcome,
    jobs_are_taken_in_the_order_of_their_time,
    racing_takers_never_share_a_job,
    a_dead_workers_jobs_come_back,
    a_lost_lease_finishes_nothing,
    a_lease_that_nobody_took_over_still_finishes,
    a_retry_waits_and_counts,
    a_buried_job_stays_readable_and_can_be_revived,
    queues_of_a_partition_are_independent,
    a_later_job_costs_no_looks_until_an_earlier_one_is_announced,
    a_mark_without_a_job_is_removed_in_the_end,
    a_commit_that_comes_late_after_its_announcement_is_found,
    an_announcement_during_the_cleaning_wins,
    what_was_announced_otherwise_is_refused,
    an_unreadable_job_does_not_hold_up_the_others,
    every_place_gets_its_turn,
    nothing_is_lost_when_workers_die_at_random,
    the_commit_of_a_stopped_process_comes_to_nothing,
}

const LEASE: Duration = Duration::from_mins(2);

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Mail {
    to: String,
}

fn mail(to: &str) -> Mail {
    Mail { to: to.to_owned() }
}

fn queue(bench: &Bench) -> Queue<Mail> {
    Queue::new(bench.store.clone(), "mail", LEASE)
}

fn id(text: &str) -> JobId {
    text.parse().unwrap()
}

async fn push_in(queue: &Queue<Mail>, partition: &Partition, name: &str, due: Timestamp) {
    let announced = queue.announce(partition, due).await.unwrap();
    let mut txn = queue.store().txn(partition.clone());
    queue.push(&mut txn, &announced, &id(name), due, mail(name)).unwrap();
    assert_eq!(queue.store().commit(txn).await.unwrap(), Outcome::Committed);
}

async fn push(queue: &Queue<Mail>, name: &str, due: Timestamp) {
    push_in(queue, &org(), name, due).await;
}

async fn take(queue: &Queue<Mail>, limit: usize) -> Vec<Leased<Mail>> {
    queue.take(&org(), limit, async |taking| Ok::<_, StoreError>(taking)).await.unwrap()
}

async fn finish(queue: &Queue<Mail>, job: &Leased<Mail>) -> Outcome {
    let mut txn = queue.store().txn(job.partition().clone());
    txn.add(Key::counter(job.partition().clone(), "sent"), 1);
    queue.finish(&mut txn, job);
    queue.store().commit(txn).await.unwrap()
}

fn names(jobs: &[Leased<Mail>]) -> Vec<&str> {
    jobs.iter().map(|job| job.id().as_str()).collect()
}

async fn ready(queue: &Queue<Mail>) -> Vec<Partition> {
    queue.ready(100).await.unwrap()
}

async fn a_job_comes_with_its_cause_and_goes_with_its_outcome(bench: Bench) {
    let (queue, store) = (queue(&bench), &bench.store);
    let announced = queue.announce(&org(), store.now()).await.unwrap();
    let mut cause = store.txn(org());
    cause.put_bytes(record("run"), b"x".to_vec(), None);
    queue.push(&mut cause, &announced, &id("a"), store.now(), mail("a@example.com")).unwrap();
    assert_eq!(store.commit(cause).await.unwrap(), Outcome::Committed);
    assert_eq!(ready(&queue).await, [org()]);

    let jobs: Vec<Leased<Mail>> = queue
        .take(&org(), 10, async |mut taking| {
            taking.txn.add(counter("sending"), i64::try_from(taking.jobs.len()).unwrap());
            Ok::<_, StoreError>(taking)
        })
        .await
        .unwrap();
    assert_eq!(jobs.len(), 1);
    assert_eq!((jobs[0].payload(), jobs[0].attempts()), (&mail("a@example.com"), 1));
    assert_eq!((jobs[0].created_at(), jobs[0].lease_until()), (store.now(), store.now().plus(LEASE)));
    assert_eq!(store.counters(&[counter("sending")]).await.unwrap(), [1]);
    assert!(take(&queue, 10).await.is_empty());

    assert_eq!(finish(&queue, &jobs[0]).await, Outcome::Committed);
    assert_eq!(finish(&queue, &jobs[0]).await, Outcome::Conflict);
    assert_eq!(store.counters(&[counter("sent")]).await.unwrap(), [1]);
    bench.advance(LEASE * 2);
    assert!(take(&queue, 10).await.is_empty());
}

async fn jobs_are_taken_in_the_order_of_their_time(bench: Bench) {
    let (queue, now) = (queue(&bench), bench.store.now());
    bench.advance(Duration::from_secs(10));
    push(&queue, "third", now.plus(Duration::from_secs(3))).await;
    push(&queue, "first", now.plus(Duration::from_secs(1))).await;
    push(&queue, "later", now.plus(Duration::from_secs(11))).await;
    push(&queue, "second", now.plus(Duration::from_secs(2))).await;
    assert_eq!(names(&take(&queue, 2).await), ["first", "second"]);
    assert_eq!(names(&take(&queue, 2).await), ["third"]);
    assert_eq!(names(&take(&queue, 2).await), [""; 0]);
    bench.advance(Duration::from_secs(1));
    assert_eq!(names(&take(&queue, 2).await), ["later"]);
}

async fn racing_takers_never_share_a_job(bench: Bench) {
    let queue = queue(&bench);
    let now = bench.store.now();
    let announced = queue.announce(&org(), now).await.unwrap();
    let mut txn = bench.store.txn(org());
    for i in 0..60 {
        queue.push(&mut txn, &announced, &id(&format!("job{i:02}")), now, mail("x")).unwrap();
    }
    assert_eq!(bench.store.commit(txn).await.unwrap(), Outcome::Committed);
    let workers = (0..4).map(|_| {
        let queue = queue.clone();
        tokio::spawn(async move {
            let mut mine = Vec::new();
            loop {
                let jobs = queue.take(&org(), 5, async |taking| Ok::<_, StoreError>(taking)).await;
                match jobs {
                    Ok(jobs) if jobs.is_empty() => return mine,
                    Ok(jobs) => mine.extend(jobs),
                    Err(StoreError::Contention(_)) => {}
                    Err(error) => panic!("{error}"),
                }
            }
        })
    });
    let mut all = Vec::new();
    for worker in join_all(workers).await {
        all.extend(worker.unwrap());
    }
    assert_eq!(all.len(), 60);
    assert_eq!(names(&all).into_iter().collect::<BTreeSet<_>>().len(), 60);
    for job in &all {
        assert_eq!(finish(&queue, job).await, Outcome::Committed);
    }
}

async fn a_dead_workers_jobs_come_back(bench: Bench) {
    let queue = queue(&bench);
    push(&queue, "a", bench.store.now()).await;
    drop(take(&queue, 10).await);
    bench.advance(Duration::from_millis(119_999));
    assert!(take(&queue, 10).await.is_empty());
    assert!(ready(&queue).await.is_empty());
    bench.advance(Duration::from_millis(1));
    assert_eq!(ready(&queue).await, [org()]);
    let jobs = take(&queue, 10).await;
    assert_eq!((names(&jobs), jobs[0].attempts()), (vec!["a"], 2));
}

async fn a_lost_lease_finishes_nothing(bench: Bench) {
    let (queue, store) = (queue(&bench), &bench.store);
    push(&queue, "a", store.now()).await;
    let slow = take(&queue, 10).await.remove(0);
    bench.advance(LEASE);
    let fast = take(&queue, 10).await.remove(0);

    let announced = queue.announce(&org(), store.now()).await.unwrap();
    let mut attempts: Vec<Txn> = (0..3).map(|_| store.txn(org())).collect();
    for txn in &mut attempts {
        txn.put_bytes(record("outcome"), b"by the slow one".to_vec(), None);
    }
    queue.finish(&mut attempts[0], &slow);
    queue.retry_at(&mut attempts[1], &announced, &slow, store.now()).unwrap();
    queue.bury(&mut attempts[2], &slow, "too slow").unwrap();
    for txn in attempts {
        assert_eq!(store.commit(txn).await.unwrap(), Outcome::Conflict);
    }
    assert!(store.get(&[record("outcome")]).await.unwrap()[0].is_none());
    assert!(store.list(&queue.dead(&org()), None, 10).await.unwrap().is_empty());
    assert_eq!(finish(&queue, &fast).await, Outcome::Committed);
}

async fn a_lease_that_nobody_took_over_still_finishes(bench: Bench) {
    let queue = queue(&bench);
    push(&queue, "a", bench.store.now()).await;
    let job = take(&queue, 10).await.remove(0);
    bench.advance(LEASE * 3);
    assert_eq!(finish(&queue, &job).await, Outcome::Committed);
    assert!(take(&queue, 10).await.is_empty());
}

async fn a_retry_waits_and_counts(bench: Bench) {
    let (queue, store) = (queue(&bench), &bench.store);
    push(&queue, "a", store.now()).await;
    for attempt in 1..4 {
        let mut job = take(&queue, 10).await.remove(0);
        assert_eq!(job.attempts(), attempt);
        assert_eq!(job.payload().to, if attempt == 1 { "a" } else { "changed" });
        *job.payload_mut() = mail("changed");
        // Nothing due any more: the mark goes to the end of the lease, and the retry must bring it back.
        assert!(take(&queue, 10).await.is_empty());
        let due = store.now().plus(Duration::from_secs(10));
        let announced = queue.announce(&org(), due).await.unwrap();
        let mut txn = store.txn(org());
        queue.retry_at(&mut txn, &announced, &job, due).unwrap();
        assert_eq!(store.commit(txn).await.unwrap(), Outcome::Committed);
        bench.advance(Duration::from_millis(9_999));
        assert!(take(&queue, 10).await.is_empty());
        bench.advance(Duration::from_millis(1));
        assert_eq!(ready(&queue).await, [org()]);
    }
}

async fn a_buried_job_stays_readable_and_can_be_revived(bench: Bench) {
    let (queue, store) = (queue(&bench), &bench.store);
    push(&queue, "a", store.now()).await;
    let job = take(&queue, 10).await.remove(0);
    let mut txn = store.txn(org());
    queue.bury(&mut txn, &job, "no such mailbox").unwrap();
    assert_eq!(store.commit(txn).await.unwrap(), Outcome::Committed);
    bench.advance(LEASE);
    assert!(take(&queue, 10).await.is_empty());

    let dead = store.list(&queue.dead(&org()), None, 10).await.unwrap().remove(0);
    assert_eq!((dead.item(), dead.value.reason.as_str()), ("a", "no such mailbox"));
    assert_eq!((&dead.value.job.payload, dead.value.job.attempts), (&mail("a"), 1));
    let announced = queue.announce(&org(), store.now()).await.unwrap();
    let mut txn = store.txn(org());
    queue.revive(&mut txn, &announced, dead, store.now()).unwrap();
    assert_eq!(store.commit(txn).await.unwrap(), Outcome::Committed);
    assert!(store.list(&queue.dead(&org()), None, 10).await.unwrap().is_empty());
    let job = take(&queue, 10).await.remove(0);
    assert_eq!((job.id().as_str(), job.attempts(), job.payload()), ("a", 1, &mail("a")));
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

async fn an_unreadable_job_does_not_hold_up_the_others(bench: Bench) {
    let (queue, store) = (queue(&bench), &bench.store);
    push(&queue, "b", store.now()).await;
    let name = format!("job/mail/{:015}-a", store.now().as_millis() - 1);
    let mut txn = store.txn(org());
    txn.put_bytes(record(&name), b"\x63 of a newer program".to_vec(), None);
    assert_eq!(store.commit(txn).await.unwrap(), Outcome::Committed);
    let mut taken = take(&queue, 1).await;
    assert!(taken.is_empty());
    taken = take(&queue, 1).await;
    assert_eq!(names(&taken), ["b"]);
    // It is still there, as it was.
    let left = store.scan(&org(), "job/mail/", None, 10).await.unwrap();
    let kept = left.iter().find(|(key, _)| key.name().ends_with("-a")).unwrap();
    assert_eq!(kept.1.value, b"\x63 of a newer program");
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

async fn nothing_is_lost_when_workers_die_at_random(bench: Bench) {
    let queue = queue(&bench);
    let random = SeededRandom::new(42);
    let places: Vec<Partition> = (0..3).map(|i| Partition::new("org", &format!("o{i}"))).collect();
    for i in 0..30 {
        push_in(&queue, &places[i % 3], &format!("job{i:02}"), bench.store.now()).await;
    }
    // A worker may die after taking, after half of its batch, or not at all.
    for _ in 0..2_000 {
        if queue.stats().await.unwrap().partitions == 0 {
            break;
        }
        for place in queue.ready(2).await.unwrap() {
            let jobs = queue.take(&place, 4, async |t| Ok::<_, StoreError>(t)).await.unwrap();
            let survives = usize::try_from(random.next_u64() % 5).unwrap();
            for job in jobs.iter().take(survives) {
                assert_eq!(finish(&queue, job).await, Outcome::Committed);
            }
        }
        bench.advance(Duration::from_secs(20));
    }
    assert_eq!(queue.stats().await.unwrap().partitions, 0);
    for place in &places {
        let sent = Key::counter(place.clone(), "sent");
        assert_eq!(bench.store.counters(&[sent]).await.unwrap(), [10]);
        assert!(bench.store.scan(place, "job/", None, 10).await.unwrap().is_empty());
    }
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

#[tokio::test]
async fn a_waiting_worker_is_woken() {
    let bench = Bench::sqlite();
    let queue = queue(&bench);
    let sleeper = queue.clone();
    let waiting = tokio::spawn(async move { sleeper.wait(Duration::from_hours(1)).await });
    queue.wake();
    tokio::time::timeout(Duration::from_secs(10), waiting).await.unwrap().unwrap();
    // A hint that comes before the wait is not lost either.
    queue.wake();
    tokio::time::timeout(Duration::from_secs(10), queue.wait(Duration::from_hours(1))).await.unwrap();
    // Without a hint the poll comes.
    let short = Queue::<Mail>::new(bench.store.clone(), "work", LEASE);
    tokio::time::timeout(Duration::from_secs(10), short.wait(Duration::from_millis(20))).await.unwrap();
}
