//! How long to wait before trying again.

use std::time::Duration;

use crate::random::Random;

/// A doubling wait under a cap, with full jitter: after attempt `n` a time between zero and
/// `min(cap, first * 2^(n-1))`, each equally likely, so that what failed together does not come back together.
///
/// With 10 s and 1 h, for example: at most 10 s, 20 s, 40 s, 80 s, 160 s, 320 s, 640 s, 1280 s, 2560 s, then 1 h each.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Backoff {
    first: Duration,
    cap: Duration,
}

impl Backoff {
    #[must_use]
    pub const fn new(first: Duration, cap: Duration) -> Self {
        Self { first, cap }
    }

    /// The longest wait after attempt `attempts`, counted from 1.
    #[must_use]
    pub fn ceiling(&self, attempts: u32) -> Duration {
        let doubled = 2_u32.saturating_pow(attempts.saturating_sub(1));
        self.first.saturating_mul(doubled).min(self.cap)
    }

    /// How long to wait after attempt `attempts`, counted from 1.
    #[must_use]
    pub fn delay(&self, attempts: u32, random: &dyn Random) -> Duration {
        let millis = u64::try_from(self.ceiling(attempts).as_millis()).unwrap_or(u64::MAX);
        Duration::from_millis(random.next_u64() % millis.saturating_add(1))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::SeededRandom;

    const BACKOFF: Backoff = Backoff::new(Duration::from_secs(10), Duration::from_hours(1));

    #[test]
    fn the_ceiling_doubles_up_to_the_cap() {
        let ceilings: Vec<u64> = [0, 1, 2, 3, 9, 10, 40, u32::MAX].map(|n| BACKOFF.ceiling(n).as_secs()).into();
        assert_eq!(ceilings, [10, 10, 20, 40, 2_560, 3_600, 3_600, 3_600]);
    }

    #[test]
    fn the_delay_is_spread_over_all_of_it() {
        let random = SeededRandom::new(1);
        let delays: Vec<u128> = (0..200).map(|_| BACKOFF.delay(3, &random).as_millis()).collect();
        assert!(delays.iter().all(|delay| *delay <= 40_000));
        assert!(delays.iter().any(|delay| *delay < 10_000) && delays.iter().any(|delay| *delay > 30_000));
    }
}
