//! From a job to a mail that left, and what is written about it.

use super::letters::{Letter, Told};
use super::stop::Stop;
use super::{BACKOFF, MAX_TRIES, Outbox, PAUSE};
use crate::clock::Timestamp;
use crate::domain::disable::Row;
use crate::domain::email::mask_within;
use crate::domain::ids::{OrganizationId, RunId};
use crate::services::disable::ledger::{RowId, Settlement};
use crate::services::jobs::Outgoing;
use crate::services::mail::{Scope, SendError};
use crate::store::queue::Leased;
use crate::store::records::Entry;
use crate::store::{Outcome as Committed, StoreError};

/// What became of one job, what the mail server said last, and the row of the ledger as it was a moment ago.
pub(super) struct Outcome {
    verdict: Verdict,
    answer: Option<String>,
    row: Option<Box<Entry<Row>>>,
    /// Where a mail with a link went.
    to: Option<String>,
}

/// Whether a mail says what it would say if it were made now.
enum Standing {
    /// With its row, for one of a run.
    True(Option<Box<Entry<Row>>>),
    Changed,
}

pub(super) enum Verdict {
    Sent(Option<String>),
    /// It need not go out, and why.
    Needless(String),
    /// Another run's mail serves, and why.
    Served((OrganizationId, RunId), String),
    Failed(String),
    /// It could not even be tried.
    Impossible(String),
    /// Not now: again later; whether it counts as a try.
    Later {
        at: Timestamp,
        why: String,
        counts: bool,
    },
}

impl From<Verdict> for Outcome {
    /// Nothing was said by a mail server.
    fn from(verdict: Verdict) -> Self {
        Self { verdict, answer: None, row: None, to: None }
    }
}

impl From<Verdict> for Settlement {
    fn from(verdict: Verdict) -> Self {
        match verdict {
            Verdict::Sent(detail) => Self::Sent { detail },
            Verdict::Needless(detail) => Self::Cancelled { detail },
            Verdict::Served(on, detail) => Self::Rests { on, detail },
            Verdict::Failed(detail) => Self::Failed { detail },
            Verdict::Impossible(detail) => Self::Impossible { detail },
            Verdict::Later { at, why, counts } => Self::Later { at, detail: why, counts },
        }
    }
}

/// Of a letter that is not to be sent.
fn unsent(letter: Letter) -> Verdict {
    match letter {
        Letter::Send(..) => Verdict::Needless(String::new()),
        Letter::Needless(why) => Verdict::Needless(why),
        Letter::Served(on, why) => Verdict::Served(on, why),
        Letter::Impossible(why) => Verdict::Impossible(why),
    }
}

/// So often a job is taken before a failure of our own is believed to last.
const HOPELESS: u32 = 5;

impl Outbox {
    pub(super) const STOPPED: &str = "The worker was stopped before this mail left. It is one of the next to leave.";

    /// Does one mail job. A failure of the store leaves the job to its lease. Gives the run that may be over with it.
    pub(super) async fn deliver(&self, mut job: Leased<Outgoing>, stop: &Stop) -> Option<(OrganizationId, RunId)> {
        let result = match self.attempt(&job, stop).await {
            Ok(outcome) => self.conclude(&mut job, outcome).await,
            // Repeating does not mend a record that cannot be read or a mail that cannot be made.
            Err(error @ (StoreError::Corrupt(_) | StoreError::Misuse(_))) if job.attempts() >= HOPELESS => {
                tracing::error!(%error, mail = %job.payload().mail, "a mail cannot be made");
                let why = "Something is wrong with our own records. Tell whoever runs this service.";
                self.conclude(&mut job, Verdict::Impossible(why.to_owned()).into()).await
            }
            Err(error) => Err(error),
        };
        result.unwrap_or_else(|error| {
            tracing::warn!(%error, place = %job.partition(), "a mail job failed and will be tried again");
            None
        })
    }

    async fn attempt(&self, job: &Leased<Outgoing>, stop: &Stop) -> Result<Outcome, StoreError> {
        let (mut message, mut told) = match self.compose(job).await? {
            Letter::Send(message, told) => (message, told),
            letter => return Ok(unsent(letter).into()),
        };
        if stop.or(self.rate.permit()).await.is_none() {
            let why = Self::STOPPED.to_owned();
            return Ok(Verdict::Later { at: self.store.now(), why, counts: false }.into());
        }
        // At a low rate that takes long, and another worker may have come to believe that this one is dead.
        if self.jobs.mail.may_be_lost(job) && !self.jobs.mail.holds(job).await? {
            return Ok(Verdict::Needless(String::new()).into());
        }
        // While it waited for its turn, Fly.io may have been turned on again, or the person may have set a password.
        let row = match self.standing(job, &told).await? {
            Standing::True(row) => row,
            Standing::Changed => {
                (message, told) = match self.compose(job).await? {
                    Letter::Send(message, told) => (message, told),
                    letter => return Ok(unsent(letter).into()),
                };
                None
            }
        };
        match self.mailer.send(&message).await {
            Ok(accepted) => {
                self.health.set(None);
                let to = told.link.as_ref().map(|carried| carried.to.clone());
                if let Some(carried) = told.link {
                    let mail = (carried.to.as_str(), carried.made);
                    self.set_up_links.delivered(&carried.user, mail, carried.run.as_ref()).await?;
                }
                Ok(Outcome { verdict: Verdict::Sent(told.detail), answer: Some(accepted.answer), row, to })
            }
            Err(error) => {
                let verdict = self.judge(job, &error);
                // Before the job ends: dying in between repeats this attempt.
                if let (Verdict::Failed(_), Some(carried)) = (&verdict, &told.link) {
                    self.set_up_links.gave_up(&carried.user, job.id()).await?;
                }
                Ok(Outcome { verdict, answer: Some(error.said()), row, to: None })
            }
        }
    }

