//! An execution from rows to chunks, over rows that tests make.

use std::{
    pin::Pin,
    sync::atomic::{AtomicBool, Ordering},
    task::{Context, Poll},
};

use futures::{FutureExt, Stream, StreamExt, stream};
use sql::arrow::{
    array::{ArrayRef, Int64Array, RecordBatch},
    datatypes::{DataType, Field, Schema},
};

use super::*;

/// Rows from a stream; reports when it is dropped.
struct Rows<S> {
    stream: S,
    dropped: Arc<AtomicBool>,
}

impl<S> Drop for Rows<S> {
    fn drop(&mut self) {
        self.dropped.store(true, Ordering::SeqCst);
    }
}

impl<S: Stream<Item = Result<RecordBatch, sql::Error>> + Unpin> Stream for Rows<S> {
    type Item = S::Item;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<S::Item>> {
        self.stream.poll_next_unpin(cx)
    }
}

impl<S: Stream<Item = Result<RecordBatch, sql::Error>> + Unpin + Send + 'static> Source for Rows<S> {
    fn measured(&self) -> Measured {
        Measured { plan: "plan".into(), compute: Duration::ZERO, output_rows: 7, spilled_bytes: 0 }
    }
}

fn batch(value: i64) -> RecordBatch {
    let column: ArrayRef = Arc::new(Int64Array::from(vec![value]));
    RecordBatch::try_from_iter([("n", column)]).unwrap()
}

type Item = Result<RecordBatch, sql::Error>;

fn run(stream: impl Stream<Item = Item> + Unpin + Send + 'static) -> (Arc<Execution>, Arc<AtomicBool>) {
    let dropped = Arc::new(AtomicBool::new(false));
    let plan = Plan {
        query: "q".into(),
        schema: Arc::new(Schema::new(vec![Field::new("n", DataType::Int64, true)])),
        constants: vec![false],
        exact_rows: None,
        most_rows: usize::MAX,
        planning: Duration::ZERO,
        queued: Duration::ZERO,
    };
    let executor = Executor::new(tokio::runtime::Handle::current());
    let source = Rows { stream, dropped: Arc::clone(&dropped) };
    (Execution::start(source, plan, &executor), dropped)
}

fn rows(metadata: &[u8]) -> i64 {
    i64::from_be_bytes(metadata[..8].try_into().unwrap())
}

#[tokio::test]
async fn small_results_are_counted_and_fetched_whole() {
    let (execution, _) = run(stream::iter((0..3).map(|value| Ok(batch(value)))));
    assert_eq!(rows(&execution.metadata().await.unwrap()), 3);
    assert!(!execution.chunk().await.unwrap().is_empty());
    let (chunks, last) = execution.chunks().await.unwrap();
    assert_eq!((chunks.len(), last), (2, true));
    assert!(execution.chunk().await.unwrap().is_empty());
    assert!(execution.row().await.unwrap().is_empty());
    assert_eq!(execution.chunks().await.unwrap(), (vec![], true));
}

#[tokio::test]
async fn endless_results_are_produced_as_they_are_fetched() {
    let (execution, dropped) = run(stream::iter((0..).map(|value| Ok(batch(value)))));
    assert_eq!(rows(&execution.metadata().await.unwrap()), -1);
    assert_eq!(execution.progress().rows, MOST_BATCHES as u64);
    for value in 0..10_i64 {
        let row = execution.row().await.unwrap();
        assert_eq!(row, [&[1][..], &value.to_be_bytes()].concat());
    }
    execution.close();
    while !dropped.load(Ordering::SeqCst) {
        tokio::task::yield_now().await;
    }
    assert!(execution.chunk().await.is_err());
    assert!(execution.metadata().await.is_err());
}

#[tokio::test]
async fn a_dropped_fetch_loses_no_chunk() {
    let (send, receive) = tokio::sync::mpsc::unbounded_channel();
    let (execution, _) = run(Box::pin(stream::unfold(receive, |mut receive| async {
        receive.recv().await.map(|item| (item, receive))
    })));
    assert!(execution.chunk().now_or_never().is_none());
    send.send(Ok(batch(1))).unwrap();
    // Dropped while it waits, then while it encodes.
    let mut dropped = Box::pin(execution.row());
    while execution.progress().rows == 0 {
        assert!(futures::poll!(&mut dropped).is_pending());
        tokio::task::yield_now().await;
    }
    assert!(futures::poll!(&mut dropped).is_pending());
    drop(dropped);
    assert_eq!(execution.row().await.unwrap()[8], 1);
    send.send(Ok(batch(2))).unwrap();
    assert_eq!(execution.row().await.unwrap()[8], 2);
}

#[tokio::test]
async fn concurrent_fetches_share_out_the_rows() {
    let (execution, _) = run(stream::iter((0..50).map(|value| Ok(batch(value)))));
    let fetch = || async {
        let mut mine = Vec::new();
        loop {
            let row = execution.row().await.unwrap();
            match row.get(8) {
                Some(value) => mine.push(*value),
                None => return mine,
            }
        }
    };
    let (one, two) = tokio::join!(fetch(), fetch());
    let mut all = [one, two].concat();
    all.sort_unstable();
    assert_eq!(all, (0..50).collect::<Vec<u8>>());
}

#[tokio::test]
async fn mid_stream_errors_are_repeated() {
    let error = sql::Error::Invalid("division by zero".into());
    let (execution, _) = run(stream::iter([Ok(batch(1)), Err(error)]));
    assert_eq!(rows(&execution.metadata().await.unwrap()), -1);
    assert!(!execution.chunk().await.unwrap().is_empty());
    for _ in 0..2 {
        assert_eq!(execution.chunk().await.unwrap_err().to_string(), "division by zero");
        assert!(execution.chunks().await.is_err());
        assert!(execution.row().await.is_err());
    }
    assert!(execution.progress().finished);
}

#[tokio::test]
async fn a_panicking_query_returns_an_error() {
    let (execution, _) = run(Box::pin(stream::once(async { panic!("on purpose") })));
    assert!(matches!(execution.chunk().await, Err(EngineError::Bug(_))));
    assert!(execution.measured().await.0.is_none());
}

#[tokio::test]
async fn measurements_exist_during_and_after_execution() {
    let (execution, _) = run(stream::pending());
    assert_eq!(execution.measured().await.0.unwrap().output_rows, 7);
    let (execution, _) = run(stream::empty());
    assert!(execution.chunk().await.unwrap().is_empty());
    assert_eq!(execution.measured().await.0.unwrap().plan, "plan");
}

#[tokio::test(start_paused = true)]
async fn slow_queries_answer_empty_envelopes_without_count() {
    let (execution, _) = run(stream::pending());
    assert_eq!(rows(&execution.metadata().await.unwrap()), -1);
    assert_eq!(execution.chunks().await.unwrap(), (vec![], false));
}
