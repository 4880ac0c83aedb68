//! Correlated scalar subqueries in aggregates, windows and sorts are computed below, where DataFusion can join them.

use datafusion::{
    common::{
        Column, Result,
        tree_node::{Transformed, TreeNode, TreeNodeRecursion},
    },
    logical_expr::{Expr, LogicalPlan, LogicalPlanBuilder, expr_rewriter::NamePreserver},
};

use super::aggregates::holds_outer;

/// Moves such subqueries below the node.
pub(super) fn below(plan: LogicalPlan) -> Result<Transformed<LogicalPlan>> {
    if !matches!(plan, LogicalPlan::Aggregate(_) | LogicalPlan::Window(_) | LogicalPlan::Sort(_)) {
        return Ok(Transformed::no(plan));
    }
    let mut there = false;
    plan.apply_expressions(|expr| {
        there |= expr.exists(|expr| Ok(correlated(expr)))?;
        Ok(TreeNodeRecursion::Continue)
    })?;
    let inputs: Vec<LogicalPlan> = plan.inputs().into_iter().cloned().collect();
    let ([input], true) = (inputs.as_slice(), there) else { return Ok(Transformed::no(plan)) };
    let (columns, mut computed) = (plan.schema().columns(), Vec::new());
    let names = NamePreserver::new(&plan);
    let moved = plan.map_expressions(|expr| {
        let name = names.save(&expr);
        let moved = expr.transform_down(|expr| {
            if !correlated(&expr) {
                return Ok(Transformed::no(expr));
            }
            let name = format!("__scalar_{}", computed.len());
            computed.push(expr.alias(&name));
            Ok(Transformed::yes(Expr::Column(Column::from_name(name))))
        })?;
        Ok(if moved.transformed { moved.update_data(|expr| name.restore(expr)) } else { moved })
    })?;
    let own = input.schema().columns().into_iter().map(Expr::Column);
    let input = LogicalPlanBuilder::from(input.clone()).project(own.chain(computed))?.build()?;
    let exprs = moved.data.expressions();
    let plan = moved.data.with_new_exprs(exprs, vec![input])?;
    if plan.schema().fields().len() == columns.len() {
        return Ok(Transformed::yes(plan));
    }
    let columns = columns.into_iter().map(Expr::Column);
    Ok(Transformed::yes(LogicalPlanBuilder::from(plan).project(columns)?.build()?))
}

fn correlated(expr: &Expr) -> bool {
    matches!(expr, Expr::ScalarSubquery(subquery) if holds_outer(&subquery.subquery))
}
