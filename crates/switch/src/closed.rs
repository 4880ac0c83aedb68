//! With several instances: which queries are off the record, though their keys are not deleted yet. Read without a lock.

use protocol::Strategy;

// Tests use loom's atomics instead.
use super::atomic::{AtomicU64, Ordering};

/// By [`Strategy::index`]: queries born before that epoch are off the record. Alone, an instance forgets them instead.
#[derive(Debug, Default)]
pub(super) struct Closed([AtomicU64; 2]);

impl Closed {
    /// Closes, while the turnstiles are shut.
    pub(super) fn set(&self, before: [u64; 2]) {
        for (closed, before) in self.0.iter().zip(before) {
            closed.store(before, Ordering::Release);
        }
    }

    /// Whether a query of that birth is off the record. Whoever has passed a turnstile before it asks knows for certain.
    pub(super) fn contains(&self, strategy: Strategy, birth: u64) -> bool {
        birth < self.0[strategy.index()].load(Ordering::Acquire)
    }
}
