//! Random values that the planner would compute more than once: in GROUP BY, BETWEEN, IN, or a function that becomes
//! CASE. They are computed once, below.

use datafusion::{
    common::{
        Column, Result,
        config::ConfigOptions,
        tree_node::{Transformed, TreeNode},
    },
    logical_expr::{Expr, LogicalPlan, LogicalPlanBuilder, expr_rewriter::NamePreserver},
    optimizer::AnalyzerRule,
};

/// Functions that DataFusion expands with an argument in two places.
const REPEATING: [&str; 4] = ["coalesce", "nvl", "ifnull", "nvl2"];

/// Computes such values once, below.
#[derive(Debug)]
pub(super) struct Once;

impl AnalyzerRule for Once {
    fn name(&self) -> &'static str {
        "volatile_once"
    }

    fn analyze(&self, plan: LogicalPlan, _: &ConfigOptions) -> Result<LogicalPlan> {
        Ok(plan.transform_up_with_subqueries(node)?.data)
    }
}

fn node(plan: LogicalPlan) -> Result<Transformed<LogicalPlan>> {
    let grouped = match &plan {
        LogicalPlan::Aggregate(aggregate) => aggregate.group_expr.iter().any(Expr::is_volatile),
        LogicalPlan::Projection(_) | LogicalPlan::Filter(_) => false,
        _ => return Ok(Transformed::no(plan)),
    };
    let mut repeats = grouped;
    plan.apply_expressions(|expr| {
        expr.apply(|expr| {
            repeats |= repeated(expr).any(Expr::is_volatile);
            Ok(datafusion::common::tree_node::TreeNodeRecursion::Continue)
        })
    })?;
    if !repeats {
        return Ok(Transformed::no(plan));
    }
    let mut below: Vec<Expr> = Vec::new();
    let names = NamePreserver::new(&plan);
    let schema = std::sync::Arc::clone(plan.schema());
    let inputs = plan.inputs().into_iter().cloned().collect::<Vec<_>>();
    let groups = match &plan {
        LogicalPlan::Aggregate(aggregate) => aggregate.group_expr.clone(),
        _ => Vec::new(),
    };
    let plan = plan.map_expressions(|expr| {
        let name = names.save(&expr);
        if groups.contains(&expr) && expr.is_volatile() && !matches!(expr, Expr::GroupingSet(_)) {
            return Ok(Transformed::yes(name.restore(moved(expr.unalias(), &mut below))));
        }
        let once = expr.transform_down(|mut expr| {
            let mut changed = false;
            for inner in repeated_mut(&mut expr) {
                if inner.is_volatile() {
                    *inner = moved(inner.clone(), &mut below);
                    changed = true;
                }
            }
            Ok(Transformed::new_transformed(expr, changed))
        })?;
        Ok(if once.transformed { once.update_data(|expr| name.restore(expr)) } else { once })
    })?;
    let ([input], true) = (inputs.as_slice(), plan.transformed) else { return Ok(plan) };
    let columns = input.schema().columns().into_iter().map(Expr::Column);
    let input = LogicalPlanBuilder::from(input.clone()).project(columns.chain(below))?.build()?;
    // A moved expression may contain another such value.
    let input = node(input)?.data;
    let above = plan.data;
    let exprs = above.expressions();
    let filter = matches!(above, LogicalPlan::Filter(_));
    let above = above.with_new_exprs(exprs, vec![input])?;
    if !filter {
        return Ok(Transformed::yes(above));
    }
    let columns = schema.columns().into_iter().map(Expr::Column);
    Ok(Transformed::yes(LogicalPlanBuilder::from(above).project(columns)?.build()?))
}

/// Moves an expression below, and returns its column.
fn moved(expr: Expr, below: &mut Vec<Expr>) -> Expr {
    let name = format!("__once_{}", below.len());
    below.push(expr.alias(&name));
    Expr::Column(Column::from_name(name))
}

/// The subexpressions that would be computed twice.
fn repeated(expr: &Expr) -> impl Iterator<Item = &Expr> {
    let exprs: Vec<&Expr> = match expr {
        Expr::Between(between) => vec![&between.expr],
        Expr::InList(list) => vec![&list.expr],
        Expr::ScalarFunction(call) if REPEATING.contains(&call.func.name()) => call.args.iter().collect(),
        _ => Vec::new(),
    };
    exprs.into_iter()
}

fn repeated_mut(expr: &mut Expr) -> Vec<&mut Expr> {
    match expr {
        Expr::Between(between) => vec![&mut between.expr],
        Expr::InList(list) => vec![&mut list.expr],
        Expr::ScalarFunction(call) if REPEATING.contains(&call.func.name()) => call.args.iter_mut().collect(),
        _ => Vec::new(),
    }
}
