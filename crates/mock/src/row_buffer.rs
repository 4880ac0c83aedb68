//! The rows of a running query, between the task that produces them and the calls that fetch them. It holds a few
//! batches, so that memory stays bounded, and a dropped call loses no rows.

use std::{collections::VecDeque, time::Duration};

use parking_lot::{Mutex, MutexGuard};
use sql::{Measured, arrow::array::RecordBatch};
use tokio::{sync::Notify, time::Instant};

use super::status::{EngineError, Refusal};

/// The most batches in the buffer. The parts of the last one may exceed it.
pub(crate) const MOST_BATCHES: usize = 4;

/// The producer pauses while the buffer holds more bytes than this.
const MOST_BYTES: usize = 8 << 20;

/// Larger batches are split into parts, unless they have a single row.
const LARGEST_PART: usize = 4 << 20;

/// The rows that were produced and not fetched, and the progress of the query.
#[derive(Debug)]
pub(crate) struct RowBuffer {
    query: String,
    state: Mutex<State>,
    changed: Notify,
    most_rows: usize,
}

#[derive(Debug, Default)]
struct State {
    parts: VecDeque<(RecordBatch, usize)>,
    bytes: usize,
    rows: u64,
    end: Option<End>,
    closed: bool,
}

#[derive(Debug)]
struct End {
    result: Result<(), EngineError>,
    measured: Option<Measured>,
    at: Instant,
}

/// The progress of a query.
#[derive(Clone, Debug, Default)]
pub(crate) struct Progress {
    /// Rows produced so far.
    pub(crate) rows: u64,
    /// Whether these are all rows.
    pub(crate) complete: bool,
    /// Whether production has ended, successfully or not.
    pub(crate) finished: bool,
}

impl RowBuffer {
    /// Creates an empty buffer. Parts have at most `most_rows` rows; errors name `query`.
    pub(crate) fn new(query: String, most_rows: usize) -> Self {
        Self { query, state: Mutex::default(), changed: Notify::new(), most_rows: most_rows.max(1) }
    }

    /// Waits until there is room for another batch.
    pub(crate) async fn room(&self) {
        self.until(|state| (!state.full()).then_some(())).await;
    }

    /// Adds a batch that is not empty.
    pub(crate) fn push(&self, batch: &RecordBatch) {
        let bytes: usize =
            batch.columns().iter().map(|array| array.to_data().get_slice_memory_size().unwrap_or(0)).sum();
        let rows = batch.num_rows();
        let parts = bytes.div_ceil(LARGEST_PART).max(rows.div_ceil(self.most_rows)).clamp(1, rows.max(1));
        let size = rows.div_ceil(parts);
        let mut state = self.lock();
        if state.closed {
            return;
        }
        for start in (0..rows).step_by(size.max(1)) {
            let part = batch.slice(start, size.min(rows - start));
            state.parts.push_back((part, bytes / parts));
            state.bytes += bytes / parts;
        }
        state.rows += rows as u64;
        drop(state);
        self.changed.notify_waiters();
    }

    /// Marks the end of production.
    pub(crate) fn finish(&self, result: Result<(), EngineError>, measured: Option<Measured>) {
        let mut state = self.lock();
        if state.end.is_none() {
            state.end = Some(End { result, measured, at: Instant::now() });
        }
        drop(state);
        self.changed.notify_waiters();
    }

    /// Drops all rows, and ends every wait.
    pub(crate) fn close(&self) {
        let mut state = self.lock();
        state.closed = true;
        let parts = std::mem::take(&mut state.parts);
        drop(state);
        drop(parts);
        self.changed.notify_waiters();
    }

    /// Waits for the next parts, at most `most`, without removing them. Empty at the end, or after `patience`.
    pub(crate) async fn peek(
        &self,
        most: usize,
        patience: Option<Duration>,
    ) -> Result<Vec<RecordBatch>, EngineError> {
        let next = self.until(|state| if state.closed { Some(Err(self.closed())) } else { state.peek(most) });
        match patience {
            None => next.await,
            Some(patience) => tokio::time::timeout(patience, next).await.unwrap_or(Ok(Vec::new())),
        }
    }

    /// Removes the first `parts` parts. Returns true if nothing is left and nothing will come.
    pub(crate) fn advance(&self, parts: usize) -> Result<bool, EngineError> {
        let mut state = self.lock();
        if state.closed {
            return Err(self.closed());
        }
        for _ in 0..parts {
            if let Some((_, bytes)) = state.parts.pop_front() {
                state.bytes -= bytes;
            }
        }
        let last = state.parts.is_empty() && matches!(&state.end, Some(End { result: Ok(()), .. }));
        drop(state);
        self.changed.notify_waiters();
        Ok(last)
    }

    /// Removes the first row of the first part.
    pub(crate) fn advance_row(&self) -> Result<(), EngineError> {
        let mut state = self.lock();
        let closed = state.closed;
        match state.parts.front_mut() {
            Some((part, _)) if part.num_rows() > 1 && !closed => {
                *part = part.slice(1, part.num_rows() - 1);
                Ok(())
            }
            _ => {
                drop(state);
                self.advance(1).map(|_| ())
            }
        }
    }

    /// The current progress.
    pub(crate) fn progress(&self) -> Progress {
        self.lock().progress()
    }

    /// Waits until the size of the result is known or cannot be known soon: production has ended, the buffer is full,
    /// or `patience` is over.
    pub(crate) async fn settled(&self, patience: Duration) -> Result<Progress, EngineError> {
        let settled = self.until(|state| (state.closed || state.end.is_some() || state.full()).then_some(()));
        // A timeout is fine: the progress so far is the result.
        let _ = tokio::time::timeout(patience, settled).await;
        let state = self.lock();
        if state.closed { Err(self.closed()) } else { Ok(state.progress()) }
    }

    /// The final measurements, and the time of the end.
    pub(crate) fn ended(&self) -> Option<(Option<Measured>, Instant)> {
        self.lock().end.as_ref().map(|end| (end.measured.clone(), end.at))
    }

    /// Waits until `ready` returns a value. Cancel-safe.
    async fn until<T>(&self, mut ready: impl FnMut(&mut State) -> Option<T>) -> T {
        loop {
            let mut changed = std::pin::pin!(self.changed.notified());
            changed.as_mut().enable();
            if let Some(value) = ready(&mut self.lock()) {
                return value;
            }
            changed.await;
        }
    }

    fn closed(&self) -> EngineError {
        Refusal::Cleared(self.query.clone()).into()
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock()
    }
}

impl State {
    fn full(&self) -> bool {
        self.parts.len() >= MOST_BATCHES || self.bytes >= MOST_BYTES
    }

    fn peek(&self, most: usize) -> Option<Result<Vec<RecordBatch>, EngineError>> {
        if self.parts.is_empty() {
            return Some(self.end.as_ref()?.result.clone().map(|()| Vec::new()));
        }
        Some(Ok(self.parts.iter().take(most).map(|(part, _)| part.clone()).collect()))
    }

    fn progress(&self) -> Progress {
        Progress {
            rows: self.rows,
            complete: matches!(&self.end, Some(End { result: Ok(()), .. })),
            finished: self.end.is_some(),
        }
    }
}

#[cfg(test)]
mod tests;
