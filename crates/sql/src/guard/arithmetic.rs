//! Operators as functions: whole-number arithmetic that fails on overflow, and concatenation of strings.

use std::sync::Arc;

use datafusion::{
    arrow::{
        compute::kernels::{
            concat_elements::concat_elements_dyn,
            numeric::{add, mul, sub},
        },
        datatypes::{DataType, Field, FieldRef},
    },
    common::{Result, utils::take_function_args},
    logical_expr::{
        ColumnarValue, Expr, Operator, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl,
        Signature, Volatility,
    },
    physical_expr_common::datum::apply,
};

/// An operator on two values of one type.
#[derive(Debug, PartialEq, Eq, Hash)]
pub(super) struct Binary {
    operator: Operator,
    sign: &'static str,
    signature: Signature,
}

impl Binary {
    /// The replacement for an operator on this type; `None` if the operator itself is safe.
    pub(super) fn of(operator: Operator, operands: &DataType) -> Option<Arc<ScalarUDF>> {
        let sign = match operator {
            Operator::Plus if operands.is_integer() => "+",
            Operator::Minus if operands.is_integer() => "-",
            Operator::Multiply if operands.is_integer() => "*",
            Operator::StringConcat if operands.is_string() || operands.is_binary() => "||",
            _ => return None,
        };
        let signature = Signature::any(2, Volatility::Immutable);
        Some(Arc::new(ScalarUDF::new_from_impl(Self { operator, sign, signature })))
    }
}

impl ScalarUDFImpl for Binary {
    fn name(&self) -> &str {
        self.sign
    }

    fn schema_name(&self, args: &[Expr]) -> Result<String> {
        // A chain of operators is as deep as it is long, so grow the stack.
        let name = |arg: &Expr| stacker::maybe_grow(128 << 10, 2 << 20, || arg.schema_name().to_string());
        let names: Vec<String> = args.iter().map(name).collect();
        Ok(names.join(&format!(" {} ", self.sign)))
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, types: &[DataType]) -> Result<DataType> {
        let [left, _] = take_function_args(self.sign, types)?;
        Ok(left.clone())
    }

    // The same field as the operator returns, because the plan above relies on it.
    fn return_field_from_args(&self, args: ReturnFieldArgs) -> Result<FieldRef> {
        let [left, right] = take_function_args(self.sign, args.arg_fields)?;
        let nullable = left.is_nullable() || right.is_nullable();
        Ok(Arc::new(Field::new(self.sign, left.data_type().clone(), nullable)))
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let [left, right] = take_function_args(self.sign, args.args)?;
        match self.operator {
            Operator::Plus => apply(&left, &right, add),
            Operator::Minus => apply(&left, &right, sub),
            Operator::Multiply => apply(&left, &right, mul),
            _ => {
                let arrays = ColumnarValue::values_to_arrays(&[left, right])?;
                Ok(ColumnarValue::Array(concat_elements_dyn(&arrays[0], &arrays[1])?))
            }
        }
    }
}
