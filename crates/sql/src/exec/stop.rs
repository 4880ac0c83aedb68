//! Stops a query while it computes. DataFusion's joins can run for minutes without yielding. Here every join yields
//! regularly, and the filter of a nested loop join, which may never yield, fails once its query is stopped.

use std::{
    fmt,
    hash::{Hash, Hasher},
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll, ready},
};

use datafusion::{
    arrow::{
        array::RecordBatch,
        datatypes::{FieldRef, Schema, SchemaRef},
    },
    common::tree_node::{Transformed, TreeNode},
    error::{DataFusionError, Result},
    execution::{RecordBatchStream, SendableRecordBatchStream},
    logical_expr::ColumnarValue,
    physical_expr::PhysicalExpr,
    physical_plan::{
        ExecutionPlan,
        joins::{HashJoinExec, NestedLoopJoinExec, NestedLoopJoinExecBuilder, utils::JoinFilter},
    },
};
use futures::Stream;

use super::through::{Along, ThroughExec};

/// A join yields after this many batches.
const TURN: u32 = 16;

/// Tells the operators of a running query to stop.
#[derive(Clone, Debug, Default)]
pub(crate) struct Stop(Arc<AtomicBool>);

impl Stop {
    pub(crate) fn stop(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    pub(crate) fn check(&self) -> Result<()> {
        if self.0.load(Ordering::Relaxed) {
            return Err(DataFusionError::Execution("the query was stopped".into()));
        }
        Ok(())
    }
}

/// Makes a plan stoppable. Also returns whether some part of it may compute for long without yielding, and so must
/// run on a thread of its own.
pub(crate) fn stoppable(plan: Arc<dyn ExecutionPlan>, stop: &Stop) -> Result<(Arc<dyn ExecutionPlan>, bool)> {
    let mut greedy = false;
    let wrapped = plan.transform_up(|node| {
        if !node.name().contains("Join") {
            return Ok(Transformed::no(node));
        }
        // A join with a filter does not return to its caller before a pair is left.
        let checked: Option<Arc<dyn ExecutionPlan>> =
            if let Some(join) = node.downcast_ref::<NestedLoopJoinExec>() {
                greedy = true;
                let filter = join.filter().map(|filter| checked(filter, stop));
                Some(Arc::new(NestedLoopJoinExecBuilder::from(join).with_filter(filter).build()?))
            } else if let Some((join, filter)) =
                node.downcast_ref::<HashJoinExec>().and_then(|join| Some((join, join.filter()?)))
            {
                greedy = true;
                Some(Arc::new(join.builder().with_filter(Some(checked(filter, stop))).build()?))
            } else {
                None
            };
        let input = checked.unwrap_or(node);
        Ok(Transformed::yes(ThroughExec::along(input, Turns(stop.clone()))))
    })?;
    Ok((wrapped.data, greedy))
}

fn checked(filter: &JoinFilter, stop: &Stop) -> JoinFilter {
    let expression = Arc::new(Checked { inner: Arc::clone(filter.expression()), stop: stop.clone() });
    JoinFilter::new(expression, filter.column_indices().to_vec(), Arc::clone(filter.schema()))
}

/// Wraps an expression that fails once its query is stopped.
#[derive(Debug)]
struct Checked {
    inner: Arc<dyn PhysicalExpr>,
    stop: Stop,
}

impl PartialEq for Checked {
    fn eq(&self, other: &Self) -> bool {
        self.inner.eq(&other.inner)
    }
}

impl Eq for Checked {}

impl Hash for Checked {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.inner.hash(state);
    }
}

impl fmt::Display for Checked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.inner.fmt(f)
    }
}

impl PhysicalExpr for Checked {
    fn return_field(&self, input: &Schema) -> Result<FieldRef> {
        self.inner.return_field(input)
    }

    fn evaluate(&self, batch: &RecordBatch) -> Result<ColumnarValue> {
        self.stop.check()?;
        self.inner.evaluate(batch)
    }

    fn children(&self) -> Vec<&Arc<dyn PhysicalExpr>> {
        vec![&self.inner]
    }

    fn with_new_children(
        self: Arc<Self>,
        children: Vec<Arc<dyn PhysicalExpr>>,
    ) -> Result<Arc<dyn PhysicalExpr>> {
        match children.into_iter().next() {
            Some(inner) => Ok(Arc::new(Self { inner, stop: self.stop.clone() })),
            None => Ok(self),
        }
    }

    fn fmt_sql(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.inner.fmt_sql(f)
    }
}

/// Yields regularly.
#[derive(Debug)]
struct Turns(Stop);

impl Along for Turns {
    fn name(&self) -> &'static str {
        "YieldExec"
    }

    fn along(&self, inner: SendableRecordBatchStream) -> SendableRecordBatchStream {
        Box::pin(Yielding { inner, stop: self.0.clone(), batches: 0 })
    }
}

struct Yielding {
    inner: SendableRecordBatchStream,
    stop: Stop,
    batches: u32,
}

impl Stream for Yielding {
    type Item = Result<RecordBatch>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.stop.check()?;
        if self.batches == TURN {
            self.batches = 0;
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        let batch = ready!(self.inner.as_mut().poll_next(cx));
        self.batches += 1;
        Poll::Ready(batch)
    }
}

impl RecordBatchStream for Yielding {
    fn schema(&self) -> SchemaRef {
        self.inner.schema()
    }
}
