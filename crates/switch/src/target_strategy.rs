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
    pub(super) fn set(&self, strategy: Strategy, epoch: u64, is_silent: bool) {
        self.0.store(pack(strategy, epoch) | if is_silent { SILENT } else { 0 }, Ordering::Release);
    }

    /// The strategy, and the epoch in which it became the target.
    pub(super) fn get(&self) -> (Strategy, u64) {
        unpack(self.0.load(Ordering::Acquire))
    }

    /// The same, unless nobody is to be told yet.
    pub(super) fn told(&self) -> Option<(Strategy, u64)> {
        let packed = self.0.load(Ordering::Acquire);
        (packed & SILENT == 0).then(|| unpack(packed))
    }
}

/// Not all instances let in what the heading names.
const SILENT: u64 = 2;

fn pack(strategy: Strategy, epoch: u64) -> u64 {
    epoch << 2 | strategy.index() as u64
}

fn unpack(packed: u64) -> (Strategy, u64) {
    (Strategy::ALL[(packed & 1) as usize], packed >> 2)
}
