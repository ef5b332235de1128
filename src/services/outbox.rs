//! The workers: they take jobs from the queues, do them, and commit the outcome together with the end of the job.
//!
//! Mail that does not go out is tried again after 30 s, 1 min, 2 min ... at most 1 h (full jitter), [`MAX_TRIES`] times
//! in all, about seven hours. What is wrong with *our* side (credentials, TLS, a server that takes nothing from us)
//! stops the mail queue for [`PAUSE`] and counts as no try of anybody's mail.

mod letters;
mod mail;
mod rate;
mod work;

use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use futures_util::StreamExt as _;
use futures_util::stream;
use tokio::sync::watch;

use super::directory::Directory;
use super::disable::Disable;
use super::jobs::Jobs;
use super::mail::Mailer;
use super::setup_links::SetUpLinks;
use super::vault::Vault;
use crate::store::queue::Backoff;
use crate::store::{Store, StoreError};

pub use letters::Links;
pub use rate::Rate;

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
    /// Mails taken at once: no more than the rate lets out well before their lease ends.
    pub batch: usize,
    /// The longest time between two looks at the queues.
    pub poll: Duration,
}

/// Whether mail leaves; told by `readyz` and the log.
#[derive(Debug, Default)]
pub struct MailHealth(RwLock<Option<String>>);

impl MailHealth {
    /// Why no mail leaves at the moment; none when all is well.
    #[must_use]
    pub fn trouble(&self) -> Option<String> {
        self.0.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn set(&self, trouble: Option<String>) {
        let mut now = self.0.write().unwrap_or_else(PoisonError::into_inner);
        if *now == trouble {
            return;
        }
        if let Some(trouble) = &trouble {
            tracing::error!(trouble, "mail has stopped");
        } else {
            tracing::info!("mail goes on");
        }
        *now = trouble;
    }
}

/// What a worker works with.
pub struct Outbox {
    pub store: Store,
    pub jobs: Arc<Jobs>,
    pub directory: Arc<Directory>,
    pub disable: Arc<Disable>,
    pub set_up_links: Arc<SetUpLinks>,
    pub mailer: Arc<Mailer>,
    pub vault: Arc<Vault>,
    pub links: Links,
    pub rate: Rate,
    pub rules: WorkerRules,
    pub health: Arc<MailHealth>,
}

impl Outbox {
    /// Works until `stop` says so, then finishes what is in hand.
    pub async fn run(&self, stop: watch::Receiver<bool>) {
        tokio::join!(self.run_mail(stop.clone()), self.run_work(stop.clone()), self.run_housekeeping(stop));
    }

    async fn run_mail(&self, mut stop: watch::Receiver<bool>) {
        while !*stop.borrow() {
            let found = self.mail_once().await.unwrap_or_else(|error| {
                tracing::error!(%error, "the mail queue cannot be read");
                0
            });
            if self.health.trouble().is_some() {
                self.forget_old_trouble(found).await;
                either(&mut stop, self.store.clock().sleep(PAUSE)).await;
            } else if found == 0 {
                either(&mut stop, self.jobs.mail.wait(self.rules.poll)).await;
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

    async fn run_work(&self, mut stop: watch::Receiver<bool>) {
        while !*stop.borrow() {
            let found = self.work_once().await.unwrap_or_else(|error| {
                tracing::error!(%error, "the work queue cannot be read");
                0
            });
            if found == 0 {
                either(&mut stop, self.jobs.work.wait(self.rules.poll)).await;
            }
        }
    }

    /// Removes what has long expired, in small steps.
    async fn run_housekeeping(&self, mut stop: watch::Receiver<bool>) {
        const STEP: usize = 500;
        while !*stop.borrow() {
            let removed = self.store.collect(STEP).await.unwrap_or_else(|error| {
                tracing::warn!(%error, "expired records could not be removed");
                0
            });
            let pause = if removed == STEP { Duration::from_secs(1) } else { Duration::from_mins(10) };
            either(&mut stop, self.store.clock().sleep(pause)).await;
        }
    }

    /// One look at the mail queue: takes what is due and sends it. How many mails were taken.
    pub async fn mail_once(&self) -> Result<usize, StoreError> {
        let mut taken = 0;
        let batch = if self.health.trouble().is_some() { 1 } else { self.rules.batch };
        for place in self.jobs.mail.ready(self.rules.concurrency).await? {
            let extend = |taking| self.disable.mark_sending(taking);
            let jobs = self.jobs.mail.take::<StoreError, _, _>(&place, batch, extend).await?;
            taken += jobs.len();
            stream::iter(jobs).for_each_concurrent(self.rules.concurrency, |job| self.deliver(job)).await;
            if self.health.trouble().is_some() {
                break;
            }
        }
        Ok(taken)
    }

    /// One look at the work queue. How many jobs were taken.
    pub async fn work_once(&self) -> Result<usize, StoreError> {
        let mut taken = 0;
        for place in self.jobs.work.ready(self.rules.concurrency).await? {
            let jobs = self.jobs.work.take(&place, self.rules.concurrency, |taking| async { Ok(taking) }).await?;
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

/// Waits for `until`, or for the word to stop.
async fn either(stop: &mut watch::Receiver<bool>, until: impl Future<Output = ()>) {
    let until = std::pin::pin!(until);
    let stopped = std::pin::pin!(stop.wait_for(|stop| *stop));
    futures_util::future::select(until, stopped).await;
}
