//! EXISTS and IN over an aggregate without GROUP BY, which always has one row. DataFusion joins with the groups that
//! exist, and so misses the row for empty input.

use datafusion::{
    common::{
        Result,
        tree_node::{Transformed, TreeNode, TreeNodeRecursion},
    },
    logical_expr::{
        Expr, LogicalPlan, LogicalPlanBuilder, Operator, Subquery, binary_expr,
        expr::{Exists, InSubquery},
        lit, when,
    },
};

use super::nulls::unsupported;

/// Replaces EXISTS and IN over an aggregate by a condition on its value. Refuses what cannot be replaced.
pub(super) fn rewritten(expr: Expr) -> Result<Transformed<Expr>> {
    expr.transform_up(|expr| match expr {
        Expr::Exists(Exists { subquery, negated }) if correlated(&subquery) => {
            Ok(match one_row(&subquery.subquery) {
                Some(None) => Transformed::yes(lit(!negated)),
                Some(Some(having)) => {
                    let there = scalar(&subquery, having)?.is_true();
                    Transformed::yes(if negated { Expr::Not(Box::new(there)) } else { there })
                }
                None => {
                    check(&subquery.subquery, true)?;
                    Transformed::no(Expr::Exists(Exists { subquery, negated }))
                }
            })
        }
        Expr::InSubquery(InSubquery { expr, subquery, negated }) if correlated(&subquery) => {
            let Some(having) = one_row(&subquery.subquery) else {
                check(&subquery.subquery, false)?;
                return Ok(Transformed::no(Expr::InSubquery(InSubquery { expr, subquery, negated })));
            };
            let operator = if negated { Operator::NotEq } else { Operator::Eq };
            let value = Subquery {
                subquery: std::sync::Arc::new(unfiltered(&subquery.subquery)?),
                ..subquery.clone()
            };
            let compared = binary_expr(*expr, operator, Expr::ScalarSubquery(value));
            Ok(Transformed::yes(match having {
                None => compared,
                Some(having) => {
                    when(scalar(&subquery, having)?.is_true(), compared).otherwise(lit(negated))?
                }
            }))
        }
        other => Ok(Transformed::no(other)),
    })
}

fn correlated(subquery: &Subquery) -> bool {
    holds_outer(&subquery.subquery)
}

/// Returns whether a plan contains outer columns.
pub(super) fn holds_outer(plan: &LogicalPlan) -> bool {
    plan.exists(|node| Ok(node.contains_outer_reference())).unwrap_or(true)
}

/// `Some` if the plan is an aggregate without groups; the inner value is its HAVING.
pub(super) fn one_row(plan: &LogicalPlan) -> Option<Option<&LogicalPlan>> {
    match plan {
        LogicalPlan::Projection(projection) => one_row(&projection.input),
        LogicalPlan::SubqueryAlias(alias) => one_row(&alias.input),
        LogicalPlan::Sort(sort) if sort.fetch.is_none() => one_row(&sort.input),
        LogicalPlan::Filter(filter) => match filter.input.as_ref() {
            LogicalPlan::Aggregate(aggregate) if aggregate.group_expr.is_empty() => Some(Some(plan)),
            _ => None,
        },
        LogicalPlan::Aggregate(aggregate) if aggregate.group_expr.is_empty() => Some(None),
        _ => None,
    }
}

/// The condition of a HAVING as a scalar subquery.
fn scalar(of: &Subquery, having: &LogicalPlan) -> Result<Expr> {
    let LogicalPlan::Filter(filter) = having else { return Err(unsupported("HAVING in a subquery")) };
    let plan = LogicalPlanBuilder::from(filter.input.clone())
        .project([filter.predicate.clone().alias("__having")])?
        .build()?;
    Ok(Expr::ScalarSubquery(Subquery { subquery: std::sync::Arc::new(plan), ..of.clone() }))
}

/// The plan without its HAVING.
fn unfiltered(plan: &LogicalPlan) -> Result<LogicalPlan> {
    let open = plan.clone().transform_down(|node| match node {
        LogicalPlan::Filter(filter) => {
            let input = std::sync::Arc::unwrap_or_clone(filter.input);
            Ok(Transformed::new(input, true, TreeNodeRecursion::Stop))
        }
        LogicalPlan::Aggregate(_) => Ok(Transformed::new(node, false, TreeNodeRecursion::Stop)),
        other => Ok(Transformed::no(other)),
    })?;
    Ok(open.data)
}

/// Refuses plans for which DataFusion would ignore outer columns.
fn check(plan: &LogicalPlan, exists: bool) -> Result<()> {
    plan.apply(|node| {
        match node {
            LogicalPlan::Aggregate(aggregate)
                if aggregate.group_expr.is_empty() && holds_outer(&aggregate.input) =>
            {
                return Err(unsupported(
                    "EXISTS or IN over a subquery of an aggregate whose rows an outer column chooses",
                ));
            }
            LogicalPlan::Limit(limit) if holds_outer(&limit.input) && (!exists || limit.skip.is_some()) => {
                return Err(unsupported(
                    "LIMIT or OFFSET in IN or EXISTS where an outer column chooses the rows",
                ));
            }
            LogicalPlan::Window(window) if holds_outer(&window.input) => {
                return Err(unsupported(
                    "EXISTS or IN over window functions whose rows an outer column chooses",
                ));
            }
            _ => {}
        }
        Ok(TreeNodeRecursion::Continue)
    })?;
    Ok(())
}
