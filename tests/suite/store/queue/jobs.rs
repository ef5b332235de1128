//! Jobs: taking, leases, retries, ends.

use std::collections::BTreeSet;
use std::time::Duration;

use flybridge::random::{Random as _, SeededRandom};
use flybridge::store::queue::Leased;
use flybridge::store::{Key, Outcome, Partition, StoreError, Txn};
use futures_util::future::join_all;

use super::super::{Bench, counter, on_every_backend, org, record};
use super::{LEASE, Mail, finish, id, mail, names, push, push_in, queue, ready, take};

on_every_backend! {
    a_job_comes_with_its_cause_and_goes_with_its_outcome,
    jobs_are_taken_in_the_order_of_their_time,
    racing_takers_never_share_a_job,
    a_dead_workers_jobs_come_back,
    a_lost_lease_finishes_nothing,
    a_lease_that_nobody_took_over_still_finishes,
    a_retry_waits_and_counts,
    a_buried_job_stays_readable_and_can_be_revived,
    an_unreadable_job_does_not_hold_up_the_others,
    nothing_is_lost_when_workers_die_at_random,
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
