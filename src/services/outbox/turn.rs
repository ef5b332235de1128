//! The turn of one place: while some of its mails leave, the next ones are taken, few at a time. So neither waits for the
//! other, and other workers find the rest.

use std::collections::{BTreeSet, VecDeque};

use futures_util::StreamExt as _;
use futures_util::stream::FuturesUnordered;
use tokio::sync::Mutex;

use super::mail::Verdict;
use super::stop::Stop;
use super::{Outbox, PAUSE, pass_over};
use crate::domain::ids::{OrganizationId, RunId};
use crate::services::jobs::Outgoing;
use crate::store::queue::Leased;
use crate::store::{Partition, StoreError};

/// What those who send at the same time share.
struct Turn<'a> {
    place: &'a Partition,
    stop: &'a Stop,
    /// Mail has stopped, and one mail finds out whether it goes again.
    probe: bool,
    mails: Mutex<Mails>,
}

struct Mails {
    /// Taken, and not yet begun.
    waiting: VecDeque<Leased<Outgoing>>,
    /// How many may still be taken.
    left: usize,
}

/// What one of those who send has done: how many mails, and which runs may be over.
type Done = (usize, BTreeSet<(OrganizationId, RunId)>);

impl Outbox {
    /// How many mails were taken. An error comes when all that was begun is done.
    pub(super) async fn mail_turn(&self, place: &Partition, stop: &Stop) -> Result<usize, StoreError> {
        let probe = self.health.trouble().is_some();
        let left = if probe { 1 } else { self.rules.turn };
        let turn = Turn { place, stop, probe, mails: Mutex::new(Mails { waiting: VecDeque::new(), left }) };
        let senders: FuturesUnordered<_> = (0..self.rules.batch).map(|_| self.send_mails(&turn)).collect();
        let all: Vec<Result<Done, StoreError>> = senders.collect().await;
        let (mut taken, mut ended, mut failed) = (0, BTreeSet::new(), None);
        for done in all {
            match done {
                Ok((count, runs)) => {
                    taken += count;
                    ended.extend(runs);
                }
                Err(error) => failed = Some(error),
            }
        }
        self.finish_settled(ended).await;
        failed.map_or(Ok(taken), Err)
    }

    async fn send_mails(&self, turn: &Turn<'_>) -> Result<Done, StoreError> {
        let (mut count, mut runs) = (0, BTreeSet::new());
        while let Some(job) = self.next_mail(turn).await? {
            count += 1;
            runs.extend(self.deliver(job, turn.stop).await);
        }
        Ok((count, runs))
    }

    async fn next_mail(&self, turn: &Turn<'_>) -> Result<Option<Leased<Outgoing>>, StoreError> {
        let mut mails = turn.mails.lock().await;
        if turn.stop.is_said() || (self.health.trouble().is_some() && !turn.probe) {
            mails.left = 0;
            for job in std::mem::take(&mut mails.waiting) {
                self.put_back(job).await?;
            }
            return Ok(None);
        }
        if mails.waiting.is_empty() {
            let wanted = self.shares.of(turn.place, mails.left.min(self.rules.batch));
            if wanted == 0 {
                return Ok(None);
            }
            let jobs = self.jobs.mail.take(turn.place, wanted, |taking| self.mark_sending(taking)).await;
            // Whatever comes of it: where nothing is due any more, the others need not look.
            let left = std::mem::take(&mut mails.left);
            let jobs = jobs.or_else(|error| pass_over(turn.place, error))?;
            self.shares.take(turn.place, jobs.len());
            mails.left = if jobs.len() < wanted { 0 } else { left - jobs.len() };
            mails.waiting = jobs.into();
        }
        Ok(mails.waiting.pop_front())
    }

    /// A mail that was taken and not begun.
    async fn put_back(&self, mut job: Leased<Outgoing>) -> Result<(), StoreError> {
        let now = self.store.now();
        let (at, why) = match self.health.trouble() {
            Some(trouble) => (now.plus(PAUSE), trouble),
            None => (now, Self::STOPPED.to_owned()),
        };
        self.conclude(&mut job, Verdict::Later { at, why, counts: false }.into()).await.map(drop)
    }
}
