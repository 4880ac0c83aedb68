//! The rule that replaces functions by guarded ones, once types are known.

use std::sync::Arc;

use datafusion::{
    arrow::datatypes::DataType,
    common::{
        DFSchema, Result, ScalarValue,
        config::ConfigOptions,
        tree_node::{Transformed, TreeNode},
    },
    logical_expr::{
        BinaryExpr, Expr, ExprSchemable, LogicalPlan, Operator, ScalarUDF, WindowFunctionDefinition,
        expr::ScalarFunction, expr_rewriter::NamePreserver, utils::merge_schema,
    },
    optimizer::AnalyzerRule,
};

use super::{Memory, arithmetic::Binary, functions::Bounded, windows::Collecting};

/// Guards all expressions of a plan.
#[derive(Debug)]
pub(crate) struct Guarding {
    memory: Memory,
}

impl Guarding {
    pub(crate) fn new(memory: Memory) -> Self {
        Self { memory }
    }

    /// Guards one expression over some columns.
    pub(crate) fn expression(&self, expr: Expr, schema: &DFSchema) -> Result<Expr> {
        Ok(expr.transform_up(|expr| self.one(expr, schema))?.data)
    }

    fn plan(&self, plan: LogicalPlan) -> Result<Transformed<LogicalPlan>> {
        let schema = merge_schema(&plan.inputs());
        let names = NamePreserver::new(&plan);
        let guarded = plan.map_expressions(|expr| {
            let name = names.save(&expr);
            let guarded = expr.transform_up(|expr| self.one(expr, &schema))?;
            Ok(if guarded.transformed { guarded.update_data(|expr| name.restore(expr)) } else { guarded })
        })?;
        if guarded.transformed { guarded.map_data(LogicalPlan::recompute_schema) } else { Ok(guarded) }
    }

    fn one(&self, expr: Expr, schema: &DFSchema) -> Result<Transformed<Expr>> {
        Ok(match expr {
            Expr::ScalarFunction(mut call) => match Bounded::of(&call.func, &self.memory) {
                Some(bounded) => {
                    call.func = bounded;
                    Transformed::yes(Expr::ScalarFunction(call))
                }
                None => Transformed::no(Expr::ScalarFunction(call)),
            },
            Expr::WindowFunction(call) => {
                let (expr, mut call) = (Expr::WindowFunction(call.clone()), call);
                let counted = match (&call.fun, expr.get_type(schema)) {
                    (WindowFunctionDefinition::AggregateUDF(inner), Ok(values)) => {
                        Collecting::of(inner, &values, &self.memory)
                    }
                    _ => None,
                };
                let changed = counted.is_some();
                if let Some(counted) = counted {
                    call.fun = WindowFunctionDefinition::AggregateUDF(counted);
                }
                Transformed::new_transformed(Expr::WindowFunction(call), changed)
            }
            Expr::BinaryExpr(BinaryExpr { left, op, right }) => {
                match self.binary(op, &left, &right, schema) {
                    Some(function) => {
                        let call = ScalarFunction::new_udf(function, vec![*left, *right]);
                        Transformed::yes(Expr::ScalarFunction(call))
                    }
                    None => Transformed::no(Expr::BinaryExpr(BinaryExpr { left, op, right })),
                }
            }
            Expr::Negative(inner) if !matches!(*inner, Expr::Literal(..)) => {
                let zero = inner.get_type(schema).ok().filter(DataType::is_signed_integer);
                let zero = zero.and_then(|whole| ScalarValue::new_zero(&whole).ok());
                let zero = zero.map(|zero| Expr::Literal(zero, None));
                match zero.and_then(|zero| Some((self.binary(Operator::Minus, &zero, &inner, schema)?, zero)))
                {
                    Some((function, zero)) => {
                        let call = ScalarFunction::new_udf(function, vec![zero, *inner]);
                        Transformed::yes(Expr::ScalarFunction(call))
                    }
                    None => Transformed::no(Expr::Negative(inner)),
                }
            }
            other => Transformed::no(other),
        })
    }

    fn binary(
        &self,
        operator: Operator,
        left: &Expr,
        right: &Expr,
        schema: &DFSchema,
    ) -> Option<Arc<ScalarUDF>> {
        if !matches!(operator, Operator::Plus | Operator::Minus | Operator::Multiply | Operator::StringConcat)
        {
            return None;
        }
        // An expression without a type contains a placeholder; the plan is guarded again when it is bound. A chain of
        // operators is as deep as it is long, so grow the stack.
        let typed = |expr: &Expr| stacker::maybe_grow(1 << 20, 4 << 20, || expr.get_type(schema).ok());
        let (left, right) = (typed(left)?, typed(right)?);
        let function = Binary::of(operator, &left).filter(|_| left == right)?;
        Some(Bounded::of(&function, &self.memory).unwrap_or(function))
    }
}

impl AnalyzerRule for Guarding {
    fn name(&self) -> &'static str {
        "guarding"
    }

    fn analyze(&self, plan: LogicalPlan, _: &ConfigOptions) -> Result<LogicalPlan> {
        Ok(plan.transform_up_with_subqueries(|plan| self.plan(plan))?.data)
    }
}
