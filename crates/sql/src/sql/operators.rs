//! Operators whose meaning differs from DataFusion's.

use datafusion::{
    arrow::datatypes::{DataType, IntervalUnit, TimeUnit},
    common::{DFSchema, ScalarValue},
    logical_expr::{
        Expr, ExprSchemable, Operator, binary_expr, cast, expr::ScalarFunction, planner::RawBinaryExpr,
    },
    sql::sqlparser::ast::BinaryOperator,
};

/// Plans an operator; `None` if DataFusion is right.
pub(super) fn planned(expr: &RawBinaryExpr, schema: &DFSchema) -> Option<Expr> {
    moved(expr, schema).or_else(|| divided(expr, schema))
}

/// A date plus or minus an interval: a timestamp if the interval has units below a day, else a date.
fn moved(expr: &RawBinaryExpr, schema: &DFSchema) -> Option<Expr> {
    let typed = |expr: &Expr| stacker::maybe_grow(1 << 20, 4 << 20, || expr.get_type(schema).ok());
    let operator = match expr.op {
        BinaryOperator::Plus => Operator::Plus,
        BinaryOperator::Minus => Operator::Minus,
        _ => return None,
    };
    let (date, interval) = match (typed(&expr.left)?, typed(&expr.right)?) {
        (DataType::Date32, DataType::Interval(_)) => (&expr.left, &expr.right),
        (DataType::Interval(_), DataType::Date32) if operator == Operator::Plus => (&expr.right, &expr.left),
        _ => return None,
    };
    let literal = match interval {
        Expr::Negative(inner) => inner.as_ref(),
        other => other,
    };
    match literal {
        Expr::Literal(ScalarValue::IntervalMonthDayNano(Some(by)), _) if by.nanoseconds != 0 => {
            let instant = cast(date.clone(), DataType::Timestamp(TimeUnit::Microsecond, None));
            Some(binary_expr(instant, operator, interval.clone()))
        }
        Expr::Literal(..) => Some(binary_expr(date.clone(), operator, interval.clone())),
        _ => {
            let by = cast(interval.clone(), DataType::Interval(IntervalUnit::MonthDayNano));
            let function = crate::functions::moved(operator == Operator::Plus);
            Some(Expr::ScalarFunction(ScalarFunction::new_udf(function, vec![date.clone(), by])))
        }
    }
}

/// `/` of whole numbers is a double, as in Spark; `DIV` is a whole number.
fn divided(expr: &RawBinaryExpr, schema: &DFSchema) -> Option<Expr> {
    let whole = |expr: &Expr| {
        let typed = stacker::maybe_grow(1 << 20, 4 << 20, || expr.get_type(schema).ok());
        typed.is_some_and(|kind| kind.is_integer())
    };
    match expr.op {
        BinaryOperator::Divide if whole(&expr.left) && whole(&expr.right) => {
            let function = crate::functions::divide();
            let arguments = vec![expr.left.clone(), expr.right.clone()];
            Some(Expr::ScalarFunction(ScalarFunction::new_udf(function, arguments)))
        }
        BinaryOperator::DuckIntegerDivide => {
            let number =
                |expr: &Expr| if whole(expr) { expr.clone() } else { cast(expr.clone(), DataType::Int64) };
            Some(binary_expr(number(&expr.left), Operator::Divide, number(&expr.right)))
        }
        _ => None,
    }
}
