//! Casts that lose digits. DataFusion moves a cast from one side of a comparison to the other, as if `CAST(1.2345 AS
//! DECIMAL(20, 2)) = 1.23` were `1.2345 = 1.23`. Here such a cast becomes a function, which stays in place.

use std::sync::Arc;

use datafusion::{
    arrow::{
        compute::CastOptions,
        datatypes::{DataType, Field, FieldRef},
    },
    common::{
        Result,
        config::ConfigOptions,
        tree_node::{Transformed, TreeNode},
        utils::take_function_args,
    },
    logical_expr::{
        ColumnarValue, Expr, ExprSchemable, LogicalPlan, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDF,
        ScalarUDFImpl, Signature, Volatility, expr::ScalarFunction, expr_rewriter::NamePreserver,
        utils::merge_schema,
    },
    optimizer::AnalyzerRule,
};

/// Replaces casts that lose digits by functions.
#[derive(Debug)]
pub(super) struct Lossy;

impl AnalyzerRule for Lossy {
    fn name(&self) -> &'static str {
        "lossy_casts"
    }

    fn analyze(&self, plan: LogicalPlan, _: &ConfigOptions) -> Result<LogicalPlan> {
        Ok(plan.transform_up_with_subqueries(kept)?.data)
    }
}

fn kept(plan: LogicalPlan) -> Result<Transformed<LogicalPlan>> {
    let schema = merge_schema(&plan.inputs());
    let names = NamePreserver::new(&plan);
    plan.map_expressions(|expr| {
        let name = names.save(&expr);
        let kept = expr.transform_up(|expr| {
            let (inner, to, safe) = match &expr {
                Expr::Cast(cast) => (&cast.expr, cast.field.data_type(), false),
                Expr::TryCast(cast) => (&cast.expr, cast.field.data_type(), true),
                _ => return Ok(Transformed::no(expr)),
            };
            let literal = matches!(inner.as_ref(), Expr::Literal(..));
            match inner.get_type(&schema) {
                Ok(from) if !literal && loses(&from, to) => {
                    let cast = ScalarUDF::new_from_impl(Cast::new(to.clone(), safe));
                    let call = ScalarFunction::new_udf(Arc::new(cast), vec![inner.as_ref().clone()]);
                    Ok(Transformed::yes(Expr::ScalarFunction(call)))
                }
                _ => Ok(Transformed::no(expr)),
            }
        })?;
        Ok(if kept.transformed { kept.update_data(|expr| name.restore(expr)) } else { kept })
    })
}

/// Returns whether the cast may map two values to one.
fn loses(from: &DataType, to: &DataType) -> bool {
    let scale = |data_type: &DataType| match data_type {
        DataType::Decimal32(_, scale)
        | DataType::Decimal64(_, scale)
        | DataType::Decimal128(_, scale)
        | DataType::Decimal256(_, scale) => Some(*scale),
        whole if whole.is_integer() => Some(0),
        _ => None,
    };
    match (from, to) {
        (DataType::Timestamp(from, _), DataType::Timestamp(to, _)) => from > to,
        (DataType::Timestamp(..), _) => true,
        _ => scale(from) > scale(to) && scale(to).is_some(),
    }
}

/// A cast as a function.
#[derive(Debug, PartialEq, Eq, Hash)]
struct Cast {
    to: DataType,
    /// A failed cast is NULL, not an error.
    safe: bool,
    signature: Signature,
}

impl Cast {
    fn new(to: DataType, safe: bool) -> Self {
        Self { to, safe, signature: Signature::any(1, Volatility::Immutable) }
    }
}

impl ScalarUDFImpl for Cast {
    fn name(&self) -> &'static str {
        "cast"
    }

    fn schema_name(&self, args: &[Expr]) -> Result<String> {
        let names: Vec<String> = args.iter().map(|arg| arg.schema_name().to_string()).collect();
        Ok(format!("CAST({} AS {})", names.join(", "), self.to))
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _: &[DataType]) -> Result<DataType> {
        Ok(self.to.clone())
    }

    fn return_field_from_args(&self, args: ReturnFieldArgs) -> Result<FieldRef> {
        let nullable = self.safe || args.arg_fields.iter().any(|field| field.is_nullable());
        Ok(Arc::new(Field::new(self.name(), self.to.clone(), nullable)))
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let [value] = take_function_args("cast", args.args)?;
        value.cast_to(&self.to, Some(&CastOptions { safe: self.safe, ..Default::default() }))
    }
}
