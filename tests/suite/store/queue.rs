//! The queue, on every backend.

#[path = "queue/jobs.rs"]
mod jobs;
#[path = "queue/places.rs"]
mod places;

use std::time::Duration;

use flybridge::clock::Timestamp;
use flybridge::domain::ids::JobId;
use flybridge::store::queue::{Leased, Queue};
use flybridge::store::{Key, Outcome, Partition, StoreError};
use serde::{Deserialize, Serialize};

use super::{Bench, org};

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
