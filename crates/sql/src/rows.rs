//! One execution of a query: a task that computes batches, and a stream of them.

use std::{
    fmt,
    panic::AssertUnwindSafe,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    task::{Context, Poll, ready},
    time::Duration,
};

use datafusion::{
    arrow::{
        array::{RecordBatch, RecordBatchOptions},
        datatypes::{Schema, SchemaRef},
    },
    common::stats::Precision,
    execution::{SendableRecordBatchStream, memory_pool::MemoryReservation},
    physical_plan::{
        ExecutionPlan,
        display::DisplayableExecutionPlan,
        execute_stream,
        statistics::{StatisticsArgs, StatisticsContext},
    },
};
use futures::{FutureExt, Stream, StreamExt};
use tokio::{
    runtime::{Handle, RuntimeFlavor},
    sync::mpsc,
    task::{AbortHandle, block_in_place},
};

use crate::{
    Error,
    engine::Core,
    exec::{Stop, bounded, size, stoppable},
    guard::{Memory, forget_produced},
    statement::Run,
};

/// The number of batches that are computed ahead.
const AHEAD: usize = 1;

/// Waiting batches of up to this many bytes are not counted.
const ORDINARY: u128 = 2 << 20;

/// The rows of a running query, as a stream of non-empty batches. Dropping it stops the work.
pub struct Rows {
    schema: SchemaRef,
    exact: Option<u64>,
    plan: Arc<dyn ExecutionPlan>,
    batches: mpsc::Receiver<Result<Waiting, Error>>,
    /// The rest of a batch that had too many rows.
    rest: Option<Waiting>,
    batch_rows: usize,
    yielded: AtomicU64,
    stop: Stop,
    task: AbortHandle,
}

impl Rows {
    /// Starts an execution on the current runtime.
    pub(crate) fn start(run: Run, titles: &[String], core: &Core) -> Result<Self, Error> {
        let Run { plan, context, rows } = run;
        let (memory, batch_rows) = (&core.memory, core.batch_rows);
        let schema = titled(&plan.schema(), titles);
        let exact = exact_rows(plan.as_ref());
        let stop = Stop::default();
        let (plan, greedy) = stoppable(bounded(plan, memory, rows)?, &stop)?;
        let running = execute_stream(Arc::clone(&plan), context)?;
        let handle = Handle::current();
        let aside = greedy && handle.runtime_flavor() == RuntimeFlavor::MultiThread;
        let (sender, batches) = mpsc::channel(AHEAD);
        let work = drive(running, sender.clone(), aside, memory.clone());
        let work = AssertUnwindSafe(work).catch_unwind();
        let task = handle.spawn(async move {
            if let Err(payload) = work.await {
                let _ = sender.send(Err(Error::panic(payload.as_ref()))).await;
            }
        });
        let task = task.abort_handle();
        let yielded = AtomicU64::new(0);
        Ok(Self { schema, exact, plan, batches, rest: None, batch_rows, yielded, stop, task })
    }

    /// The schema of the batches.
    pub fn schema(&self) -> SchemaRef {
        Arc::clone(&self.schema)
    }

    /// The number of rows of the result, if the plan knows it.
    pub fn exact_rows(&self) -> Option<u64> {
        self.exact
    }

    /// The physical plan with the measurements so far.
    pub fn measured(&self) -> Measured {
        let mut compute = 0;
        let mut spilled = 0;
        let mut nodes = vec![&self.plan];
        while let Some(node) = nodes.pop() {
            let metrics = node.metrics().unwrap_or_default();
            compute += metrics.elapsed_compute().unwrap_or(0);
            spilled += metrics.spilled_bytes().unwrap_or(0);
            nodes.extend(node.children());
        }
        Measured {
            plan: DisplayableExecutionPlan::with_metrics(self.plan.as_ref()).indent(false).to_string(),
            compute: Duration::from_nanos(compute as u64),
            output_rows: self.yielded.load(Ordering::Relaxed),
            spilled_bytes: spilled as u64,
        }
    }

    /// Returns at most `batch_rows` rows of the batch, and keeps the rest.
    fn cut(&mut self, waiting: Waiting) -> Result<RecordBatch, Error> {
        let Waiting { batch, counted } = waiting;
        let rows = batch.num_rows().min(self.batch_rows);
        if rows < batch.num_rows() {
            self.rest = Some(Waiting { batch: batch.slice(rows, batch.num_rows() - rows), counted });
        }
        self.yielded.fetch_add(rows as u64, Ordering::Relaxed);
        let options = RecordBatchOptions::new().with_row_count(Some(rows));
        let columns = batch.slice(0, rows).columns().to_vec();
        RecordBatch::try_new_with_options(Arc::clone(&self.schema), columns, &options)
            .map_err(|error| Error::Internal(error.to_string()))
    }
}

