//! Counts requests without the switch's lock: one word per strategy holds whether requests may
//! pass and how many did, so that both change in one step.

// Tests use loom's atomics instead.
use super::atomic::{AtomicU64, Ordering};

const OPEN: u64 = 1;
const ACTIVE: u64 = 2;
const ONE: u64 = 4;

/// The turnstile of one strategy, alone on its cache lines. It is open while the lock is free
/// and only the number of the strategy's requests has to be known.
#[derive(Debug, Default)]
#[repr(align(128))]
pub(super) struct InFlight(AtomicU64);

impl InFlight {
    /// Counts a request in. Returns false if the turnstile is shut.
    pub(super) fn enter(&self) -> bool {
        self.pass(OPEN, u64::wrapping_add)
    }

    /// Counts a request in, if this is the active strategy's turnstile. Returns false if not, or if it is shut.
    pub(super) fn enter_active(&self) -> bool {
        self.pass(OPEN | ACTIVE, u64::wrapping_add)
    }

    /// Counts a request out, wherever it was counted in. Returns false if the turnstile is shut.
    pub(super) fn leave(&self) -> bool {
        self.pass(OPEN, u64::wrapping_sub)
    }

    /// Opens. The holder of the lock calls it, after all changes.
    pub(super) fn open(&self, is_active: bool) {
        self.0.store(if is_active { OPEN | ACTIVE } else { OPEN }, Ordering::Release);
    }

    /// Shuts: requests that pass later see what changes after this. Returns by how many more came than
    /// went since it was opened.
    pub(super) fn shut(&self) -> i64 {
        self.0.swap(0, Ordering::AcqRel).cast_signed() >> ONE.trailing_zeros()
    }

    fn pass(&self, needs: u64, count: fn(u64, u64) -> u64) -> bool {
        let step = |word| (word & needs == needs).then(|| count(word, ONE));
        self.0.fetch_update(Ordering::AcqRel, Ordering::Relaxed, step).is_ok()
    }
}
