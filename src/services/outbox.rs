//! The workers: they take jobs from the queues, do them, and commit the outcome together with the end of the job.
//!
//! Mail that does not go out is tried again after 30 s, 1 min, 2 min ... at most 1 h (full jitter), [`MAX_TRIES`] times
//! in all, about seven hours. What is wrong with *our* side (credentials, TLS, a server that takes nothing from us)
//! stops the mail queue for [`PAUSE`] and counts as no try of anybody's mail. How clients are told of sign-outs is said in
//! [`logout`].
//!
//! Told to stop, the workers begin nothing new: no more jobs are taken, and a mail that still waits for its turn goes
//! back into the queue. What is under way is finished, which takes at most as long as one mail
//! ([`Limits::whole`](crate::services::mail::Limits::whole)), writing down what became of it, and a second to take leave of the mail server.

mod addresses;
mod letters;
pub mod logout;
mod mail;
mod rate;
mod reminders;
mod stop;
mod trouble;
mod turn;
mod work;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;

use super::back_channel::BackChannel;
use super::contacts::Contacts;
use super::directory::Directory;
use super::disable::Disable;
use super::jobs::{Jobs, Outgoing};
use super::mail::Mailer;
use super::message_ids::MessageIds;
use super::resealing::Resealing;
use super::setup_links::SetUpLinks;
use crate::domain::ids::{OrganizationId, RunId};
use crate::store::queue::{Backoff, Taking};
use crate::store::{Partition, Store, StoreError};

pub use letters::Links;
pub use rate::{Rate, Shares};
use stop::Stop;
pub use trouble::{MailHealth, MailTrouble};

/// Deliveries tried before a mail counts as failed.
pub const MAX_TRIES: u32 = 12;
/// How long the mail queue rests when the mail server wants nothing from us.
pub const PAUSE: Duration = Duration::from_secs(30);

const BACKOFF: Backoff = Backoff::new(Duration::from_secs(30), Duration::from_hours(1));

/// How much a worker does at once, and how often it looks.
#[derive(Debug, Clone, Copy)]
pub struct WorkerRules {
    /// Jobs at the same time.
    pub concurrency: usize,
    /// Mails sent at the same time: no more than the rate lets out well before their lease ends.
    pub batch: usize,
    /// Mails of one place before those of others have their turn.
    pub turn: usize,
    /// The longest time between two looks at the queues.
    pub poll: Duration,
}

/// What a worker works with.
pub struct Outbox {
    pub store: Store,
    pub jobs: Arc<Jobs>,
    pub directory: Arc<Directory>,
    pub disable: Arc<Disable>,
    pub set_up_links: Arc<SetUpLinks>,
    pub contacts: Arc<Contacts>,
    pub mailer: Arc<Mailer>,
    pub back_channel: BackChannel,
    pub resealing: Resealing,
    pub message_ids: MessageIds,
    pub links: Links,
    /// How long after the mailing of a run each reminder leaves.
    pub reminders: Vec<Duration>,
    pub rate: Rate,
    /// Of the mails of one run.
    pub shares: Shares,
    pub rules: WorkerRules,
    pub health: Arc<MailHealth>,
}

impl Outbox {
    /// Works until `stop` becomes true, then finishes what is under way.
    pub async fn run(&self, stop: watch::Receiver<bool>) {
        let stop = Stop::when(stop);
        // These two are large, and whoever runs the workers need not hold them in one piece.
        tokio::join!(
            Box::pin(self.run_mail(&stop)),
            Box::pin(self.run_work(&stop)),
            self.run_logouts(&stop),
            self.run_housekeeping(&stop)
        );
    }

    async fn run_mail(&self, stop: &Stop) {
        while !stop.is_said() {
            let found = self.mail_round(stop).await.unwrap_or_else(|error| {
                tracing::error!(%error, "the mail queue cannot be read");
                0
            });
            if self.health.trouble().is_some() {
                self.forget_old_trouble(found).await;
                stop.or(self.store.clock().sleep(PAUSE)).await;
            } else if found == 0 {
                stop.or(self.jobs.mail.wait(self.shares.pause(self.rules.poll))).await;
            }
        }
        self.mailer.close().await;
    }