/// Renames the columns of a schema.
pub(crate) fn titled(schema: &Schema, titles: &[String]) -> SchemaRef {
    let fields = schema.fields().iter().enumerate().map(|(at, field)| match titles.get(at) {
        Some(title) if title != field.name() => Arc::new(field.as_ref().clone().with_name(title)),
        _ => Arc::clone(field),
    });
    Arc::new(Schema::new(fields.collect::<Vec<_>>()))
}

/// A computed batch that was not fetched yet. Its memory is counted if it is large.
struct Waiting {
    batch: RecordBatch,
    counted: MemoryReservation,
}

fn waiting(batch: RecordBatch, memory: &Memory) -> Result<Waiting, Error> {
    let counted = memory.reservation("rows that wait to be fetched");
    let bytes = size(&batch);
    if bytes > ORDINARY && !usize::try_from(bytes).is_ok_and(|bytes| counted.try_grow(bytes).is_ok()) {
        return Err(memory.exceeded("a batch of the result", bytes).into());
    }
    Ok(Waiting { batch, counted })
}

/// Computes batches as fast as they are fetched.
async fn drive(
    mut running: SendableRecordBatchStream,
    sender: mpsc::Sender<Result<Waiting, Error>>,
    aside: bool,
    memory: Memory,
) {
    loop {
        let next = std::future::poll_fn(|cx| {
            let mut poll = || {
                forget_produced();
                running.poll_next_unpin(cx)
            };
            if aside { block_in_place(poll) } else { poll() }
        });
        let batch = match next.await {
            None => return,
            Some(Ok(batch)) if batch.num_rows() == 0 => continue,
            Some(batch) => batch.map_err(Error::from).and_then(|batch| waiting(batch, &memory)),
        };
        let last = batch.is_err();
        if sender.send(batch).await.is_err() || last {
            return;
        }
    }
}

/// The number of rows, if the plan's statistics know it. The statistics of a scan ignore its limit; this allows for
/// it if no operator above changes the number of rows.
fn exact_rows(plan: &dyn ExecutionPlan) -> Option<u64> {
    let rows = counted(plan)?;
    let mut node = plan;
    while !stops_early(node) {
        match node.children()[..] {
            [child] if counted(child.as_ref()) == Some(rows) => node = child.as_ref(),
            _ if any(node, stops_early) => return None,
            _ => return Some(rows),
        }
    }
    node.fetch().map(|fetch| rows.min(fetch as u64))
}

fn counted(plan: &dyn ExecutionPlan) -> Option<u64> {
    match StatisticsContext::new().compute(plan, &StatisticsArgs::new()).ok()?.num_rows {
        Precision::Exact(rows) => Some(rows as u64),
        _ => None,
    }
}

fn stops_early(plan: &dyn ExecutionPlan) -> bool {
    plan.fetch().is_some_and(|fetch| counted(plan).is_none_or(|rows| rows > fetch as u64))
}

fn any(plan: &dyn ExecutionPlan, is: fn(&dyn ExecutionPlan) -> bool) -> bool {
    is(plan) || plan.children().into_iter().any(|child| any(child.as_ref(), is))
}

impl Stream for Rows {
    type Item = Result<RecordBatch, Error>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        if let Some(rest) = self.rest.take() {
            return Poll::Ready(Some(self.cut(rest)));
        }
        Poll::Ready(match ready!(self.batches.poll_recv(cx)) {
            Some(Ok(waiting)) => Some(self.cut(waiting)),
            Some(Err(error)) => Some(Err(error)),
            None => None,
        })
    }
}

impl Drop for Rows {
    fn drop(&mut self) {
        self.stop.stop();
        self.task.abort();
    }
}

impl fmt::Debug for Rows {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Rows")
            .field("schema", &self.schema)
            .field("exact", &self.exact)
            .finish_non_exhaustive()
    }
}

/// The measurements of an execution so far.
#[derive(Clone, Debug)]
pub struct Measured {
    /// The physical plan as text, with metrics.
    pub plan: String,
    /// Compute time, summed over all operators.
    pub compute: Duration,
    /// Rows produced so far.
    pub output_rows: u64,
    /// Bytes spilled to the temporary folder.
    pub spilled_bytes: u64,
}
