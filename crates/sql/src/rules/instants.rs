//! Coerces dates beside timestamps to microseconds, which cover any year. DataFusion would use nanoseconds, which end
//! in 2262.

use std::sync::Arc;

use datafusion::{
    arrow::datatypes::{DataType, TimeUnit},
    common::{
        DFSchema, Result,
        config::ConfigOptions,
        tree_node::{Transformed, TreeNode},
    },
    logical_expr::{
        Expr, ExprSchemable, Join, LogicalPlan, LogicalPlanBuilder, Operator, Union, cast,
        expr_rewriter::NamePreserver, utils::merge_schema,
    },
    optimizer::AnalyzerRule,
};

/// Functions whose arguments share one type.
const ALIKE: [&str; 6] = ["coalesce", "greatest", "least", "nullif", "nvl", "nvl2"];

/// Casts dates beside timestamps.
#[derive(Debug)]
pub(super) struct Instants;

impl AnalyzerRule for Instants {
    fn name(&self) -> &'static str {
        "instants"
    }

    fn analyze(&self, plan: LogicalPlan, _: &ConfigOptions) -> Result<LogicalPlan> {
        Ok(plan.transform_up_with_subqueries(node)?.data)
    }
}

fn node(plan: LogicalPlan) -> Result<Transformed<LogicalPlan>> {
    let plan = match plan {
        LogicalPlan::Union(union) => return inputs(union),
        LogicalPlan::Join(join) => keys(join)?,
        other => other,
    };
    let schema = merge_schema(&plan.inputs());
    let names = NamePreserver::new(&plan);
    let met = plan.map_expressions(|expr| {
        let name = names.save(&expr);
        let met = expr.transform_up(|expr| one(expr, &schema))?;
        Ok(if met.transformed { met.update_data(|expr| name.restore(expr)) } else { met })
    })?;
    if met.transformed { met.map_data(LogicalPlan::recompute_schema) } else { Ok(met) }
}

fn one(expr: Expr, schema: &DFSchema) -> Result<Transformed<Expr>> {
    let mut expr = expr;
    let changed = match &mut expr {
        Expr::BinaryExpr(binary) if compares(binary.op) || binary.op == Operator::Minus => {
            together(vec![&mut *binary.left, &mut *binary.right], schema)
        }
        Expr::Between(between) => {
            together(vec![&mut *between.expr, &mut *between.low, &mut *between.high], schema)
        }
        Expr::InList(list) => together(list.list.iter_mut().chain([&mut *list.expr]).collect(), schema),
        Expr::Case(case) => {
            let thens = case.when_then_expr.iter_mut().map(|(_, then)| &mut **then);
            let results = thens.chain(case.else_expr.as_deref_mut()).collect();
            let results = together(results, schema);
            match case.expr.as_deref_mut() {
                Some(operand) => {
                    let whens = case.when_then_expr.iter_mut().map(|(when, _)| &mut **when);
                    together(whens.chain([operand]).collect(), schema) || results
                }
                None => results,
            }
        }
        Expr::ScalarFunction(call) if ALIKE.contains(&call.func.name()) => {
            together(call.args.iter_mut().collect(), schema)
        }
        // Truncating a date also yields a timestamp.
        Expr::ScalarFunction(call) if call.func.name() == "date_trunc" => match call.args.get_mut(1) {
            Some(arg) if matches!(arg.get_type(schema), Ok(DataType::Date32 | DataType::Date64)) => {
                *arg = cast(arg.clone(), DataType::Timestamp(TimeUnit::Microsecond, None));
                true
            }
            _ => false,
        },
        _ => false,
    };
    Ok(Transformed::new_transformed(expr, changed))
}

fn compares(operator: Operator) -> bool {
    use Operator::{Eq, Gt, GtEq, IsDistinctFrom, IsNotDistinctFrom, Lt, LtEq, NotEq};
    matches!(operator, Eq | NotEq | Lt | LtEq | Gt | GtEq | IsDistinctFrom | IsNotDistinctFrom)
}

/// The type that dates among these types are cast to.
fn instant(types: &[Option<DataType>]) -> Option<DataType> {
    let date = |own: &Option<DataType>| matches!(own, Some(DataType::Date32 | DataType::Date64));
    let zone = types.iter().find_map(|own| match own {
        Some(DataType::Timestamp(_, zone)) => Some(zone.clone()),
        _ => None,
    })?;
    types.iter().any(date).then_some(DataType::Timestamp(TimeUnit::Microsecond, zone))
}

/// Casts dates among expressions, and timestamps that would coerce them to nanoseconds.
fn together(exprs: Vec<&mut Expr>, schema: &DFSchema) -> bool {
    let types: Vec<Option<DataType>> = exprs.iter().map(|expr| expr.get_type(schema).ok()).collect();
    let Some(to) = instant(&types) else { return false };
    for (expr, own) in exprs.into_iter().zip(types) {
        if drawn(own.as_ref()) {
            *expr = cast(expr.clone(), to.clone());
        }
    }
    true
}

fn drawn(own: Option<&DataType>) -> bool {
    matches!(own, Some(DataType::Date32 | DataType::Date64 | DataType::Timestamp(TimeUnit::Nanosecond, _)))
}

/// Handles the columns of a UNION.
fn inputs(union: Union) -> Result<Transformed<LogicalPlan>> {
    let columns = union.schema.fields().len();
    let own = |input: &Arc<LogicalPlan>, at: usize| {
        (input.schema().fields().len() == columns).then(|| input.schema().field(at).data_type().clone())
    };
    let meets: Vec<Option<DataType>> = (0..columns)
        .map(|at| instant(&union.inputs.iter().map(|input| own(input, at)).collect::<Vec<_>>()))
        .collect();
    if meets.iter().all(Option::is_none) {
        return Ok(Transformed::no(LogicalPlan::Union(union)));
    }
    let side = |input: Arc<LogicalPlan>| {
        let exprs = input.schema().columns().into_iter().zip(&meets).enumerate().map(|(at, (column, to))| {
            let name = column.name.clone();
            match to {
                Some(to) if drawn(own(&input, at).as_ref()) => {
                    cast(Expr::Column(column), to.clone()).alias(name)
                }
                _ => Expr::Column(column),
            }
        });
        let exprs: Vec<Expr> = exprs.collect();
        Ok(Arc::new(LogicalPlanBuilder::from(input).project(exprs)?.build()?))
    };
    let inputs = union.inputs.into_iter().map(side).collect::<Result<Vec<_>>>()?;
    Ok(Transformed::yes(LogicalPlan::Union(Union::try_new_with_loose_types(inputs)?)))
}

/// Handles the keys of a join.
fn keys(mut join: Join) -> Result<LogicalPlan> {
    for (left, right) in &mut join.on {
        let types = [left.get_type(join.left.schema()).ok(), right.get_type(join.right.schema()).ok()];
        let Some(to) = instant(&types) else { continue };
        for (key, own) in [left, right].into_iter().zip(&types) {
            if drawn(own.as_ref()) {
                *key = cast(key.clone(), to.clone());
            }
        }
    }
    Ok(LogicalPlan::Join(join))
}
