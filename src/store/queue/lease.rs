//! Who may work on a job: the rules of the queue that need no store.

use std::time::Duration;

use crate::clock::Timestamp;
use crate::store::{Check, Key, Version};

/// That a worker has taken a job.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Lease {
    /// From then on somebody else may take the job.
    pub until: Timestamp,
    /// The fencing token: the version of the record that taking the job wrote.
    pub version: Version,
}

impl Lease {
    /// Takes a job that is visible from `visible_at` on. None before that: it waits, or somebody works on it.
    #[must_use]
    pub fn begin(visible_at: Timestamp, now: Timestamp, span: Duration, version: Version) -> Option<Self> {
        (visible_at <= now).then(|| Self { until: now.plus(span), version })
    }

    /// What the commit of the outcome checks: that nobody else has taken the job since.
    #[must_use]
    pub fn fence(&self, job: Key) -> Check {
        Check { key: job, version: Some(self.version) }
    }
}
