//! Word to clients that sessions are over. Each client has a lane of its own and is told of a few sign-outs at a time, so
//! one that is slow or gone holds up neither the others nor the mail.
//!
//! A client that gives no answer, or says that it cannot now, is told again after 10 s, 20 s, 40 s ... at most 15 min (full
//! jitter), for [`GIVE_UP`] in all, which makes some 50 attempts. Then nobody can be told any more: the client finds out
//! when it asks again, or when its own session ends. One that refuses the token, by 400 or anything else that will not get
//! better, is not told again.

use std::collections::BTreeMap;
use std::pin::pin;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use futures_util::future::{Either, select};
use futures_util::{StreamExt as _, stream};
use tokio::sync::{Notify, mpsc};

use super::Outbox;
use super::stop::Stop;
use crate::services::back_channel::Told;
use crate::services::jobs::LogoutNotice;
use crate::store::queue::{Backoff, Leased};
use crate::store::{Outcome, Partition, StoreError};

/// How many sign-outs one client is told at the same time, by one process.
const AT_ONCE: usize = 4;
/// How long a client is tried to be told of one sign-out.
pub const GIVE_UP: Duration = Duration::from_hours(6);

const BACKOFF: Backoff = Backoff::new(Duration::from_secs(10), Duration::from_mins(15));

/// Places with work that one look finds, of each client. A look reads the marks of all, so it has to be worth it.
const PLACES: usize = 256;

/// Places where sign-outs wait, by client.
type Places = BTreeMap<String, Vec<Partition>>;

/// How many are just being told, by client.
#[derive(Default)]
struct UnderWay {
    counts: Mutex<BTreeMap<String, usize>>,
    /// Told when somebody has been told.
    freed: Notify,
}

impl UnderWay {
    fn change<T>(&self, client: &str, change: impl FnOnce(&mut usize) -> T) -> T {
        let mut all = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
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

    fn end(&self, client: &str) {
        self.change(client, |count| *count = count.saturating_sub(1));
        self.freed.notify_one();
    }
}

impl Outbox {
    /// One looks for work and never waits for a client, the other tells the clients.
    pub(super) async fn run_logouts(&self, stop: &Stop) {
        let under_way = UnderWay::default();
        let (sender, receiver) = mpsc::unbounded_channel();
        let looking = async {
            // Gone with the last look, which ends the other.
            let sender = sender;
            let mut places = Places::new();
            let poll = || Box::pin(self.jobs.logout.wait(self.rules.poll));
            let mut next_look = poll();
            while !stop.is_said() {
                if places.is_empty() {
                    places = self.look().await;
                    // However busy one client keeps us, there may be work for another.
                    next_look = poll();
                }
                // The receiver goes on as long as there is a sender.
                let hand_over = |job| drop(sender.send(job));
                let looked_at = self.take_logouts(&mut places, &under_way, hand_over).await;
                if !places.is_empty() {
                    // Some client's turns are all taken.
                    let freed = pin!(under_way.freed.notified());
                    if let Some(Either::Right(_)) = stop.or(select(freed, next_look.as_mut())).await {
                        places.clear();
                    }
                } else if looked_at == 0 {
                    stop.or(next_look.as_mut()).await;
                }
            }
        };
        let jobs = stream::unfold(receiver, |mut receiver| async { Some((receiver.recv().await?, receiver)) });
        let telling = jobs.for_each_concurrent(None, |job| self.tell(job, &under_way));
        tokio::join!(looking, telling);
    }

    /// Tells clients of the sign-outs that are due, as far as one look finds them. How many places were looked at: with
    /// none, nothing is due.
    ///
    /// # Errors
    /// When the store gives no answer.
    pub async fn logout_once(&self) -> Result<usize, StoreError> {
        let (under_way, mut count) = (UnderWay::default(), 0);
        let mut places = self.jobs.logout.ready_lanes(PLACES).await?;
        while !places.is_empty() {
            let mut jobs = Vec::new();
            count += self.take_logouts(&mut places, &under_way, |job| jobs.push(job)).await;
            stream::iter(jobs).for_each_concurrent(None, |job| self.tell(job, &under_way)).await;
        }
        Ok(count)
    }

    async fn look(&self) -> Places {
        self.jobs.logout.ready_lanes(PLACES).await.unwrap_or_else(|error| {
            tracing::error!(%error, "the queue of sign-outs cannot be reached");
            Places::new()
        })
    }

    /// Takes no more than can be told at once, and hands it over at once, since its leases run. How many places it looked
    /// at; what is left of `places` is to be looked at when a turn is free.
    async fn take_logouts(
        &self,
        places: &mut Places,
        under_way: &UnderWay,
        mut hand_over: impl FnMut(Leased<LogoutNotice>),
    ) -> usize {
        let (mut looked_at, mut reached) = (0, true);
        'places: for (client, places) in &mut *places {
            let lane = self.jobs.logout.lane(client);
            while let free @ 1.. = under_way.free(client)
                && let Some(place) = places.pop()
            {
                match lane.take(&place, free, |taking| async { Ok::<_, StoreError>(taking) }).await {
                    Ok(jobs) => {
                        looked_at += 1;
                        under_way.begin(client, jobs.len());
                        jobs.into_iter().for_each(&mut hand_over);
                    }
                    // Another look finds the place again. The others may be better.
                    Err(error @ (StoreError::Corrupt(_) | StoreError::Misuse(_) | StoreError::Contention(_))) => {
                        tracing::error!(%error, %place, "no sign-out could be taken");
                    }
                    Err(error) => {
                        tracing::error!(%error, "the queue of sign-outs cannot be reached");
                        reached = false;
                        break 'places;
                    }
                }
            }
        }
        places.retain(|_, places| reached && !places.is_empty());
        looked_at
    }

    async fn tell(&self, job: Leased<LogoutNotice>, under_way: &UnderWay) {
        let told = self.back_channel.tell(job.payload(), self.store.now(), self.store.random()).await;
        if let Err(error) = self.conclude_logout(&job, told).await {
            // The job comes back when its lease has passed.
            tracing::warn!(%error, place = %job.partition(), "what became of a sign-out could not be written down");
        }
        under_way.end(job.payload().client.as_str());
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
