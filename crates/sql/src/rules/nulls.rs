//! IN and NOT IN with SQL's three-valued logic. DataFusion's joins distinguish only true from the rest, and NOT IN is
//! right only with a single key column. The other forms become EXISTS here.

use std::sync::Arc;

use datafusion::{
    common::{
        DFSchema, DataFusionError, Result, ScalarValue,
        tree_node::{Transformed, TreeNode, TreeNodeRecursion},
    },
    logical_expr::{
        BinaryExpr, Expr, ExprSchemable, Filter, LogicalPlan, LogicalPlanBuilder, Operator, Subquery,
        binary_expr,
        expr::{Exists, InSubquery, SetComparison, SetQuantifier},
        lit,
        utils::{conjunction, split_conjunction_owned},
        when,
    },
    optimizer::{OptimizerConfig, OptimizerRule},
};

use super::{aggregates, having, marks, scalars};

/// Corrects IN and EXISTS in all positions.
#[derive(Debug)]
pub(super) struct Predicates;

impl OptimizerRule for Predicates {
    fn name(&self) -> &'static str {
        "predicates"
    }

    fn rewrite(&self, plan: LogicalPlan, config: &dyn OptimizerConfig) -> Result<Transformed<LogicalPlan>> {
        plan.transform_up_with_subqueries(|plan| node(plan, config)?.transform_data(scalars::below))
    }
}

/// The error for an unsupported construct.
pub(super) fn unsupported(construct: &str) -> DataFusionError {
    DataFusionError::NotImplemented(format!("{construct} is not supported"))
}

/// Returns whether an expression contains IN or EXISTS with a subquery.
pub(super) fn has_predicate(expr: &Expr) -> bool {
    expr.exists(|expr| Ok(matches!(expr, Expr::InSubquery(_) | Expr::Exists(_) | Expr::SetComparison(_))))
        .unwrap_or(false)
}

fn node(plan: LogicalPlan, config: &dyn OptimizerConfig) -> Result<Transformed<LogicalPlan>> {
    let mut there = false;
    plan.apply_expressions(|expr| {
        there |= has_predicate(expr);
        Ok(TreeNodeRecursion::Continue)
    })?;
    if !there {
        return Ok(Transformed::no(plan));
    }
    let LogicalPlan::Filter(filter) = plan else { return marks::node(plan, config) };
    // DataFusion expands ANY and ALL here, and calls this rule again with EXISTS.
    if filter.predicate.exists(|expr| Ok(matches!(expr, Expr::SetComparison(_))))? {
        return Ok(Transformed::no(LogicalPlan::Filter(filter)));
    }
    let schema = Arc::clone(filter.input.schema());
    let predicate = aggregates::rewritten(filter.predicate)?;
    let mut changed = predicate.transformed;
    let conditions = split_conjunction_owned(predicate.data).into_iter();
    let conditions = conditions.map(|condition| {
        let condition = condition_of(condition, &schema, true)?;
        changed |= condition.transformed;
        Ok(condition.data)
    });
    let predicate = conjunction(conditions.collect::<Result<Vec<_>>>()?).unwrap_or(lit(true));
    let filter = LogicalPlan::Filter(Filter::try_new(predicate, filter.input)?);
    Ok(Transformed::new_transformed(filter, changed))
}

/// Rewrites a WHERE condition, where NULL counts as false.
fn condition_of(expr: Expr, schema: &DFSchema, top: bool) -> Result<Transformed<Expr>> {
    match expr {
        Expr::BinaryExpr(BinaryExpr { left, op: op @ (Operator::And | Operator::Or), right }) => {
            let (left, right) = (condition_of(*left, schema, false)?, condition_of(*right, schema, false)?);
            let changed = left.transformed || right.transformed;
            let both = BinaryExpr::new(Box::new(left.data), op, Box::new(right.data));
            Ok(Transformed::new_transformed(Expr::BinaryExpr(both), changed))
        }
        Expr::Not(inner) => match *inner {
            Expr::InSubquery(inner) => {
                let negated = !inner.negated;
                condition_of(Expr::InSubquery(InSubquery { negated, ..inner }), schema, top)
            }
            inner => exact(Expr::Not(Box::new(inner)), schema),
        },
        Expr::InSubquery(predicate) if !predicate.negated => qualified(predicate),
        Expr::InSubquery(predicate) => {
            let keyed = !predicate.expr.column_refs().is_empty() && !predicate.expr.is_volatile();
            let plain = keyed && !aggregates::holds_outer(&predicate.subquery.subquery);
            if top && plain && matches!(*predicate.expr, Expr::Column(_)) {
                return Ok(Transformed::no(Expr::InSubquery(predicate)));
            }
            let there = compared(&predicate, schema, |equal| Expr::IsNotFalse(Box::new(equal)))?;
            Ok(Transformed::yes(Expr::Exists(Exists { negated: true, ..there })))
        }
        other => exact(other, schema),
    }
}

