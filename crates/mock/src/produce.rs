//! The task that produces a query's rows, no faster than they are fetched.

use std::{panic::AssertUnwindSafe, sync::Arc};

use futures::{FutureExt, Stream, StreamExt};
use sql::{Measured, Rows, arrow::array::RecordBatch};
use tokio::sync::{mpsc, oneshot};

use super::{row_buffer::RowBuffer, status::EngineError};

/// A stream of rows that measures the work on them.
pub(crate) trait Source: Stream<Item = Result<RecordBatch, sql::Error>> + Send + 'static {
    /// The measurements so far.
    fn measured(&self) -> Measured;
}

impl Source for Rows {
    fn measured(&self) -> Measured {
        Self::measured(self)
    }
}

/// A request for the measurements so far.
pub(crate) type Question = oneshot::Sender<Measured>;

/// Moves all rows into `buffer`, and answers measurement requests in between. A panic ends the result with an error.
pub(crate) async fn produce(
    source: impl Source,
    buffer: Arc<RowBuffer>,
    mut questions: mpsc::UnboundedReceiver<Question>,
) {
    match AssertUnwindSafe(pull(source, &buffer, &mut questions)).catch_unwind().await {
        Ok((result, measured)) => buffer.finish(result, Some(measured)),
        Err(_) => buffer.finish(Err(EngineError::Bug("the query panicked")), None),
    }
}

async fn pull(
    source: impl Source,
    buffer: &RowBuffer,
    questions: &mut mpsc::UnboundedReceiver<Question>,
) -> (Result<(), EngineError>, Measured) {
    let mut source = Box::pin(source);
    loop {
        let next = async {
            buffer.room().await;
            source.next().await
        };
        tokio::select! {
            biased;
            Some(question) = questions.recv() => {
                // The requester may be gone.
                let _ = question.send(source.measured());
            }
            next = next => match next {
                Some(Ok(batch)) if batch.num_rows() == 0 => {}
                Some(Ok(batch)) => buffer.push(&batch),
                Some(Err(error)) => return (Err(error.into()), source.measured()),
                None => return (Ok(()), source.measured()),
            },
        }
    }
}
