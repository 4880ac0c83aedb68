//! LEAD and LAG that see the whole partition with IGNORE NULLS, because DataFusion's row-by-row versions count
//! wrongly.

use std::sync::Arc;

use datafusion::{
    arrow::{
        array::ArrayRef,
        datatypes::{DataType, FieldRef},
    },
    common::Result,
    functions_window::lead_lag::{lag_udwf, lead_udwf},
    logical_expr::{
        LimitEffect, PartitionEvaluator, ReversedUDWF, Signature, WindowUDF, WindowUDFImpl,
        function::{ExpressionArgs, PartitionEvaluatorArgs, WindowUDFFieldArgs},
    },
    physical_expr::PhysicalExpr,
};

pub(super) fn functions() -> Vec<Arc<WindowUDF>> {
    let own = |inner| Arc::new(WindowUDF::new_from_impl(Shift { inner }));
    vec![own(lead_udwf()), own(lag_udwf())]
}

/// LEAD or LAG.
#[derive(Debug, PartialEq, Eq, Hash)]
struct Shift {
    inner: Arc<WindowUDF>,
}

impl WindowUDFImpl for Shift {
    fn name(&self) -> &str {
        self.inner.name()
    }

    fn signature(&self) -> &Signature {
        self.inner.signature()
    }

    fn expressions(&self, args: ExpressionArgs) -> Vec<Arc<dyn PhysicalExpr>> {
        self.inner.expressions(args)
    }

    fn partition_evaluator(&self, args: PartitionEvaluatorArgs) -> Result<Box<dyn PartitionEvaluator>> {
        let whole = args.ignore_nulls();
        let inner = self.inner.partition_evaluator_factory(args)?;
        Ok(if whole { Box::new(Whole { inner }) } else { inner })
    }

    fn field(&self, args: WindowUDFFieldArgs) -> Result<FieldRef> {
        self.inner.field(args)
    }

    fn coerce_types(&self, types: &[DataType]) -> Result<Vec<DataType>> {
        self.inner.coerce_types(types)
    }

    fn reverse_expr(&self) -> ReversedUDWF {
        match self.inner.reverse_expr() {
            ReversedUDWF::Reversed(inner) => {
                ReversedUDWF::Reversed(Arc::new(WindowUDF::new_from_impl(Self { inner })))
            }
            other => other,
        }
    }

    fn limit_effect(&self, args: &[Arc<dyn PhysicalExpr>]) -> LimitEffect {
        // With IGNORE NULLS, which is not known here, any row may matter.
        match self.inner.inner().limit_effect(args) {
            LimitEffect::None => LimitEffect::None,
            _ => LimitEffect::Unknown,
        }
    }
}

/// Evaluates a whole partition.
#[derive(Debug)]
struct Whole {
    inner: Box<dyn PartitionEvaluator>,
}

impl PartitionEvaluator for Whole {
    fn evaluate_all(&mut self, values: &[ArrayRef], rows: usize) -> Result<ArrayRef> {
        self.inner.evaluate_all(values, rows)
    }
}
