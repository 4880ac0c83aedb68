//! Wraps a function: its result is estimated before it is computed, and counted while it lives.

use std::{
    hash::{Hash, Hasher},
    sync::Arc,
};

use datafusion::{
    arrow::datatypes::{DataType, FieldRef},
    common::{Result, ScalarValue},
    logical_expr::{
        ColumnarValue, Documentation, Expr, ExpressionPlacement, ReturnFieldArgs, ScalarFunctionArgs,
        ScalarUDF, ScalarUDFImpl, Signature, StructFieldMapping,
        interval_arithmetic::Interval,
        simplify::{ExprSimplifyResult, SimplifyContext},
        sort_properties::{ExprProperties, SortProperties},
    },
};

use super::{
    Memory,
    estimate::{self, Estimate},
    held, planning,
};

/// Results of up to this many bytes are not counted.
const SMALL: u128 = 32 << 10;
/// The most bytes of a constant in a batch of many rows.
const CONSTANT: usize = 1 << 20;

/// A function with a limit on its result.
#[derive(Debug)]
pub(super) struct Bounded {
    inner: ScalarUDF,
    estimate: Estimate,
    memory: Memory,
}

impl Bounded {
    /// Bounds a function; `None` if its result cannot be much larger than its arguments.
    pub(super) fn of(inner: &ScalarUDF, memory: &Memory) -> Option<Arc<ScalarUDF>> {
        let estimate = estimate::of(inner.name())?;
        if inner.inner().downcast_ref::<Self>().is_some() {
            return None;
        }
        let bounded = Self { inner: inner.clone(), estimate, memory: memory.clone() };
        Some(Arc::new(ScalarUDF::new_from_impl(bounded)))
    }

    fn function(&self) -> &dyn ScalarUDFImpl {
        self.inner.inner().as_ref()
    }
}

impl PartialEq for Bounded {
    fn eq(&self, other: &Self) -> bool {
        self.inner == other.inner
    }
}

impl Eq for Bounded {}

impl Hash for Bounded {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.inner.hash(state);
    }
}

impl ScalarUDFImpl for Bounded {
    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let bytes = (self.estimate)(&args.args, args.number_rows)?;
        if let Some(allowed) = planning::constant(self.name(), bytes) {
            allowed?;
            return self.function().invoke_with_args(args);
        }
        if bytes <= SMALL {
            return self.function().invoke_with_args(args);
        }
        let reservation = self.memory.reserve(&format!("{}()", self.name()), bytes)?;
        let rows = args.number_rows;
        match self.function().invoke_with_args(args)? {
            ColumnarValue::Array(array) => Ok(ColumnarValue::Array(held::array(&array, reservation)?)),
            ColumnarValue::Scalar(value) if rows == 1 => {
                Ok(ColumnarValue::Array(held::array(&value.to_array()?, reservation)?))
            }
            ColumnarValue::Scalar(value) if value.size() > CONSTANT => {
                let repeated = value.size() as u128 * rows as u128;
                Err(self.memory.exceeded(&format!("{}() in {rows} rows", self.name()), repeated))
            }
            value @ ColumnarValue::Scalar(_) => Ok(value),
        }
    }

    // A simplified replacement would be unbounded.
    fn simplify(&self, args: Vec<Expr>, _: &SimplifyContext) -> Result<ExprSimplifyResult> {
        Ok(ExprSimplifyResult::Original(args))
    }

    fn name(&self) -> &str {
        self.function().name()
    }

    fn aliases(&self) -> &[String] {
        self.function().aliases()
    }

    fn schema_name(&self, args: &[Expr]) -> Result<String> {
        self.function().schema_name(args)
    }

    fn signature(&self) -> &Signature {
        self.function().signature()
    }

    fn return_type(&self, arg_types: &[DataType]) -> Result<DataType> {
        self.function().return_type(arg_types)
    }

    fn return_field_from_args(&self, args: ReturnFieldArgs) -> Result<FieldRef> {
        self.function().return_field_from_args(args)
    }

    fn is_strict(&self) -> bool {
        self.function().is_strict()
    }

    fn short_circuits(&self) -> bool {
        self.function().short_circuits()
    }

    fn conditional_arguments<'a>(&self, args: &'a [Expr]) -> Option<(Vec<&'a Expr>, Vec<&'a Expr>)> {
        self.function().conditional_arguments(args)
    }

    fn evaluate_bounds(&self, input: &[&Interval]) -> Result<Interval> {
        self.function().evaluate_bounds(input)
    }

    fn propagate_constraints(
        &self,
        interval: &Interval,
        inputs: &[&Interval],
    ) -> Result<Option<Vec<Interval>>> {
        self.function().propagate_constraints(interval, inputs)
    }

    fn struct_field_mapping(&self, literals: &[Option<ScalarValue>]) -> Option<StructFieldMapping> {
        self.function().struct_field_mapping(literals)
    }

    fn output_ordering(&self, inputs: &[ExprProperties]) -> Result<SortProperties> {
        self.function().output_ordering(inputs)
    }

    fn preserves_lex_ordering(&self, inputs: &[ExprProperties]) -> Result<bool> {
        self.function().preserves_lex_ordering(inputs)
    }

    fn strictly_order_preserving(&self, inputs: &[ExprProperties]) -> Result<bool> {
        self.function().strictly_order_preserving(inputs)
    }

    fn coerce_types(&self, arg_types: &[DataType]) -> Result<Vec<DataType>> {
        self.function().coerce_types(arg_types)
    }

    fn documentation(&self) -> Option<&Documentation> {
        self.function().documentation()
    }

    fn placement(&self, args: &[ExpressionPlacement]) -> ExpressionPlacement {
        self.function().placement(args)
    }
}
