//! Rows are returned once and in order, also when callers stop waiting.

use std::sync::Arc;

use futures::FutureExt;
use sql::arrow::{
    array::{ArrayRef, AsArray, Int64Array, StringArray},
    datatypes::Int64Type,
};

use super::*;

fn buffer() -> RowBuffer {
    RowBuffer::new("q".to_owned(), usize::MAX)
}

fn batch(values: impl IntoIterator<Item = i64>) -> RecordBatch {
    let column: ArrayRef = Arc::new(Int64Array::from_iter_values(values));
    RecordBatch::try_from_iter([("n", column)]).unwrap()
}

fn values(batches: &[RecordBatch]) -> Vec<i64> {
    batches.iter().flat_map(|batch| batch.column(0).as_primitive::<Int64Type>().values().to_vec()).collect()
}

async fn next(buffer: &RowBuffer) -> Result<Vec<i64>, String> {
    let parts = buffer.peek(1, None).await.map_err(|fault| fault.to_string())?;
    buffer.advance(parts.len()).map_err(|fault| fault.to_string())?;
    Ok(values(&parts))
}

#[tokio::test]
async fn a_wait_that_is_dropped_loses_nothing() {
    let buffer = buffer();
    assert!(buffer.peek(1, None).now_or_never().is_none());
    buffer.push(&batch([1]));
    assert_eq!(values(&buffer.peek(1, None).now_or_never().unwrap().unwrap()), [1]);
    assert_eq!(next(&buffer).await.unwrap(), [1]);
    buffer.finish(Ok(()), None);
    assert_eq!(next(&buffer).await.unwrap(), [] as [i64; 0]);
    assert_eq!(next(&buffer).await.unwrap(), [] as [i64; 0]);
}

#[tokio::test]
async fn an_error_follows_its_rows_and_stays() {
    let buffer = buffer();
    buffer.push(&batch([1]));
    buffer.finish(Err(EngineError::invalid("division by zero")), None);
    assert_eq!(next(&buffer).await.unwrap(), [1]);
    for _ in 0..2 {
        assert_eq!(next(&buffer).await.unwrap_err(), "division by zero");
    }
}

#[tokio::test]
async fn fetching_makes_room() {
    let buffer = buffer();
    for number in 0..4 {
        assert!(buffer.room().now_or_never().is_some());
        buffer.push(&batch([number]));
    }
    assert!(buffer.room().now_or_never().is_none());
    let room = buffer.room();
    let fetch = async { next(&buffer).await.unwrap() };
    assert_eq!(tokio::join!(room, fetch).1, [0]);
}

#[tokio::test]
async fn closing_ends_every_wait() {
    let buffer = buffer();
    let waiting = buffer.peek(1, None);
    let close = async { buffer.close() };
    assert!(tokio::join!(waiting, close).0.unwrap_err().to_string().contains("'q'"));
    assert!(buffer.settled(Duration::ZERO).await.is_err());
    buffer.push(&batch([1]));
    assert!(buffer.advance(1).is_err());
}

#[tokio::test(start_paused = true)]
async fn waits_end_without_rows_or_errors() {
    let buffer = buffer();
    assert!(buffer.peek(4, Some(Duration::from_secs(10))).await.unwrap().is_empty());
    let (progress, start) = (buffer.settled(Duration::from_secs(1)).await.unwrap(), Instant::now());
    assert!(!progress.finished && start.elapsed().is_zero());
}

#[tokio::test]
async fn size_is_known_at_end_unless_full() {
    let (small, large, failed) = (buffer(), buffer(), buffer());
    small.push(&batch([1, 2, 3]));
    small.finish(Ok(()), None);
    let progress = small.settled(Duration::from_secs(60)).await.unwrap();
    assert_eq!((progress.rows, progress.complete, progress.finished), (3, true, true));
    for _ in 0..MOST_BATCHES {
        large.push(&batch([1]));
    }
    assert!(!large.settled(Duration::from_secs(60)).await.unwrap().complete);
    failed.finish(Err(EngineError::Bug("oops")), None);
    let progress = failed.settled(Duration::from_secs(60)).await.unwrap();
    assert!(progress.finished && !progress.complete);
}

#[tokio::test]
async fn rows_and_parts_are_of_one_stream() {
    let buffer = buffer();
    buffer.push(&batch([1, 2, 3]));
    buffer.push(&batch([4]));
    buffer.finish(Ok(()), None);
    buffer.advance_row().unwrap();
    assert_eq!(next(&buffer).await.unwrap(), [2, 3]);
    buffer.advance_row().unwrap();
    assert_eq!(next(&buffer).await.unwrap(), [] as [i64; 0]);
}

#[tokio::test]
async fn large_batches_are_split() {
    let few = RowBuffer::new("q".to_owned(), 2);
    few.push(&batch(0..5));
    assert_eq!(next(&few).await.unwrap(), [0, 1]);
    assert_eq!(next(&few).await.unwrap(), [2, 3]);
    assert_eq!(next(&few).await.unwrap(), [4]);

    let large = buffer();
    let text: ArrayRef = Arc::new(StringArray::from_iter_values((0..100).map(|_| "x".repeat(100_000))));
    large.push(&RecordBatch::try_from_iter([("t", text)]).unwrap());
    let parts = large.peek(100, None).await.unwrap();
    assert!(parts.len() >= 3, "{} parts", parts.len());
    assert_eq!(parts.iter().map(RecordBatch::num_rows).sum::<usize>(), 100);
    assert!(large.advance(parts.len()).is_ok_and(|last| !last));
    assert!(large.room().now_or_never().is_some());
}
