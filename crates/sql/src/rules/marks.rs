//! IN and EXISTS outside of WHERE: in a select list, GROUP BY, an aggregate's argument, a window, or the ON of a
//! join. A mark join below computes the result for each row.

use std::collections::{BTreeSet, HashMap, HashSet};

use datafusion::{
    common::{
        Column, JoinType, Result,
        tree_node::{Transformed, TransformedResult, TreeNode},
    },
    logical_expr::{
        Expr, LogicalPlan, LogicalPlanBuilder,
        expr::Exists,
        expr_rewriter::{NamePreserver, replace_col},
        lit,
        utils::{conjunction, expr_to_columns, merge_schema},
    },
    optimizer::{OptimizerConfig, decorrelate::PullUpCorrelatedExpr},
};

use super::{
    aggregates,
    nulls::{exact, has_predicate, unsupported},
};

/// Moves the predicates of a node into mark joins below it.
pub(super) fn node(plan: LogicalPlan, config: &dyn OptimizerConfig) -> Result<Transformed<LogicalPlan>> {
    match plan {
        LogicalPlan::Projection(_)
        | LogicalPlan::Aggregate(_)
        | LogicalPlan::Window(_)
        | LogicalPlan::Sort(_)
        | LogicalPlan::Join(_) => {}
        other => {
            let place = other.display().to_string();
            let place = place.split([':', ' ']).next().unwrap_or("this place");
            return Err(unsupported(&format!("IN or EXISTS with a subquery in {place}")));
        }
    }
    let schema = merge_schema(&plan.inputs());
    let mut inputs: Vec<LogicalPlan> = plan.inputs().into_iter().cloned().collect();
    let columns = plan.schema().columns();
    let names = NamePreserver::new(&plan);
    let marked = plan.map_expressions(|expr| {
        if !has_predicate(&expr) {
            return Ok(Transformed::no(expr));
        }
        let name = names.save(&expr);
        let expr = exact(aggregates::rewritten(expr)?.data, &schema)?.data;
        let marked = expr.transform_down(|expr| match expr {
            Expr::Exists(exists) => Ok(Transformed::yes(answered(exists, &mut inputs, config)?)),
            other => Ok(Transformed::no(other)),
        })?;
        Ok(Transformed::yes(name.restore(marked.data)))
    })?;
    let exprs = marked.data.expressions();
    let marked = marked.data.with_new_exprs(exprs, inputs)?;
    if marked.schema().fields().len() == columns.len() {
        return Ok(Transformed::yes(marked));
    }
    let columns = columns.into_iter().map(Expr::Column);
    Ok(Transformed::yes(LogicalPlanBuilder::from(marked).project(columns)?.build()?))
}

/// Adds a mark join, and returns the mark column.
fn answered(exists: Exists, inputs: &mut [LogicalPlan], config: &dyn OptimizerConfig) -> Result<Expr> {
    let mut pull = PullUpCorrelatedExpr::new().with_exists_sub_query(true);
    let plan = exists.subquery.subquery.as_ref().clone().rewrite(&mut pull).data()?;
    if !pull.can_pull_up {
        return Err(unsupported("a subquery in EXISTS or IN that refers to outer columns beyond its WHERE"));
    }
    let alias = config.alias_generator().next("__marked");
    let right = LogicalPlanBuilder::from(plan).alias(alias.as_str())?.build()?;
    let inner: BTreeSet<Column> = pull.correlated_subquery_cols_map.values().flatten().cloned().collect();
    let outer: Vec<Column> =
        inner.iter().map(|column| Column::new(Some(alias.as_str()), &column.name)).collect();
    let renamed: HashMap<&Column, &Column> = inner.iter().zip(&outer).collect();
    let condition = match conjunction(pull.join_filters) {
        Some(condition) => replace_col(condition, &renamed)?,
        None => lit(true),
    };
    let mut needed = HashSet::new();
    expr_to_columns(&condition, &mut needed)?;
    let (of_right, of_left): (Vec<Column>, Vec<Column>) =
        needed.into_iter().partition(|column| right.schema().has_column(column));
    let side = inputs.iter().position(|input| of_left.iter().all(|column| input.schema().has_column(column)));
    let Some(side) = side else {
        return Err(unsupported("ON with a subquery that refers to both sides of the join"));
    };
    let mut of_right: Vec<Column> = of_right;
    of_right.sort();
    let right = match of_right.is_empty() {
        true => right,
        false => LogicalPlanBuilder::from(right).project(of_right.into_iter().map(Expr::Column))?.build()?,
    };
    inputs[side] = LogicalPlanBuilder::from(inputs[side].clone())
        .join_on(right, JoinType::LeftMark, Some(condition))?
        .build()?;
    let mark = Expr::Column(Column::new(Some(alias.as_str()), "mark"));
    Ok(if exists.negated { Expr::Not(Box::new(mark)) } else { mark })
}
