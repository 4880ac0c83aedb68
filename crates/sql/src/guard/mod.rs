//! What keeps a statement within its memory where DataFusion does not count: functions that make much out of
//! little, constants that are computed while planning, values that are repeated for every row of a batch,
//! and rows that a window holds. And arithmetic that fails where it would wrap.
//!
//! `rule` puts the guarded functions into a plan, `estimate` tells how large a result will be before there
//! is one, `held` keeps it counted for as long as it lives, `planning` runs what plans apart from what
//! others need, and lets it be given up.

mod arithmetic;
mod estimate;
mod functions;
mod held;
mod planning;
mod rule;
mod windows;

use std::sync::Arc;

use datafusion::{
    common::{DataFusionError, human_readable_size},
    execution::memory_pool::{MemoryConsumer, MemoryPool, MemoryReservation},
};

pub(crate) use estimate::{bytes, widest};
pub(crate) use planning::{GiveUp, apart};
pub(crate) use rule::Guarding;
pub(crate) use windows::forget_produced;

/// What a batch may need beside what DataFusion counts, in bytes, where the memory limit is small.
const LEAST_ASIDE: usize = 64 << 20;

/// The memory of one engine.
#[derive(Clone, Debug)]
pub(crate) struct Memory {
    pool: Arc<dyn MemoryPool>,
    limit: usize,
    batch_rows: usize,
}

impl Memory {
    pub(crate) fn new(pool: Arc<dyn MemoryPool>, limit: usize, batch_rows: usize) -> Self {
        Self { pool, limit, batch_rows }
    }

    /// Bytes that the values of one batch may take without being counted.
    pub(crate) fn aside(&self) -> usize {
        (self.limit / 4).max(LEAST_ASIDE)
    }

    /// Bytes of a row on average, beyond which a batch of such rows would be too large.
    pub(crate) fn widest(&self) -> usize {
        self.aside() / self.batch_rows
    }

    /// Rows of a batch at most.
    pub(crate) fn batch_rows(&self) -> usize {
        self.batch_rows
    }

    /// Nothing yet, for one who will count.
    pub(crate) fn reservation(&self, name: &str) -> MemoryReservation {
        MemoryConsumer::new(name).register(&self.pool)
    }

    /// Counts what `name` is going to make.
    fn reserve(&self, name: &str, bytes: u128) -> Result<MemoryReservation, DataFusionError> {
        let reservation = self.reservation(name);
        // A batch of Arrow values has 32-bit offsets.
        let fits = usize::try_from(bytes).ok().filter(|bytes| *bytes <= i32::MAX as usize);
        match fits.map(|bytes| reservation.try_grow(bytes)) {
            Some(Ok(())) => Ok(reservation),
            _ => Err(self.exceeded(name, bytes)),
        }
    }

    /// The error for what would take too much.
    pub(crate) fn exceeded(&self, what: &str, bytes: u128) -> DataFusionError {
        let bytes = human_readable_size(usize::try_from(bytes).unwrap_or(usize::MAX));
        let (limit, taken) = (human_readable_size(self.limit), human_readable_size(self.pool.reserved()));
        DataFusionError::ResourcesExhausted(format!(
            "{what} would take {bytes}: the memory limit is {limit}, of which {taken} are taken"
        ))
    }
}
