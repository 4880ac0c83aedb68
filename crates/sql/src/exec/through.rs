//! A node that looks at each batch on its way: it may count it, refuse it, or cut it into smaller ones.

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

/// What becomes of a batch.
pub(super) trait Pass: fmt::Debug + Send + Sync {
    /// The node's name.
    fn name(&self) -> &'static str;

    /// The same rows, in one batch or several.
    fn pass(&self, batch: RecordBatch) -> Result<Vec<RecordBatch>>;
}

/// Passes its input on.
#[derive(Debug)]
pub(super) struct ThroughExec {
    input: Arc<dyn ExecutionPlan>,
    pass: Arc<dyn Pass>,
}

impl ThroughExec {
    pub(super) fn over(input: &Arc<dyn ExecutionPlan>, pass: impl Pass + 'static) -> Arc<dyn ExecutionPlan> {
        Arc::new(Self { input: Arc::clone(input), pass: Arc::new(pass) })
    }
}

impl DisplayAs for ThroughExec {
    fn fmt_as(&self, _: DisplayFormatType, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.pass.name())
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
            Some(input) => Ok(Arc::new(Self { input, pass: Arc::clone(&self.pass) })),
            None => Ok(self),
        }
    }

    fn execute(&self, partition: usize, context: Arc<TaskContext>) -> Result<SendableRecordBatchStream> {
        let inner = self.input.execute(partition, context)?;
        let (schema, pass) = (inner.schema(), Arc::clone(&self.pass));
        let batches = inner.flat_map(move |batch| {
            let passed = batch.and_then(|batch| pass.pass(batch));
            stream::iter(match passed {
                Ok(batches) => batches.into_iter().map(Ok).collect(),
                Err(error) => vec![Err(error)],
            })
        });
        Ok(Box::pin(RecordBatchStreamAdapter::new(schema, batches)))
    }
}
