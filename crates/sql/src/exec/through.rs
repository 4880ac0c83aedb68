//! A node that passes its input on. It may inspect, count, refuse or split batches, or delay the next one.

use std::{fmt, sync::Arc};

use datafusion::{
    arrow::array::RecordBatch,
    common::tree_node::TreeNodeRecursion,
    error::Result,
    execution::{SendableRecordBatchStream, TaskContext},
    physical_expr::PhysicalExpr,
    physical_plan::{
        DisplayAs, DisplayFormatType, ExecutionPlan, PlanProperties, stream::RecordBatchStreamAdapter,
    },
};
use futures::{StreamExt, stream};

/// Handles one batch.
pub(super) trait Pass: fmt::Debug + Send + Sync {
    /// The name of the node.
    fn name(&self) -> &'static str;

    /// Returns the same rows, in one batch or several.
    fn pass(&self, batch: RecordBatch) -> Result<Vec<RecordBatch>>;
}

/// Handles a stream of batches.
pub(super) trait Along: fmt::Debug + Send + Sync {
    /// The name of the node.
    fn name(&self) -> &'static str;

    /// Returns the same rows in the same order.
    fn along(&self, stream: SendableRecordBatchStream) -> SendableRecordBatchStream;
}

/// Applies a [`Pass`] to each batch.
#[derive(Debug)]
struct Each<P>(Arc<P>);

impl<P: Pass + 'static> Along for Each<P> {
    fn name(&self) -> &'static str {
        self.0.name()
    }

    fn along(&self, stream: SendableRecordBatchStream) -> SendableRecordBatchStream {
        let (schema, pass) = (stream.schema(), Arc::clone(&self.0));
        let batches = stream.flat_map(move |batch| {
            let passed = batch.and_then(|batch| pass.pass(batch));
            stream::iter(match passed {
                Ok(batches) => batches.into_iter().map(Ok).collect(),
                Err(error) => vec![Err(error)],
            })
        });
        Box::pin(RecordBatchStreamAdapter::new(schema, batches))
    }
}

/// Passes its input on through an [`Along`].
#[derive(Debug)]
pub(super) struct ThroughExec {
    input: Arc<dyn ExecutionPlan>,
    along: Arc<dyn Along>,
}

impl ThroughExec {
    pub(super) fn over(input: &Arc<dyn ExecutionPlan>, pass: impl Pass + 'static) -> Arc<dyn ExecutionPlan> {
        Self::along(Arc::clone(input), Each(Arc::new(pass)))
    }

    pub(super) fn along(
        input: Arc<dyn ExecutionPlan>,
        along: impl Along + 'static,
    ) -> Arc<dyn ExecutionPlan> {
        Arc::new(Self { input, along: Arc::new(along) })
    }
}

impl DisplayAs for ThroughExec {
    fn fmt_as(&self, _: DisplayFormatType, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.along.name())
    }
}

impl ExecutionPlan for ThroughExec {
    fn name(&self) -> &'static str {
        "ThroughExec"
    }

    fn properties(&self) -> &Arc<PlanProperties> {
        self.input.properties()
    }

    fn maintains_input_order(&self) -> Vec<bool> {
        vec![true]
    }

    fn children(&self) -> Vec<&Arc<dyn ExecutionPlan>> {
        vec![&self.input]
    }

    fn apply_expressions(
        &self,
        _: &mut dyn FnMut(&Arc<dyn PhysicalExpr>) -> Result<TreeNodeRecursion>,
    ) -> Result<TreeNodeRecursion> {
        Ok(TreeNodeRecursion::Continue)
    }

    fn with_new_children(
        self: Arc<Self>,
        children: Vec<Arc<dyn ExecutionPlan>>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        match children.into_iter().next() {
            Some(input) => Ok(Arc::new(Self { input, along: Arc::clone(&self.along) })),
            None => Ok(self),
        }
    }

    fn execute(&self, partition: usize, context: Arc<TaskContext>) -> Result<SendableRecordBatchStream> {
        Ok(self.along.along(self.input.execute(partition, context)?))
    }
}
