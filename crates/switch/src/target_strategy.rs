//! The strategy that the switch is headed for, readable without a lock: each response reads it when its message is
//! sent.

// Tests use loom's atomics instead.

use protocol::Strategy;

use super::atomic::{AtomicU64, Ordering};

/// The strategy that the switch is headed for, and the epoch of that change.
#[derive(Debug)]
pub(super) struct TargetStrategy(AtomicU64);

impl TargetStrategy {
    /// Creates a target: `strategy`, since `epoch`.
    pub(super) fn new(strategy: Strategy, epoch: u64) -> Self {
        Self(AtomicU64::new(pack(strategy, epoch)))
    }

    /// Sets the target. A thread that [reads](TargetStrategy::get) it also sees what was written before this.
    pub(super) fn set(&self, strategy: Strategy, epoch: u64) {
        self.0.store(pack(strategy, epoch), Ordering::Release);
    }

    /// The strategy, and the epoch in which it became the target.
    pub(super) fn get(&self) -> (Strategy, u64) {
        let packed = self.0.load(Ordering::Acquire);
        (Strategy::ALL[(packed & 1) as usize], packed >> 1)
    }
}

fn pack(strategy: Strategy, epoch: u64) -> u64 {
    epoch << 1 | strategy.index() as u64
}
