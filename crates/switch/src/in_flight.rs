//! Where requests come and go without the switch's lock: one word per strategy, which says who may
//! pass and counts who did, so that both are one step.

// Tests put loom's atomics in this place.
use super::atomic::{AtomicU64, Ordering};

const OPEN: u64 = 1;
const ACTIVE: u64 = 2;
const ONE: u64 = 4;

/// The turnstile of one strategy, alone on its cache lines. It is open while nobody holds the lock,
/// and nothing but the number of the strategy's requests has to be known.
#[derive(Debug, Default)]
#[repr(align(128))]
pub(super) struct InFlight(AtomicU64);

impl InFlight {
    /// Lets one in and counts it. False where it is shut.
    pub(super) fn enter(&self) -> bool {
        self.pass(OPEN, u64::wrapping_add)
    }

    /// Lets one in and counts it, if this is the active strategy's. False where it isn't, or is shut.
    pub(super) fn enter_active(&self) -> bool {
        self.pass(OPEN | ACTIVE, u64::wrapping_add)
    }

    /// Lets one out, wherever it came in. False where it is shut.
    pub(super) fn leave(&self) -> bool {
        self.pass(OPEN, u64::wrapping_sub)
    }

    /// Opens. For the holder of the lock, after all that it has changed.
    pub(super) fn open(&self, is_active: bool) {
        self.0.store(if is_active { OPEN | ACTIVE } else { OPEN }, Ordering::Release);
    }

    /// Shuts: whoever passes later sees what is changed after this. Returns by how many more came than
    /// went since it was opened.
    pub(super) fn shut(&self) -> i64 {
        self.0.swap(0, Ordering::AcqRel).cast_signed() >> ONE.trailing_zeros()
    }

    fn pass(&self, needs: u64, count: fn(u64, u64) -> u64) -> bool {
        let step = |word| (word & needs == needs).then(|| count(word, ONE));
        self.0.fetch_update(Ordering::AcqRel, Ordering::Relaxed, step).is_ok()
    }
}
