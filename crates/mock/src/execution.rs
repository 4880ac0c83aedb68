//! One execution of a query: its rows as metadata, chunks and single rows. All ways of fetching read the same stream.

use std::{sync::Arc, time::Duration};

use sql::{Measured, arrow::datatypes::SchemaRef};
use tokio::{
    sync::{Mutex, mpsc, oneshot},
    time::Instant,
};
use tokio_util::task::AbortOnDropHandle;

use super::{
    executor::Executor,
    produce::{Question, Source, produce},
    results::{Layout, encode_chunk, encode_metadata, encode_row},
    row_buffer::{MOST_BATCHES, Progress, RowBuffer},
    status::EngineError,
};

/// How long a metadata request waits for the number of rows.
const COUNTING: Duration = Duration::from_secs(1);

/// How long a fetch waits for rows before it returns an envelope without chunks; the client then asks again.
const PATIENCE: Duration = Duration::from_secs(10);

/// The fixed properties of an execution.
#[derive(Debug)]
pub(crate) struct Plan {
    /// The query's id, for errors.
    pub(crate) query: String,
    /// The columns.
    pub(crate) schema: SchemaRef,
    /// Which columns are literals.
    pub(crate) constants: Vec<bool>,
    /// The number of rows, if the plan knows it.
    pub(crate) exact_rows: Option<u64>,
    /// The most rows in a chunk.
    pub(crate) most_rows: usize,
    /// How long parsing and planning took.
    pub(crate) planning: Duration,
    /// How long the execution was queued.
    pub(crate) queued: Duration,
}

/// An execution of a query.
#[derive(Debug)]
pub(crate) struct Execution {
    /// The plan it was started with.
    pub(crate) plan: Plan,
    started: Instant,
    buffer: Arc<RowBuffer>,
    /// Held during a fetch, so that each part is returned once.
    turn: Mutex<()>,
    layout: Arc<Layout>,
    questions: mpsc::UnboundedSender<Question>,
    producer: AbortOnDropHandle<()>,
    executor: Executor,
}

impl Execution {
    /// Starts to produce rows.
    pub(crate) fn start(source: impl Source, plan: Plan, executor: &Executor) -> Arc<Self> {
        let buffer = Arc::new(RowBuffer::new(plan.query.clone(), plan.most_rows));
        let (questions, asked) = mpsc::unbounded_channel();
        let layout = Layout::new(&plan.schema, &plan.constants);
        Arc::new(Self {
            plan,
            started: Instant::now(),
            producer: executor.start(produce(source, Arc::clone(&buffer), asked)),
            buffer,
            turn: Mutex::new(()),
            layout: Arc::new(layout),
            questions,
            executor: executor.clone(),
        })
    }

    /// Stops the work at once and drops unfetched rows. Waiting calls fail.
    pub(crate) fn close(&self) {
        self.producer.abort();
        self.buffer.close();
    }

    /// The metadata. Waits briefly for the number of rows if only the end of the result reveals it.
    pub(crate) async fn metadata(&self) -> Result<Vec<u8>, EngineError> {
        let patience = if self.plan.exact_rows.is_some() { Duration::ZERO } else { COUNTING };
        let progress = self.buffer.settled(patience).await?;
        let rows = self.plan.exact_rows.or(progress.complete.then_some(progress.rows));
        Ok(encode_metadata(rows, &self.plan.schema, &self.layout.wires))
    }

    /// The next chunk; empty after the last one.
    pub(crate) async fn chunk(&self) -> Result<Vec<u8>, EngineError> {
        let _turn = self.turn.lock().await;
        let mut chunks = self.encoded(1, None).await?;
        self.buffer.advance(chunks.len())?;
        Ok(chunks.pop().unwrap_or_default())
    }

    /// The next few chunks, and whether they are the last. No chunks if it takes too long.
    pub(crate) async fn chunks(&self) -> Result<(Vec<Vec<u8>>, bool), EngineError> {
        let _turn = self.turn.lock().await;
        let chunks = self.encoded(MOST_BATCHES, Some(PATIENCE)).await?;
        let last = self.buffer.advance(chunks.len())?;
        Ok((chunks, last))
    }

    /// The next row; empty after the last one.
    pub(crate) async fn row(&self) -> Result<Vec<u8>, EngineError> {
        let _turn = self.turn.lock().await;
        let parts = self.buffer.peek(1, None).await?;
        let Some(batch) = parts.into_iter().next() else {
            return Ok(Vec::new());
        };
        let layout = Arc::clone(&self.layout);
        let row = self.executor.run(async move { encode_row(&batch, 0, &layout) }).await?;
        self.buffer.advance_row()?;
        Ok(row)
    }

    /// The progress of the execution.
    pub(crate) fn progress(&self) -> Progress {
        self.buffer.progress()
    }

    /// The measurements so far, and how long it has run (or ran).
    pub(crate) async fn measured(&self) -> (Option<Measured>, Duration) {
        let (question, answer) = oneshot::channel();
        let measured = match self.questions.send(question) {
            Ok(()) => answer.await.ok(),
            Err(_) => None,
        };
        let ended = self.buffer.ended();
        let until = ended.as_ref().map_or_else(Instant::now, |(_, at)| *at);
        (measured.or(ended.and_then(|(measured, _)| measured)), until.saturating_duration_since(self.started))
    }

    /// Encodes the next chunks without removing them from the stream, so that a dropped call loses nothing.
    async fn encoded(&self, most: usize, patience: Option<Duration>) -> Result<Vec<Vec<u8>>, EngineError> {
        let parts = self.buffer.peek(most, patience).await?;
        if parts.is_empty() {
            return Ok(Vec::new());
        }
        let layout = Arc::clone(&self.layout);
        self.executor
            .run(async move { parts.iter().map(|batch| encode_chunk(batch, &layout)).collect() })
            .await
    }
}

#[cfg(test)]
mod tests;