    /// Trouble is known over when a mail leaves. With no mail left to try, nobody could find out.
    async fn forget_old_trouble(&self, found: usize) {
        let idle = found == 0 && self.jobs.mail.stats().await.is_ok_and(|stats| stats.partitions == 0);
        if idle {
            self.health.set(None);
        }
    }

    async fn run_work(&self, stop: &Stop) {
        while !stop.is_said() {
            let found = self.work_round(stop).await.unwrap_or_else(|error| {
                tracing::error!(%error, "the work queue cannot be read");
                0
            });
            if found == 0 {
                stop.or(self.jobs.work.wait(self.rules.poll)).await;
            }
        }
    }

    /// Removes what has long expired, in small steps.
    async fn run_housekeeping(&self, stop: &Stop) {
        const STEP: usize = 500;
        while !stop.is_said() {
            let removed = self.store.collect(STEP).await.unwrap_or_else(|error| {
                tracing::warn!(%error, "expired records could not be removed");
                0
            });
            let pause = if removed == STEP { Duration::from_secs(1) } else { Duration::from_mins(10) };
            stop.or(self.store.clock().sleep(pause)).await;
        }
    }

    /// One look at the mail queue: takes what is due and sends it. How many mails were taken.
    pub async fn mail_once(&self) -> Result<usize, StoreError> {
        self.mail_round(&Stop::never()).await
    }

    /// One look at the work queue. How many jobs were taken.
    pub async fn work_once(&self) -> Result<usize, StoreError> {
        self.work_round(&Stop::never()).await
    }

    async fn mail_round(&self, stop: &Stop) -> Result<usize, StoreError> {
        let mut taken = 0;
        for place in self.jobs.mail.ready(self.rules.concurrency).await? {
            if stop.is_said() {
                break;
            }
            taken += self.mail_turn(&place, stop).await?;
            if self.health.trouble().is_some() {
                break;
            }
        }
        self.tell_trouble().await;
        Ok(taken)
    }

    /// Ends the runs that are over with what was sent. Where the store gives no answer, the job that looks at each run from
    /// time to time does it.
    async fn finish_settled(&self, runs: BTreeSet<(OrganizationId, RunId)>) {
        for (organization, run) in runs {
            if let Err(error) = self.disable.finish_if_settled(&organization, &run).await {
                tracing::warn!(%error, %run, "whether a run is over cannot be told yet");
            }
        }
    }

    /// A row that cannot be read, perhaps of a newer program, keeps none of the mails back. Only the ledger does not
    /// say of these that they are being sent.
    async fn mark_sending(&self, taking: Taking<Outgoing>) -> Result<Taking<Outgoing>, StoreError> {
        let unmarked = Taking { txn: taking.txn.clone(), jobs: taking.jobs.clone() };
        match self.disable.mark_sending(taking).await {
            Err(StoreError::Corrupt(why)) => {
                tracing::error!(why, "a row of a run cannot be read");
                Ok(unmarked)
            }
            marked => marked,
        }
    }

    async fn work_round(&self, stop: &Stop) -> Result<usize, StoreError> {
        let mut taken = 0;
        for place in self.jobs.work.ready(self.rules.concurrency).await? {
            if stop.is_said() {
                break;
            }
            let jobs = self.jobs.work.take(&place, self.rules.concurrency, |taking| async { Ok(taking) }).await;
            let jobs = jobs.or_else(|error| pass_over(&place, error))?;
            taken += jobs.len();
            for job in jobs {
                if let Err(error) = self.perform(&job).await {
                    // The job comes back when its lease has passed.
                    tracing::warn!(%error, place = %job.partition(), "a job failed and will be tried again");
                }
            }
        }
        Ok(taken)
    }
}

/// What is wrong with one place does not concern the others; that the store gives no answer does.
fn pass_over<T>(place: &Partition, error: StoreError) -> Result<Vec<T>, StoreError> {
    match error {
        StoreError::Corrupt(_) | StoreError::Misuse(_) | StoreError::Contention(_) => {
            tracing::error!(%error, %place, "no job could be taken");
            Ok(Vec::new())
        }
        StoreError::Unavailable(_) | StoreError::Unfit(_) | StoreError::Full(_) => Err(error),
    }
}
