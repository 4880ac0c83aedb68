//! Token buckets: limits on what costs this side more than the peer.

use std::time::Duration;

/// A rate limit: `burst` times at once, then `per_second` times a second.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rate {
    /// The number of times at once.
    pub burst: u32,
    /// The number of times a second after the burst. 0 counts as 1.
    pub per_second: u32,
}

impl Rate {
    /// Creates a limit of `burst` times at once, then `per_second` times a second.
    pub const fn new(burst: u32, per_second: u32) -> Self {
        Self { burst, per_second }
    }

    /// Nanoseconds to refill one token.
    fn interval(self) -> u64 {
        1_000_000_000 / u64::from(self.per_second.max(1))
    }
}

/// The token bucket of one connection. Times are nanoseconds of the connection's clock.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Bucket {
    /// Nanoseconds from `at` until the bucket is full.
    debt: u64,
    at: u64,
}

impl Bucket {
    /// Takes a token, and returns whether there was one. A bucket may go into debt.
    pub(crate) fn take(&mut self, rate: Rate, now: u64) -> bool {
        self.settle(now);
        self.debt = self.debt.saturating_add(rate.interval());
        self.wait(rate, now).is_zero()
    }

    /// Returns `tokens`, because the peer did something useful.
    pub(crate) fn earn(&mut self, rate: Rate, tokens: u64) {
        self.debt = self.debt.saturating_sub(tokens.saturating_mul(rate.interval()));
    }

    /// The time until the bucket is out of debt.
    pub(crate) fn wait(&self, rate: Rate, now: u64) -> Duration {
        let debt = self.debt.saturating_sub(now.saturating_sub(self.at));
        Duration::from_nanos(debt.saturating_sub(rate.interval() * u64::from(rate.burst)))
    }

    fn settle(&mut self, now: u64) {
        self.debt = self.debt.saturating_sub(now.saturating_sub(self.at));
        self.at = now;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: u64 = 1_000_000_000;
    const RATE: Rate = Rate::new(3, 10);

    #[test]
    fn a_burst_passes_and_one_more_waits() {
        let mut bucket = Bucket::default();
        assert!((0..3).all(|_| bucket.take(RATE, 0)));
        assert!(!bucket.take(RATE, 0));
        assert_eq!(bucket.wait(RATE, 0), Duration::from_millis(100));
        assert_eq!(bucket.wait(RATE, SECOND / 20), Duration::from_millis(50));
        assert_eq!(bucket.wait(RATE, SECOND / 10), Duration::ZERO);
    }

    #[test]
    fn tokens_come_back_up_to_the_burst() {
        let mut bucket = Bucket::default();
        assert!((0..3).all(|_| bucket.take(RATE, 0)));
        assert!((0..3).all(|_| bucket.take(RATE, 100 * SECOND)));
        assert!(!bucket.take(RATE, 100 * SECOND));
    }

    #[test]
    fn earned_tokens_count_as_those_of_the_burst() {
        let mut bucket = Bucket::default();
        for _ in 0..50 {
            assert!(bucket.take(RATE, 0));
            bucket.earn(RATE, 1);
        }
        bucket.earn(RATE, u64::MAX);
        assert!((0..3).all(|_| bucket.take(RATE, 0)));
        assert!(!bucket.take(RATE, 0));
    }
}
