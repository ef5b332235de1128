//! Word to clients that sessions are over. Each client has a lane of its own, in which [`AT_ONCE`] are told at a time, so
//! one that is slow or gone holds up neither the others nor the mail.
//!
//! A client that gives no answer, or says that it cannot now, is told again after 10 s, 20 s, 40 s ... at most 15 min (full
//! jitter), for [`GIVE_UP`] in all, which makes some 50 attempts. Then nobody can be told any more: the client finds out
//! when it asks again, or when its own session ends. One that refuses the token, by 400 or anything else that will not get
//! better, is not told again.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use futures_util::{StreamExt as _, stream};
use tokio::sync::mpsc;

use super::stop::Stop;
use super::{Outbox, pass_over};
use crate::services::back_channel::Told;
use crate::services::jobs::LogoutNotice;
use crate::store::queue::{Backoff, Leased};
use crate::store::{Outcome, StoreError};

/// How many sign-outs one client is told at the same time, by one process.
const AT_ONCE: usize = 4;
/// How long a client is tried to be told of one sign-out.
pub const GIVE_UP: Duration = Duration::from_hours(6);

const BACKOFF: Backoff = Backoff::new(Duration::from_secs(10), Duration::from_mins(15));

/// How many are just being told, by client.
#[derive(Default)]
struct UnderWay(Mutex<BTreeMap<String, usize>>);

impl UnderWay {
    fn change<T>(&self, client: &str, change: impl FnOnce(&mut usize) -> T) -> T {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let count = all.entry(client.to_owned()).or_default();
        let result = change(count);
        if *count == 0 {
            all.remove(client);
        }
        result
    }

    fn free(&self, client: &str) -> usize {
        self.change(client, |count| AT_ONCE.saturating_sub(*count))
    }

    fn begin(&self, client: &str, more: usize) {
        self.change(client, |count| *count += more);
    }

    /// Whether all were taken until now, so that more may be waiting.
    fn end(&self, client: &str) -> bool {
        self.change(client, |count| {
            let full = *count >= AT_ONCE;
            *count = count.saturating_sub(1);
            full
        })
    }
}

impl Outbox {
    /// One looks for work and never waits for a client, the other tells the clients.
    pub(super) async fn run_logouts(&self, stop: &Stop) {
        let under_way = UnderWay::default();
        let (sender, receiver) = mpsc::unbounded_channel();
        let looking = async {
            let sender = sender;
            while !stop.is_said() {
                let taken = self.take_logouts(&under_way).await;
                let idle = taken.is_empty();
                for job in taken {
                    // The receiver goes on as long as there is a sender.
                    let _ = sender.send(job);
                }
                if idle {
                    stop.or(self.jobs.logout.wait(self.rules.poll)).await;
                }
            }
        };
        let jobs = stream::unfold(receiver, |mut receiver| async { Some((receiver.recv().await?, receiver)) });
        let telling = jobs.for_each_concurrent(None, |job| self.tell(job, &under_way));
        tokio::join!(looking, telling);
    }

    /// One look at the sign-outs that clients are to be told of: takes what is due, as much of each client as it is told
    /// at once, and tells them. How many were taken.
    ///
    /// # Errors
    /// When the store gives no answer; who could be taken before that is told.
    pub async fn logout_once(&self) -> Result<usize, StoreError> {
        let (under_way, mut taken) = (UnderWay::default(), Vec::new());
        let looked = self.take_into(&mut taken, &under_way).await;
        let count = taken.len();
        stream::iter(taken).for_each_concurrent(None, |job| self.tell(job, &under_way)).await;
        looked.map(|()| count)
    }

    /// Takes no more than can be told at once. What was taken before the store failed is still told.
    async fn take_logouts(&self, under_way: &UnderWay) -> Vec<Leased<LogoutNotice>> {
        let mut taken = Vec::new();
        if let Err(error) = self.take_into(&mut taken, under_way).await {
            tracing::error!(%error, "the queue of sign-outs cannot be read");
        }
        taken
    }

    async fn take_into(&self, taken: &mut Vec<Leased<LogoutNotice>>, under_way: &UnderWay) -> Result<(), StoreError> {
        for (client, places) in self.jobs.logout.ready_lanes(AT_ONCE).await? {
            let lane = self.jobs.logout.lane(&client);
            for place in places {
                let free = under_way.free(&client);
                if free == 0 {
                    break;
                }
                let jobs = lane.take(&place, free, |taking| async { Ok(taking) }).await;
                let jobs = jobs.or_else(|error| pass_over(&place, error))?;
                under_way.begin(&client, jobs.len());
                taken.extend(jobs);
            }
        }
        Ok(())
    }

    async fn tell(&self, job: Leased<LogoutNotice>, under_way: &UnderWay) {
        let told = self.back_channel.tell(job.payload(), self.store.now(), self.store.random()).await;
        if let Err(error) = self.conclude_logout(&job, told).await {
            // The job comes back when its lease has passed.
            tracing::warn!(%error, place = %job.partition(), "what became of a sign-out could not be written down");
        }
        if under_way.end(job.payload().client.as_str()) {
            self.jobs.logout.wake();
        }
    }

    async fn conclude_logout(&self, job: &Leased<LogoutNotice>, told: Told) -> Result<(), StoreError> {
        let LogoutNotice { client, user, .. } = job.payload();
        let lane = self.jobs.logout.lane(client.as_str());
        let mut txn = self.store.txn(job.partition().clone());
        match told {
            Told::Failed(why) if txn.now().since(job.created_at()) < GIVE_UP => {
                tracing::info!(%client, %user, why, attempts = job.attempts(), "a client is told of a sign-out later");
                let due = txn.now().plus(BACKOFF.delay(job.attempts(), self.store.random()));
                let announced = lane.announce(job.partition(), due).await?;
                lane.retry_at(&mut txn, &announced, job, due)?;
            }
            told => {
                match told {
                    Told::Done => tracing::info!(%client, %user, "a client was told of a sign-out"),
                    Told::NotWanted => tracing::info!(%client, %user, "a client no longer hears of sign-outs"),
                    Told::Refused(status) => {
                        tracing::warn!(%client, %user, status, "a client refused to be told of a sign-out");
                    }
                    Told::Failed(why) => {
                        let attempts = job.attempts();
                        tracing::error!(%client, %user, why, attempts, "a client was not told of a sign-out");
                    }
                }
                lane.finish(&mut txn, job);
            }
        }
        match self.store.commit(txn).await? {
            Outcome::Committed => {}
            Outcome::Conflict => tracing::info!("a client was told of a sign-out by another worker as well"),
        }
        Ok(())
    }
}