    async fn standing(&self, job: &Leased<Outgoing>, told: &Told) -> Result<Standing, StoreError> {
        let mail = &job.payload().mail;
        let context = if let Some(row) = RowId::of(mail) {
            self.disable.row_context(&row).await?.and_then(Result::ok)
        } else if let Some((row, _)) = RowId::of_reminder(mail) {
            let found = self.disable.reminder_context(&row).await?.ok();
            found.filter(|(_, member)| told.goes_to(member)).map(|(context, _)| context)
        } else {
            return Ok(Standing::True(None));
        };
        let same = context.filter(|context| told.link.is_none() || context.credential.is_none());
        Ok(same.map_or(Standing::Changed, |context| Standing::True(Some(Box::new(context.row)))))
    }

    fn judge(&self, job: &Leased<Outgoing>, error: &SendError) -> Verdict {
        tracing::info!(answer = error.answer(), sentence = error.sentence(), "a mail did not leave");
        let why = error.sentence().to_owned();
        let now = self.store.now();
        match error {
            SendError::Blocked { .. } | SendError::Temporary { scope: Scope::Server, .. } => {
                self.health.set(Some(why.clone()));
                Verdict::Later { at: now.plus(PAUSE), why, counts: false }
            }
            SendError::Rejected { .. } => {
                self.health.set(None);
                Verdict::Failed(why)
            }
            SendError::Temporary { .. } | SendError::Unclear { .. } => {
                let tries = job.payload().tries + 1;
                if tries >= MAX_TRIES {
                    return Verdict::Failed(format!("{why} We tried {MAX_TRIES} times."));
                }
                let at = now.plus(BACKOFF.delay(tries, self.store.random()));
                Verdict::Later { at, why, counts: true }
            }
        }
    }

    /// Writes down what became of a job. Gives the run that may be over with it.
    pub(super) async fn conclude(
        &self,
        job: &mut Leased<Outgoing>,
        outcome: Outcome,
    ) -> Result<Option<(OrganizationId, RunId)>, StoreError> {
        let Outcome { verdict, answer, row: seen, to } = outcome;
        if let Verdict::Later { counts: true, .. } = verdict {
            job.payload_mut().tries += 1;
        }
        let (mail, how) = (&job.payload().mail, Settlement::from(verdict));
        let (settled, run) = if let Some(row) = RowId::of(mail) {
            let settled = self.disable.settle((&row, seen.map(|row| *row)), job, &how, answer.as_deref()).await?;
            let over = settled && !matches!(how, Settlement::Later { .. });
            (settled, over.then_some((row.organization, row.run)))
        } else if let Some((row, number)) = RowId::of_reminder(mail) {
            let reminder = (&row, number, seen.map(|row| *row));
            let how = (&how, to.as_deref());
            (self.disable.settle_reminder(reminder, job, how, answer.as_deref()).await?, None)
        } else {
            self.end_mail(job, how).await?;
            return Ok(None);
        };
        if !settled {
            tracing::warn!("a mail was finished by another worker");
        }
        Ok(run)
    }

    /// Ends the job of a mail that no ledger tells of, or puts it off.
    async fn end_mail(&self, job: &Leased<Outgoing>, how: Settlement) -> Result<(), StoreError> {
        let mut txn = self.store.txn(job.partition().clone());
        let mut given_up = None;
        match how {
            Settlement::Sent { .. } | Settlement::Cancelled { .. } | Settlement::Rests { .. } => {
                self.jobs.mail.finish(&mut txn, job);
            }
            Settlement::Failed { detail: why } | Settlement::Impossible { detail: why } => {
                self.jobs.mail.bury(&mut txn, job, &why)?;
                given_up = Some(mask_within(&why));
            }
            Settlement::Later { at, .. } => {
                let announced = self.jobs.mail.announce(job.partition(), at).await?;
                self.jobs.mail.retry_at(&mut txn, &announced, job, at)?;
            }
        }
        match (self.store.commit(txn).await?, given_up) {
            // No ledger tells anybody of these mails.
            (Committed::Committed, Some(why)) => {
                let (mail, tries) = (&job.payload().mail, job.payload().tries);
                tracing::error!(%mail, why, failed_before = tries, job = %job.id(), "a mail was given up");
            }
            (Committed::Committed, None) => {}
            (Committed::Conflict, _) => tracing::warn!("a mail was finished by another worker"),
        }
        Ok(())
    }
}
