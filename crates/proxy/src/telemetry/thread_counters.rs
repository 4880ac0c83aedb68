//! The counts of one network thread since the last collection.

use std::time::{Duration, Instant};

use protocol::Strategy;

use super::{
    call::{Outcome, Status},
    history, series,
};

/// The upper bounds of the duration histogram, in seconds.
pub(super) const BOUNDS: [f64; 15] =
    [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0];

/// The number of strategies, and one for calls without.
pub(super) const STRATEGIES: usize = 3;

/// The counts of one thread. Only that thread adds to them.
#[derive(Debug)]
pub(super) struct ThreadCounters {
    /// By [`Method::label`](protocol::Method) and strategy.
    pub(super) rows: Vec<Row>,
    pub(super) rejected: u64,
    pub(super) notices: u64,
    pub(super) untouched: u64,
    pub(super) ring: series::Ring,
    /// The thread's part of the history, if there is one.
    pub(super) history: Option<history::Ring>,
}

/// The calls of one method and strategy.
#[derive(Clone, Debug, Default)]
pub(super) struct Row {
    /// A short list: most methods have one or two outcomes.
    pub(super) outcomes: Vec<(Outcome, Status, u64)>,
    pub(super) durations: Option<Box<[Bucket; BOUNDS.len() + 1]>>,
}

/// The durations between two bounds.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Bucket {
    pub(super) count: u32,
    /// In seconds.
    pub(super) sum: f64,
}

impl ThreadCounters {
    pub(super) fn new(labels: usize, start: Instant, history: Option<history::Ring>) -> Self {
        let rows = vec![Row::default(); labels * STRATEGIES];
        Self { rows, rejected: 0, notices: 0, untouched: 0, ring: series::Ring::new(start), history }
    }

    /// Counts a completed call.
    pub(super) fn count(
        &mut self,
        label: usize,
        strategy: Option<Strategy>,
        outcome: Outcome,
        status: Status,
        took: Duration,
        now: Instant,
    ) {
        let is_rejected = outcome == Outcome::Rejected;
        self.rejected += u64::from(is_rejected);
        self.ring.count(strategy.filter(|_| !is_rejected), is_rejected, now);
        let row = label * STRATEGIES + strategy.map_or(Strategy::ALL.len(), Strategy::index);
        if let Some(row) = self.rows.get_mut(row) {
            row.count(outcome, status, took.as_secs_f64());
        }
    }
}

impl Row {
    fn count(&mut self, outcome: Outcome, status: Status, seconds: f64) {
        match self.outcomes.iter_mut().find(|known| (known.0, known.1) == (outcome, status)) {
            Some((.., count)) => *count += 1,
            None => self.outcomes.push((outcome, status, 1)),
        }
        let bucket = BOUNDS.iter().take_while(|bound| seconds > **bound).count();
        let bucket = &mut self.durations.get_or_insert_default()[bucket];
        bucket.count += 1;
        bucket.sum += seconds;
    }
}
