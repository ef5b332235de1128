//! The configured rate of mails, kept by spacing them out.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use crate::clock::{Clock, Timestamp};

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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::ManualClock;

    #[test]
    fn a_burst_of_one_second_then_evenly() {
        let start = Timestamp::from_seconds(1_000);
        let rate = Rate::new(Arc::new(ManualClock::at(start)), 10);
        let waits: Vec<u128> = (0..14).map(|_| rate.reserve(start).as_millis()).collect();
        assert!(waits[..11].iter().all(|wait| *wait == 0));
        assert_eq!(waits[11..], [100, 200, 300]);
    }
}
