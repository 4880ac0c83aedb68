//! The requests and queries of each strategy, counted.

use std::time::Instant;

/// The requests and queries of one strategy.
#[derive(Clone, Copy, Debug)]
pub(super) struct Load {
    /// Queries on record, and requests in progress that count as one.
    pub(super) queries: u64,
    /// Requests let in and not yet finished.
    pub(super) requests: u64,
    /// The last moment at which either count changed.
    pub(super) changed: Instant,
}

/// Queries of the active strategy that hold a drain: their clients may act on a withdrawn notice.
#[derive(Clone, Copy, Debug)]
pub(super) struct Withheld {
    pub(super) left: u64,
    pub(super) changed: Instant,
}

impl Load {
    pub(super) fn none(now: Instant) -> Self {
        Self { queries: 0, requests: 0, changed: now }
    }
}
