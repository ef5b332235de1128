//! How long a run still takes, judged by what has left so far. No guess where there is nothing to go by.

use std::collections::VecDeque;
use std::time::Duration;

use crate::clock::Timestamp;
use crate::domain::disable::{Run, Totals};

/// Mails that must have left before their rate means anything.
const ENOUGH: i64 = 5;

/// The rate is that of the last minute, so that it follows a mail server that slows down or comes back.
const WINDOW: Duration = Duration::from_mins(1);

/// What was seen for less than this says less than the average since the click.
const BRIEF: Duration = Duration::from_secs(20);

/// Mails that left in a span of time.
#[derive(Debug, Clone, Copy)]
struct Progress {
    mails: i64,
    span: Duration,
}

impl Progress {
    fn time_for(self, mails: i64) -> Option<Duration> {
        if self.mails < ENOUGH || mails <= 0 || self.span.is_zero() {
            return None;
        }
        let millis = self.span.as_millis() * u128::try_from(mails).ok()? / u128::try_from(self.mails).ok()?;
        Some(Duration::from_millis(u64::try_from(millis).unwrap_or(u64::MAX)))
    }
}

/// What is known of mails that wait for another try.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tries {
    Unknown,
    /// When the one that has to wait longest is tried next; none when no mail waits.
    Last(Option<Timestamp>),
}

/// The pace of one run, as one looks at it once or again and again.
#[derive(Debug, Clone)]
pub struct Pace {
    started_at: Timestamp,
    /// The average since the click says nothing about a run that was over once.
    reopened: bool,
    tries: Tries,
    /// Mails that had left at a time.
    seen: VecDeque<(Timestamp, i64)>,
}

impl Pace {
    #[must_use]
    pub fn new(run: &Run, tries: Tries) -> Self {
        Self { started_at: run.started_at, reopened: run.mailed_at.is_some(), tries, seen: VecDeque::new() }
    }

    /// The time until the last mail has left; none when nobody can tell.
    #[must_use]
    pub fn remaining(&self, totals: &Totals, now: Timestamp) -> Option<Duration> {
        let waits = match self.tries {
            Tries::Last(at) => at.filter(|at| *at > now),
            Tries::Unknown => None,
        };
        let time = |progress: Option<Progress>| progress.and_then(|progress| progress.time_for(totals.unsettled()));
        let lately = self.lately(totals, now);
        // While mails wait for a known time, that few have left lately says nothing of what comes after it.
        let average = if lately.is_none() || waits.is_some() { self.on_average(totals, now) } else { None };
        let estimate = time(lately).or_else(|| time(average))?;
        Some(waits.map_or(estimate, |at| estimate.max(at.since(now))))
    }

    /// What is known by now of mails that wait.
    pub fn note(&mut self, tries: Tries) {
        self.tries = tries;
    }

    /// Takes note of how far the run is.
    pub fn see(&mut self, totals: &Totals, now: Timestamp) {
        self.seen.push_back((now, totals.sent));
        // The oldest one that stays is the first outside the window.
        while self.seen.get(1).is_some_and(|(at, _)| now.since(*at) >= WINDOW) {
            self.seen.pop_front();
        }
    }

    fn lately(&self, totals: &Totals, now: Timestamp) -> Option<Progress> {
        let (at, sent) = *self.seen.front()?;
        let span = now.since(at);
        (span >= BRIEF).then(|| Progress { mails: totals.sent - sent, span })
    }

    fn on_average(&self, totals: &Totals, now: Timestamp) -> Option<Progress> {
        // The last few may well be those that wait for another try, which no average tells.
        let blind = self.tries == Tries::Unknown && totals.unsettled() * 20 < totals.members;
        (!self.reopened && !blind).then(|| Progress { mails: totals.sent, span: now.since(self.started_at) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::disable::RunState;
    use crate::domain::organization::{Actor, Generation};

    const START: Timestamp = Timestamp::from_seconds(1_000);

    fn run() -> Run {
        Run {
            id: "r1".parse().expect("an id"),
            organization: "o1".parse().expect("an id"),
            generation: Generation(2),
            state: RunState::Mailing { cursor: None, complete: true },
            by: Actor { user: None, name: "Ines".to_owned() },
            started_at: START,
            members: 100,
            rows: 100,
            mailed_at: None,
            resending: 0,
        }
    }

    fn totals(sent: i64) -> Totals {
        Totals { members: 100, sent, queued: 100 - sent, ..Totals::default() }
    }

    fn later(seconds: u64) -> Timestamp {
        START.plus(Duration::from_secs(seconds))
    }

    #[test]
    fn at_first_the_average_since_the_click() {
        let pace = Pace::new(&run(), Tries::Last(None));
        assert_eq!(pace.remaining(&totals(20), later(10)), Some(Duration::from_secs(40)));
        assert_eq!(pace.remaining(&totals(4), later(10)), None, "too few to tell");
        assert_eq!(pace.remaining(&totals(0), later(500)), None);
        assert_eq!(pace.remaining(&totals(100), later(50)), None, "nothing is left");
    }

    #[test]
    fn no_sooner_than_the_last_mail_may_be_tried() {
        let pace = Pace::new(&run(), Tries::Last(Some(later(310))));
        assert_eq!(pace.remaining(&totals(20), later(10)), Some(Duration::from_mins(5)));
    }

    #[test]
    fn no_guess_for_the_last_few_when_it_is_unknown_what_they_wait_for() {
        let pace = Pace::new(&run(), Tries::Unknown);
        assert_eq!(pace.remaining(&totals(95), later(95)), Some(Duration::from_secs(5)));
        assert_eq!(pace.remaining(&totals(96), later(96)), None);
    }

    #[test]
    fn then_the_last_minute() {
        let mut pace = Pace::new(&run(), Tries::Last(None));
        for second in 0..=80_u64 {
            // A mail a second, then none.
            let sent = i64::try_from(second.min(40)).expect("small");
            pace.see(&totals(sent), later(second));
        }
        assert!(pace.seen.len() <= 62);
        assert_eq!(pace.remaining(&totals(40), later(80)), Some(Duration::from_mins(3)), "20 left in a minute");
        for second in 81..=100 {
            pace.see(&totals(40), later(second));
        }
        assert_eq!(pace.remaining(&totals(40), later(100)), None, "none left in a minute");
    }

    #[test]
    fn a_pause_until_a_known_time_is_no_slow_pace() {
        let mut pace = Pace::new(&run(), Tries::Last(None));
        for second in 20..=100_u64 {
            pace.see(&totals(96), later(second));
        }
        assert_eq!(pace.remaining(&totals(96), later(100)), None, "none left in a minute, and nobody knows why");
        pace.note(Tries::Last(Some(later(220))));
        assert_eq!(pace.remaining(&totals(96), later(100)), Some(Duration::from_mins(2)));
        assert_eq!(
            pace.remaining(&totals(96), later(100)),
            Pace::new(&run(), Tries::Last(Some(later(220)))).remaining(&totals(96), later(100)),
            "as for somebody who looks for the first time"
        );
    }

    #[test]
    fn a_run_that_was_over_has_no_average() {
        let pace = Pace::new(&Run { mailed_at: Some(later(60)), ..run() }, Tries::Last(None));
        assert_eq!(pace.remaining(&totals(90), later(86_400)), None);
    }
}
