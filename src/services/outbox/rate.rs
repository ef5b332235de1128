//! The configured rate of mails, kept by spacing them out.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use crate::clock::{Clock, Timestamp};
use crate::store::Partition;

/// At most so many mails a second from this process. A short burst of a second's worth is allowed.
pub struct Rate {
    clock: Arc<dyn Clock>,
    spacing: Duration,
    /// When the next mail may leave, if mails had left evenly so far.
    next: Mutex<Timestamp>,
}

impl Rate {
    #[must_use]
    pub fn new(clock: Arc<dyn Clock>, per_second: u32) -> Self {
        let spacing = Duration::from_secs(1) / per_second.max(1);
        Self { clock, spacing, next: Mutex::new(Timestamp::EPOCH) }
    }

    /// Returns when a mail may leave.
    pub async fn permit(&self) {
        let wait = self.reserve(self.clock.now());
        if !wait.is_zero() {
            self.clock.sleep(wait).await;
        }
    }

    fn reserve(&self, now: Timestamp) -> Duration {
        // Times have whole milliseconds; faster rates than that are not spaced.
        if self.spacing < Duration::from_millis(1) {
            return Duration::ZERO;
        }
        let mut next = self.next.lock().unwrap_or_else(PoisonError::into_inner);
        let earliest = now.minus(Duration::from_secs(1));
        let slot = (*next).max(earliest);
        *next = slot.plus(self.spacing);
        slot.since(now)
    }
}

/// At most so many mails a second from this process for one place, so that one run does not take all of the rate: what a
/// place may not send yet stays in its queue, and other places have their turn. A short burst of a second's worth is
/// allowed.
pub struct Shares {
    clock: Arc<dyn Clock>,
    spacing: Option<Duration>,
    /// When the next mail of a place may leave, of places that have sent within the last second.
    next: Mutex<HashMap<Partition, Timestamp>>,
}

impl Shares {
    /// None: no limit but that of all mails together.
    #[must_use]
    pub fn new(clock: Arc<dyn Clock>, per_second: Option<u32>) -> Self {
        let spacing = per_second.map(|rate| (Duration::from_secs(1) / rate.max(1)).max(Duration::from_millis(1)));
        Self { clock, spacing, next: Mutex::default() }
    }

    /// How many mails of `place` may leave now, at most `wanted`.
    #[must_use]
    pub fn of(&self, place: &Partition, wanted: usize) -> usize {
        let Some(spacing) = self.spacing else { return wanted };
        let now = self.clock.now();
        let next = self.next.lock().unwrap_or_else(PoisonError::into_inner);
        let slot = next.get(place).copied().unwrap_or(Timestamp::EPOCH).max(now.minus(Duration::from_secs(1)));
        if slot > now {
            return 0;
        }
        let free = now.since(slot).as_millis() / spacing.as_millis();
        usize::try_from(free).unwrap_or(usize::MAX).saturating_add(1).min(wanted)
    }

    /// Notes that so many mails of `place` are leaving.
    pub fn take(&self, place: &Partition, mails: usize) {
        let Some(spacing) = self.spacing else { return };
        let earliest = self.clock.now().minus(Duration::from_secs(1));
        let mut next = self.next.lock().unwrap_or_else(PoisonError::into_inner);
        next.retain(|_, at| *at > earliest);
        let slot = next.entry(place.clone()).or_insert(earliest);
        *slot = (*slot).max(earliest).plus(spacing * u32::try_from(mails).unwrap_or(u32::MAX));
    }

    /// The time until the next look at places that have to wait.
    #[must_use]
    pub fn pause(&self, poll: Duration) -> Duration {
        if self.spacing.is_some() { poll.min(Duration::from_secs(1)) } else { poll }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::ManualClock;

    #[test]
    fn one_place_keeps_its_own_rate_and_holds_up_no_other() {
        let start = Timestamp::from_seconds(1_000);
        let clock = Arc::new(ManualClock::at(start));
        let shares = Shares::new(clock.clone(), Some(4));
        let (one, other) = (Partition::new("org", "one"), Partition::new("org", "other"));
        assert_eq!(shares.of(&one, 3), 3, "no more than wanted");
        assert_eq!(shares.of(&one, 100), 5, "a burst of a second");
        shares.take(&one, 5);
        assert_eq!((shares.of(&one, 100), shares.of(&other, 100)), (0, 5));
        let mut sent = 0;
        for _ in 0..100 {
            clock.advance(Duration::from_millis(100));
            let free = shares.of(&one, 100);
            shares.take(&one, free);
            sent += free;
        }
        assert_eq!(sent, 40, "four a second for ten seconds");
        assert_eq!(Shares::new(clock, None).of(&one, 100), 100);
    }

    #[test]
    fn a_burst_of_one_second_then_evenly() {
        let start = Timestamp::from_seconds(1_000);
        let rate = Rate::new(Arc::new(ManualClock::at(start)), 10);
        let waits: Vec<u128> = (0..14).map(|_| rate.reserve(start).as_millis()).collect();
        assert!(waits[..11].iter().all(|wait| *wait == 0));
        assert_eq!(waits[11..], [100, 200, 300]);
    }
}
