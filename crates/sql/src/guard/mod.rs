//! Keeps a statement within its memory limit where DataFusion does not count: functions with large results, constants
//! computed during planning, values repeated in every row of a batch, and rows held by windows. Also arithmetic that
//! fails on overflow.
//!
//! `rule` puts guarded functions into a plan; `estimate` predicts the size of a result; `held` keeps it counted while
//! it lives; `planning` plans on separate threads, and can be cancelled.

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

/// The bytes set aside for uncounted memory of batches, if the memory limit is small.
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

    /// The bytes that the values of one batch may take without being counted.
    pub(crate) fn aside(&self) -> usize {
        (self.limit / 4).max(LEAST_ASIDE)
    }

    /// The largest average row size, in bytes; with wider rows a batch would be too large.
    pub(crate) fn widest(&self) -> usize {
        self.aside() / self.batch_rows
    }

    /// The most rows in a batch.
    pub(crate) fn batch_rows(&self) -> usize {
        self.batch_rows
    }

    /// Creates an empty reservation.
    pub(crate) fn reservation(&self, name: &str) -> MemoryReservation {
        MemoryConsumer::new(name).register(&self.pool)
    }

    /// Reserves memory for the result of `name`.
    fn reserve(&self, name: &str, bytes: u128) -> Result<MemoryReservation, DataFusionError> {
        let reservation = self.reservation(name);
        // A batch of Arrow values has 32-bit offsets.
        let fits = usize::try_from(bytes).ok().filter(|bytes| *bytes <= i32::MAX as usize);
        match fits.map(|bytes| reservation.try_grow(bytes)) {
            Some(Ok(())) => Ok(reservation),
            _ => Err(self.exceeded(name, bytes)),
        }
    }

    /// The error for a result that would take too much memory.
    pub(crate) fn exceeded(&self, what: &str, bytes: u128) -> DataFusionError {
        let bytes = human_readable_size(usize::try_from(bytes).unwrap_or(usize::MAX));
        let (limit, taken) = (human_readable_size(self.limit), human_readable_size(self.pool.reserved()));
        DataFusionError::ResourcesExhausted(format!(
            "{what} would take {bytes}: the memory limit is {limit}, of which {taken} are taken"
        ))
    }
}
