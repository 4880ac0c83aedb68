//! INTERSECT ALL and EXCEPT ALL count duplicate rows. DataFusion plans them as semi and anti joins over all columns,
//! which do not. With a row number among equal rows as a further column, they do.

use std::sync::Arc;

use datafusion::{
    common::{Column, JoinType, NullEquality, Result, tree_node::Transformed},
    functions_window::expr_fn::row_number,
    logical_expr::{Expr, ExprFunctionExt, Join, LogicalPlan, LogicalPlanBuilder},
    optimizer::{OptimizerConfig, OptimizerRule},
};

const LEFT: &str = "__left_number";
const RIGHT: &str = "__right_number";

/// Numbers equal rows on both sides.
#[derive(Debug)]
pub(super) struct Bags;

impl OptimizerRule for Bags {
    fn name(&self) -> &'static str {
        "bags"
    }

    fn rewrite(&self, plan: LogicalPlan, _: &dyn OptimizerConfig) -> Result<Transformed<LogicalPlan>> {
        plan.transform_up_with_subqueries(|plan| match plan {
            LogicalPlan::Join(join) if counts(&join) => Ok(Transformed::yes(numbered(join)?)),
            other => Ok(Transformed::no(other)),
        })
    }
}

/// Before optimization only set operations create such a join. Without ALL its left side is distinct.
fn counts(join: &Join) -> bool {
    let kind = matches!(join.join_type, JoinType::LeftSemi | JoinType::LeftAnti);
    let plain = join.null_equality == NullEquality::NullEqualsNull && join.filter.is_none();
    let numbered = join.left.schema().fields().iter().any(|field| field.name() == LEFT);
    kind && plain && !numbered && !matches!(join.left.as_ref(), LogicalPlan::Distinct(_))
}

fn numbered(join: Join) -> Result<LogicalPlan> {
    let columns: Vec<Expr> = join.left.schema().columns().into_iter().map(Expr::Column).collect();
    let (left_keys, right_keys): (Vec<Expr>, Vec<Expr>) = join.on.iter().cloned().unzip();
    let left = number(&join.left, left_keys.clone(), LEFT)?;
    let right = number(&join.right, right_keys.clone(), RIGHT)?;
    let mut on = join.on;
    on.push((Expr::Column(Column::from_name(LEFT)), Expr::Column(Column::from_name(RIGHT))));
    let joined = Join::try_new(
        Arc::new(left),
        Arc::new(right),
        on,
        None,
        join.join_type,
        join.join_constraint,
        join.null_equality,
        false,
    )?;
    LogicalPlanBuilder::from(LogicalPlan::Join(joined)).project(columns)?.build()
}

fn number(side: &Arc<LogicalPlan>, keys: Vec<Expr>, name: &str) -> Result<LogicalPlan> {
    let number = row_number().partition_by(keys).build()?.alias(name);
    let columns: Vec<Expr> = side.schema().columns().into_iter().map(Expr::Column).collect();
    let windowed = LogicalPlanBuilder::from(Arc::clone(side)).window(vec![number])?;
    let number = Expr::Column(Column::from_name(name));
    windowed.project(columns.into_iter().chain([number]))?.build()
}
