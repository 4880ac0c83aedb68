//! HAVING over an aggregate without groups. If it contradicts a condition above, DataFusion moves the resulting
//! `false` below the aggregate, which has a row even for empty input.

use datafusion::{
    arrow::datatypes::DataType,
    common::{
        Result,
        tree_node::{Transformed, TreeNode},
        utils::take_function_args,
    },
    logical_expr::{
        ColumnarValue, Expr, Filter, LogicalPlan, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature,
        Volatility,
    },
    optimizer::{OptimizerConfig, OptimizerRule},
};

/// Keeps such conditions in place.
#[derive(Debug)]
pub(super) struct Having;

impl OptimizerRule for Having {
    fn name(&self) -> &'static str {
        "having"
    }

    fn rewrite(&self, plan: LogicalPlan, _: &dyn OptimizerConfig) -> Result<Transformed<LogicalPlan>> {
        plan.transform_up_with_subqueries(|plan| match plan {
            LogicalPlan::Filter(filter) if one_row(&filter.input) && !kept(&filter.predicate) => {
                let Some(column) = filter.input.schema().columns().into_iter().next() else {
                    return Ok(Transformed::no(LogicalPlan::Filter(filter)));
                };
                let condition = in_place(filter.predicate, Expr::Column(column));
                let filter = Filter::try_new(condition, filter.input)?;
                Ok(Transformed::yes(LogicalPlan::Filter(filter)))
            }
            other => Ok(Transformed::no(other)),
        })
    }
}

/// Ties a condition to a column of the aggregate, so that it stays in place.
pub(super) fn in_place(condition: Expr, column: Expr) -> Expr {
    let signature = Signature::any(2, Volatility::Volatile);
    ScalarUDF::new_from_impl(Kept { signature }).call(vec![condition, column])
}

fn one_row(plan: &LogicalPlan) -> bool {
    matches!(plan, LogicalPlan::Aggregate(aggregate) if aggregate.group_expr.is_empty())
}

/// Correlated conditions become part of a join, which must see them.
fn kept(predicate: &Expr) -> bool {
    predicate.contains_outer()
        || predicate
            .exists(|expr| {
                Ok(match expr {
                    Expr::ScalarFunction(call) => call.func.name() == NAME,
                    Expr::ScalarSubquery(_) | Expr::InSubquery(_) | Expr::Exists(_) => true,
                    _ => false,
                })
            })
            .unwrap_or(true)
}

const NAME: &str = "having";

/// Wraps a condition, without changing it.
#[derive(Debug, PartialEq, Eq, Hash)]
struct Kept {
    signature: Signature,
}

impl ScalarUDFImpl for Kept {
    fn name(&self) -> &'static str {
        NAME
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _: &[DataType]) -> Result<DataType> {
        Ok(DataType::Boolean)
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let [condition, _] = take_function_args(NAME, args.args)?;
        condition.cast_to(&DataType::Boolean, None)
    }
}
