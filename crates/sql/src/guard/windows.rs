//! Aggregates with large values in windows, which produce one value per row that DataFusion does not count.

use std::{
    cell::Cell,
    hash::{Hash, Hasher},
    mem::size_of_val,
    sync::Arc,
};

use datafusion::{
    arrow::{
        array::{Array, ArrayRef},
        datatypes::{DataType, FieldRef},
    },
    common::{Result, ScalarValue},
    logical_expr::{
        Accumulator, AggregateUDF, AggregateUDFImpl, Signature,
        expr::WindowFunctionParams,
        function::{AccumulatorArgs, StateFieldsArgs},
        utils::AggregateOrderSensitivity,
    },
};

use super::Memory;

thread_local! {
    /// Bytes that windows produced on this thread since the current query was last polled.
    static PRODUCED: Cell<usize> = const { Cell::new(0) };
}

/// Resets the count before a query is polled on this thread.
pub(crate) fn forget_produced() {
    PRODUCED.set(0);
}

/// An aggregate in a window, whose values are counted.
#[derive(Debug)]
pub(super) struct Collecting {
    inner: Arc<AggregateUDF>,
    memory: Memory,
}

impl Collecting {
    /// Wraps an aggregate; `None` if its values have a fixed size.
    pub(super) fn of(
        inner: &Arc<AggregateUDF>,
        values: &DataType,
        memory: &Memory,
    ) -> Option<Arc<AggregateUDF>> {
        let fixed = values.is_primitive() || matches!(values, DataType::Boolean | DataType::Null);
        if fixed || inner.inner().downcast_ref::<Self>().is_some() {
            return None;
        }
        let counted = Self { inner: Arc::clone(inner), memory: memory.clone() };
        Some(Arc::new(AggregateUDF::new_from_impl(counted)))
    }

    fn counted(&self, inner: Box<dyn Accumulator>) -> Box<dyn Accumulator> {
        Box::new(Counted { inner, name: self.inner.name().to_owned(), memory: self.memory.clone(), rows: 0 })
    }
}

impl PartialEq for Collecting {
    fn eq(&self, other: &Self) -> bool {
        self.inner == other.inner
    }
}

impl Eq for Collecting {}

impl Hash for Collecting {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.inner.hash(state);
    }
}

impl AggregateUDFImpl for Collecting {
    fn name(&self) -> &str {
        self.inner.name()
    }

    fn signature(&self) -> &Signature {
        self.inner.signature()
    }

    fn return_type(&self, arg_types: &[DataType]) -> Result<DataType> {
        self.inner.return_type(arg_types)
    }

    fn return_field(&self, arg_fields: &[FieldRef]) -> Result<FieldRef> {
        self.inner.return_field(arg_fields)
    }

    fn window_function_schema_name(&self, params: &WindowFunctionParams) -> Result<String> {
        self.inner.window_function_schema_name(params)
    }

    fn window_function_display_name(&self, params: &WindowFunctionParams) -> Result<String> {
        self.inner.window_function_display_name(params)
    }

    fn is_nullable(&self) -> bool {
        self.inner.is_nullable()
    }

    fn accumulator(&self, args: AccumulatorArgs) -> Result<Box<dyn Accumulator>> {
        Ok(self.counted(self.inner.accumulator(args)?))
    }

    fn create_sliding_accumulator(&self, args: AccumulatorArgs) -> Result<Box<dyn Accumulator>> {
        Ok(self.counted(self.inner.create_sliding_accumulator(args)?))
    }

    fn state_fields(&self, args: StateFieldsArgs) -> Result<Vec<FieldRef>> {
        self.inner.state_fields(args)
    }

    fn order_sensitivity(&self) -> AggregateOrderSensitivity {
        self.inner.order_sensitivity()
    }

    fn coerce_types(&self, arg_types: &[DataType]) -> Result<Vec<DataType>> {
        self.inner.coerce_types(arg_types)
    }

    fn default_value(&self, data_type: &DataType) -> Result<ScalarValue> {
        self.inner.default_value(data_type)
    }

    fn supports_null_handling_clause(&self) -> bool {
        self.inner.supports_null_handling_clause()
    }
}

#[derive(Debug)]
struct Counted {
    inner: Box<dyn Accumulator>,
    name: String,
    memory: Memory,
    /// Rows since the last value, which all share that value.
    rows: usize,
}

impl Accumulator for Counted {
    fn evaluate(&mut self) -> Result<ScalarValue> {
        let value = self.inner.evaluate()?;
        let rows = std::mem::take(&mut self.rows).max(1);
        let size = value.size().saturating_sub(size_of::<ScalarValue>()) + 16;
        let produced = PRODUCED.get().saturating_add(size.saturating_mul(rows));
        PRODUCED.set(produced);
        if produced > self.memory.aside() {
            return Err(self.memory.exceeded(&format!("{}() over a window", self.name), produced as u128));
        }
        Ok(value)
    }

    fn update_batch(&mut self, values: &[ArrayRef]) -> Result<()> {
        self.rows += values.first().map_or(0, |values| values.len());
        self.inner.update_batch(values)
    }

    fn retract_batch(&mut self, values: &[ArrayRef]) -> Result<()> {
        self.inner.retract_batch(values)
    }

    fn supports_retract_batch(&self) -> bool {
        self.inner.supports_retract_batch()
    }

    fn merge_batch(&mut self, states: &[ArrayRef]) -> Result<()> {
        self.inner.merge_batch(states)
    }

    fn state(&mut self) -> Result<Vec<ScalarValue>> {
        self.inner.state()
    }

    fn size(&self) -> usize {
        size_of_val(self) + self.inner.size()
    }
}