/// Qualifies the subquery's column of an IN, because DataFusion mistakes an unqualified aggregate column.
fn qualified(predicate: InSubquery) -> Result<Transformed<Expr>> {
    let plan = &predicate.subquery.subquery;
    let there = !plan.schema().fields().is_empty();
    if !there || plan.schema().qualified_field(0).0.is_some() || aggregates::holds_outer(plan) {
        return Ok(Transformed::no(Expr::InSubquery(predicate)));
    }
    let plan = LogicalPlanBuilder::from(Arc::clone(plan)).alias("__in")?.build()?;
    let subquery = Subquery { subquery: Arc::new(plan), ..predicate.subquery };
    Ok(Transformed::yes(Expr::InSubquery(InSubquery { subquery, ..predicate })))
}

/// Rewrites an expression with three-valued IN.
pub(super) fn exact(expr: Expr, schema: &DFSchema) -> Result<Transformed<Expr>> {
    expr.transform_up(|expr| {
        let predicate = match expr {
            Expr::InSubquery(predicate) => predicate,
            Expr::SetComparison(comparison) => return Ok(Transformed::yes(quantified(comparison, schema)?)),
            other => return Ok(Transformed::no(other)),
        };
        let equal = Expr::Exists(compared(&predicate, schema, |equal| equal)?);
        let column = predicate.subquery.subquery.schema().field(0).is_nullable();
        let truth = if column || predicate.expr.nullable(schema)? {
            let open = Expr::Exists(compared(&predicate, schema, |equal| Expr::IsNull(Box::new(equal)))?);
            let null = Expr::Literal(ScalarValue::Boolean(None), None);
            when(equal, lit(true)).when(open, null).otherwise(lit(false))?
        } else {
            equal
        };
        Ok(Transformed::yes(if predicate.negated { Expr::Not(Box::new(truth)) } else { truth }))
    })
}

/// Rewrites a comparison with ANY or ALL of a subquery.
fn quantified(comparison: SetComparison, schema: &DFSchema) -> Result<Expr> {
    let SetComparison { expr, subquery, op, quantifier } = comparison;
    let predicate = InSubquery { expr, subquery, negated: false };
    let truth = |so: fn(Expr) -> Expr| with(&predicate, op, schema, so).map(Expr::Exists);
    let null = Expr::Literal(ScalarValue::Boolean(None), None);
    let open = truth(|compared| Expr::IsNull(Box::new(compared)))?;
    match quantifier {
        SetQuantifier::Any => {
            when(truth(|compared| compared)?, lit(true)).when(open, null).otherwise(lit(false))
        }
        SetQuantifier::All => {
            let differs = truth(|compared| Expr::Not(Box::new(compared)))?;
            when(differs, lit(false)).when(open, null).otherwise(lit(true))
        }
    }
}

/// EXISTS over the rows whose equality with the left side satisfies `so`.
fn compared(predicate: &InSubquery, schema: &DFSchema, so: impl FnOnce(Expr) -> Expr) -> Result<Exists> {
    with(predicate, Operator::Eq, schema, so)
}

/// EXISTS over the rows whose comparison with the left side satisfies a condition.
fn with(
    predicate: &InSubquery,
    operator: Operator,
    schema: &DFSchema,
    so: impl FnOnce(Expr) -> Expr,
) -> Result<Exists> {
    let InSubquery { expr, subquery, .. } = predicate;
    let mut outer_ref_columns = subquery.outer_ref_columns.clone();
    let left = expr.as_ref().clone().transform(|expr| match expr {
        Expr::Column(column) => {
            let (_, field) = schema.qualified_field_from_column(&column)?;
            let outer = Expr::OuterReferenceColumn(Arc::clone(field), column);
            outer_ref_columns.push(outer.clone());
            Ok(Transformed::yes(outer))
        }
        other => Ok(Transformed::no(other)),
    })?;
    let column = subquery.subquery.schema().columns().into_iter().next();
    let column = column.ok_or_else(|| unsupported("IN over a subquery without columns"))?;
    let column = Expr::Column(column);
    let equal = binary_expr(left.data, operator, column.clone());
    // For a single row, moving the condition is never worth it.
    let condition = match aggregates::one_row(&subquery.subquery) {
        Some(_) => having::in_place(so(equal), column),
        None => so(equal),
    };
    let plan = LogicalPlanBuilder::from(Arc::clone(&subquery.subquery)).filter(condition)?.build()?;
    let subquery = Subquery { subquery: Arc::new(plan), outer_ref_columns, spans: subquery.spans.clone() };
    Ok(Exists { subquery, negated: false })
}
