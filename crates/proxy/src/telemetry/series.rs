//! The last ten minutes, second by second.

use std::time::{Duration, Instant};

use protocol::Strategy;
use serde::Serialize;

use super::{collector::Clock, each::Each};

/// The number of seconds kept.
pub(super) const KEPT: u64 = 600;

/// The last ten minutes: one point per second, oldest first, without the current second.
#[derive(Clone, Debug, Serialize, utoipa::ToSchema)]
pub struct Series {
    /// The seconds between two points.
    pub step_seconds: u64,
    /// The points, oldest first.
    pub points: Vec<Point>,
}

/// One second.
#[derive(Clone, Debug, Serialize, utoipa::ToSchema)]
pub struct Point {
    /// Its start, as in RFC 3339.
    pub time: String,
    /// Calls that were admitted and completed in it.
    pub requests: Each,
    /// Calls rejected with a 456.
    pub rejected: u64,
    /// Queries in flight at its end.
    pub queries: Each,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Second {
    /// The second since the start that this place of the ring holds.
    number: u64,
    pub(super) requests: [u64; 2],
    pub(super) rejected: u64,
    pub(super) queries: [u64; 2],
}

/// The last [`KEPT`] seconds since the start.
#[derive(Debug)]
pub(super) struct Ring {
    start: Instant,
    seconds: Vec<Second>,
}

impl Ring {
    pub(super) fn new(start: Instant) -> Self {
        Self { start, seconds: vec![Second::default(); KEPT as usize + 1] }
    }

    /// Counts a call of `strategy` that completed or was rejected.
    pub(super) fn count(&mut self, strategy: Option<Strategy>, is_rejected: bool, now: Instant) {
        let second = self.at(now);
        if let Some(strategy) = strategy {
            second.requests[strategy.index()] += 1;
        }
        second.rejected += u64::from(is_rejected);
    }

    /// Records the number of queries in flight.
    pub(super) fn sample(&mut self, queries: [u64; 2], now: Instant) {
        self.at(now).queries = queries;
    }

    fn at(&mut self, now: Instant) -> &mut Second {
        let number = now.saturating_duration_since(self.start).as_secs();
        let second = &mut self.seconds[(number % (KEPT + 1)) as usize];
        if second.number != number {
            *second = Second { number, ..Second::default() };
        }
        second
    }

    /// Adds this ring's counts to those of others.
    pub(super) fn add_to(&self, sums: &mut [Second]) {
        for sum in sums {
            let second = &self.seconds[(sum.number % (KEPT + 1)) as usize];
            if second.number == sum.number {
                for colour in [0, 1] {
                    sum.requests[colour] += second.requests[colour];
                    sum.queries[colour] += second.queries[colour];
                }
                sum.rejected += second.rejected;
            }
        }
    }
}

/// The complete seconds that are kept, with nothing counted yet.
pub(super) fn seconds(start: Instant, now: Instant) -> Vec<Second> {
    let present = now.saturating_duration_since(start).as_secs();
    let number = |number| Second { number, ..Second::default() };
    (present.saturating_sub(KEPT)..present).map(number).collect()
}

impl Series {
    pub(super) fn new(sums: &[Second], start: Instant, clock: &Clock) -> Self {
        let point = |second: &Second| Point {
            time: clock.rfc3339(start + Duration::from_secs(second.number)),
            requests: second.requests.into(),
            rejected: second.rejected,
            queries: second.queries.into(),
        };
        Self { step_seconds: 1, points: sums.iter().map(point).collect() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn idle_seconds_are_zero_and_old_leave() {
        let start = Instant::now();
        let at = |seconds| start + Duration::from_millis(seconds * 1000 + 500);
        let (mut one, mut other) = (Ring::new(start), Ring::new(start));
        one.count(Some(Strategy::Blue), false, at(0));
        one.count(Some(Strategy::Green), false, at(2));
        other.count(Some(Strategy::Green), false, at(2));
        other.count(None, true, at(2));
        other.sample([3, 4], at(2));
        let sums = |now, rings: &[&Ring]| {
            let mut sums = seconds(start, at(now));
            rings.iter().for_each(|ring| ring.add_to(&mut sums));
            sums
        };
        let second = |number, requests, rejected, queries| Second { number, requests, rejected, queries };
        assert_eq!(
            sums(3, &[&one, &other]),
            [second(0, [1, 0], 0, [0, 0]), second(1, [0, 0], 0, [0, 0]), second(2, [0, 2], 1, [3, 4])],
            "the present second is not over",
        );
        let later = sums(KEPT + 2, &[&one, &other]);
        assert_eq!((later.len(), later[0]), (KEPT as usize, second(2, [0, 2], 1, [3, 4])));
        one.count(Some(Strategy::Blue), false, at(KEPT + 3));
        let reused = sums(KEPT + 4, &[&one]);
        assert_eq!(reused.last(), Some(&second(KEPT + 3, [1, 0], 0, [0, 0])));
        assert!(reused[..reused.len() - 1].iter().all(|second| second.requests == [0, 0]));
    }
}
