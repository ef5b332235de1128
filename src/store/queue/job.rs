//! Jobs: waiting, held by a worker, given up.

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::lease::Lease;
use crate::clock::Timestamp;
use crate::domain::ids::JobId;
use crate::store::records::Stored;
use crate::store::{Key, Partition, Txn};

/// A job as it is kept.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(bound = "T: Serialize + DeserializeOwned")]
pub struct Job<T> {
    /// How often it was taken.
    pub attempts: u32,
    pub created_at: Timestamp,
    pub payload: T,
}

impl<T: Serialize + DeserializeOwned + Send> Stored for Job<T> {}

/// A job that was given up.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(bound = "T: Serialize + DeserializeOwned")]
pub struct DeadJob<T> {
    pub reason: String,
    pub died_at: Timestamp,
    pub job: Job<T>,
}

impl<T: Serialize + DeserializeOwned + Send> Stored for DeadJob<T> {}

/// [`DeadJob`] for writing, which needs no copy of the job.
#[derive(Serialize)]
#[serde(bound = "T: Serialize + DeserializeOwned")]
pub(super) struct Burial<'a, T> {
    pub(super) reason: &'a str,
    pub(super) died_at: Timestamp,
    pub(super) job: &'a Job<T>,
}

/// A job that this worker holds until its lease ends.
#[derive(Debug, Clone)]
pub struct Leased<T> {
    pub(super) id: JobId,
    pub(super) key: Key,
    pub(super) lease: Lease,
    pub(super) job: Job<T>,
}

impl<T> Leased<T> {
    #[must_use]
    pub fn id(&self) -> &JobId {
        &self.id
    }

    #[must_use]
    pub fn partition(&self) -> &Partition {
        self.key.partition()
    }

    /// Counts this attempt: 1 for the first.
    #[must_use]
    pub fn attempts(&self) -> u32 {
        self.job.attempts
    }

    #[must_use]
    pub fn created_at(&self) -> Timestamp {
        self.job.created_at
    }

    /// From then on somebody else may take the job.
    #[must_use]
    pub fn lease_until(&self) -> Timestamp {
        self.lease.until
    }

    #[must_use]
    pub fn payload(&self) -> &T {
        &self.job.payload
    }

    /// What is changed here is kept when the job is retried or buried.
    pub fn payload_mut(&mut self) -> &mut T {
        &mut self.job.payload
    }
}

/// Jobs about to be taken, and the commit that takes them; see [`super::Queue::take`].
pub struct Taking<T> {
    pub txn: Txn,
    pub jobs: Vec<Leased<T>>,
}
