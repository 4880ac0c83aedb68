//! Two statements of the vendor's PySpark layer, recognized by their shape, that must accept columns of any type:
//! `fillna`, which fills columns of the value's kind, and `describe`, which has no mean of strings.

use datafusion::sql::sqlparser::ast::{
    Expr, Function, FunctionArg, FunctionArgExpr, FunctionArguments, Ident, ObjectName, Select, SelectItem,
    TableFactor, Value, ValueWithSpan,
};

use super::build::call;
use crate::functions::{AS_DOUBLE, FILL};

/// The alias that `fillna` uses for its input.
const BEFORE: &str = "before_fillna";

pub(super) fn rewrite(select: &mut Select) {
    if select.from.iter().any(|from| from.joins.is_empty() && named(&from.relation)) {
        for item in &mut select.projection {
            fill(item);
        }
    }
    let summary = |item: &SelectItem| match item {
        SelectItem::ExprWithAlias { expr: Expr::Value(value), alias } => {
            alias.value == "summary" && matches!(value.value, Value::SingleQuotedString(_))
        }
        _ => false,
    };
    if select.projection.first().is_some_and(summary) {
        for item in &mut select.projection {
            describe(item);
        }
    }
}

fn named(table: &TableFactor) -> bool {
    match table {
        TableFactor::Table { name, args: None, .. } => name.to_string().starts_with(BEFORE),
        _ => false,
    }
}

/// `COALESCE("c", 0) AS "c"`
fn fill(item: &mut SelectItem) {
    let SelectItem::ExprWithAlias { expr: Expr::Function(function), alias } = item else { return };
    if !function.name.to_string().eq_ignore_ascii_case("coalesce") {
        return;
    }
    if let Some([Expr::Identifier(column), value]) = expressions(function)
        && *column == *alias
        && literal(value)
    {
        function.name = ObjectName::from(vec![Ident::new(FILL)]);
    }
}

fn literal(expr: &Expr) -> bool {
    match expr {
        Expr::Value(ValueWithSpan { value, .. }) => !matches!(value, Value::Null),
        Expr::UnaryOp { expr, .. } => matches!(expr.as_ref(), Expr::Value(_)),
        _ => false,
    }
}

fn expressions<const COUNT: usize>(function: &mut Function) -> Option<[&mut Expr; COUNT]> {
    let FunctionArguments::List(list) = &mut function.args else { return None };
    let mut found = Vec::with_capacity(COUNT);
    for arg in &mut list.args {
        let FunctionArg::Unnamed(FunctionArgExpr::Expr(expr)) = arg else { return None };
        found.push(expr);
    }
    found.try_into().ok()
}

/// `AVG(c) AS "mean"` and `STDDEV(c) AS "stddev"`
fn describe(item: &mut SelectItem) {
    let SelectItem::ExprWithAlias { expr: Expr::Function(function), alias } = item else { return };
    let name = function.name.to_string().to_lowercase();
    if !matches!((name.as_str(), alias.value.as_str()), ("avg", "mean") | ("stddev", "stddev")) {
        return;
    }
    if let Some([column]) = expressions(function) {
        *column = call(AS_DOUBLE, vec![column.clone()]);
    }
}
