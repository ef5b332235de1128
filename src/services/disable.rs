//! "Disable Fly.io Auth": the services around the pure state machine of [`crate::domain::disable`].
//!
//! - [`bounced`]: letters that a mail server took and could not deliver
//! - [`came_back`]: word to clients that a password opens an organization no more
//! - [`click`]: the one commit that switches an organization, and the one that switches it back
//! - [`context`]: what decides about a member's mail
//! - [`fan_out`]: rows and mail jobs, a chunk a commit
//! - [`ledger`]: what happened to each member's mail
//! - [`left_out`]: members who are not to come along, and letting them in after all
//! - [`order`]: wishes of programs and operators, each fulfilled once
//! - [`preview`]: who would be affected
//! - [`remind`]: those who have set no password yet
//! - [`resend`]: a mail once more, for one member or, a chunk a commit, for many

pub mod bounced;
pub mod came_back;
pub mod click;
pub mod context;
pub mod fan_out;
pub mod ledger;
pub mod left_out;
pub mod order;
pub mod preview;
pub mod remind;
pub mod resend;

use std::sync::Arc;

use super::directory::Directory;
use super::jobs::{Jobs, Work};
use crate::domain::disable::{RowStatus, Run, Totals};
use crate::domain::ids::{OrganizationId, RunId};
use crate::store::queue::Leased;
use crate::store::records::Entry;
use crate::store::{Key, Outcome, Store, StoreError, Txn, keys};

/// Members in one commit.
const CHUNK: usize = 200;
const TRIES: usize = 5;

pub struct Disable {
    store: Store,
    jobs: Arc<Jobs>,
    directory: Arc<Directory>,
}

impl Disable {
    #[must_use]
    pub fn new(store: Store, jobs: Arc<Jobs>, directory: Arc<Directory>) -> Arc<Self> {
        Arc::new(Self { store, jobs, directory })
    }

    pub async fn run(&self, organization: &OrganizationId, run: &RunId) -> Result<Option<Entry<Run>>, StoreError> {
        self.store.read(&keys::run(organization, run)).await
    }

    /// The name of the queue that the mails of runs wait in.
    #[must_use]
    pub fn mail_queue(&self) -> &str {
        self.jobs.mail.name()
    }

    /// Does a chunk of a job's work, `once` and with its end in one commit. Tried again at once when a member or the run
    /// changed meanwhile; a job that was lost or keeps losing comes back when its lease has passed.
    async fn do_chunk<F, Fut>(&self, job: &Leased<Work>, once: F) -> Result<(), StoreError>
    where
        F: Fn() -> Fut,
        Fut: Future<Output = Result<Outcome, StoreError>>,
    {
        for _ in 0..TRIES {
            if once().await? == Outcome::Committed || !self.jobs.work.holds(job).await? {
                break;
            }
        }
        self.jobs.mail.wake();
        Ok(())
    }

    /// The totals of a run, read in one go; they add up unless a commit fell between two counters.
    pub async fn totals(&self, organization: &OrganizationId, run: &RunId) -> Result<Totals, StoreError> {
        let mut wanted: Vec<Key> = RowStatus::ALL.map(|status| keys::run_total(organization, run, status)).to_vec();
        wanted.push(keys::run_members(organization, run));
        wanted.push(keys::run_ready(organization, run));
        wanted.push(keys::run_left_out(organization, run));
        let found = self.store.counters(&wanted).await?;
        let [queued, sending, sent, failed, cancelled, members, ready, left_out] = found[..] else {
            return Err(StoreError::Corrupt("counters of a run".to_owned()));
        };
        Ok(Totals { members, queued, sending, sent, failed, cancelled, ready, left_out })
    }
}

/// Changes the totals of a run, in the commit that changes its rows.
fn recount(txn: &mut Txn, organization: &OrganizationId, run: &RunId, mut change: Totals) {
    for status in RowStatus::ALL {
        txn.add(keys::run_total(organization, run, status), *change.of(status));
    }
    txn.add(keys::run_members(organization, run), change.members);
    txn.add(keys::run_ready(organization, run), change.ready);
    txn.add(keys::run_left_out(organization, run), change.left_out);
}
