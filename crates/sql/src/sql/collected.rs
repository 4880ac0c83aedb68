//! Aggregates that collect values first: `collect_list`, `collect_set`, and `approx_percentile`, which as in Spark
//! returns one of the values: the smallest that enough of them do not exceed. With FILTER and OVER as well.

use datafusion::sql::sqlparser::ast::{
    BinaryOperator, DuplicateTreatment, Expr, Function, FunctionArg, FunctionArgExpr, FunctionArguments,
    Ident, ObjectName,
};

use super::{
    build::{binary, call},
    templates,
};
use crate::Error;

/// Rewrites a call of one of these; `None` for other functions.
pub(super) fn written_out(name: &str, function: &Function) -> Result<Option<Expr>, Error> {
    let Some(arguments) = arguments(function) else { return Ok(None) };
    match (name, arguments.as_slice()) {
        ("collect_list", [value]) => filled(function, value, false).map(Some),
        ("collect_set", [value]) => filled(function, value, true).map(Some),
        // Any requested accuracy is reached, because the result is exact.
        ("approx_percentile" | "percentile_approx", [value, share] | [value, share, _]) => {
            let values = over(function, "array_agg", value, false);
            let count = over(function, "count", value, false);
            let template = "array_element(array_sort($1), greatest(1, CAST(ceil($2 * $3) AS BIGINT)))";
            templates::fill(template, &[values, share.clone(), count]).map(Some)
        }
        _ => Ok(None),
    }
}

fn arguments(function: &Function) -> Option<Vec<Expr>> {
    let FunctionArguments::List(list) = &function.args else { return None };
    let plain = function.within_group.is_empty() && list.clauses.is_empty();
    let one = |arg: &FunctionArg| match arg {
        FunctionArg::Unnamed(FunctionArgExpr::Expr(expr)) => Some(expr.clone()),
        _ => None,
    };
    if plain { list.args.iter().map(one).collect() } else { None }
}

/// The list of the values that are not NULL; empty if there are none.
fn filled(function: &Function, value: &Expr, set: bool) -> Result<Expr, Error> {
    templates::fill("coalesce($1, make_array())", &[over(function, "array_agg", value, set)])
}

/// Another aggregate of the values that are not NULL, over the same rows.
fn over(function: &Function, name: &str, value: &Expr, distinct: bool) -> Expr {
    let Expr::Function(mut other) = call(name, vec![value.clone()]) else {
        unreachable!("a call is a function")
    };
    other.name = ObjectName::from(vec![Ident::new(name)]);
    other.over.clone_from(&function.over);
    if let (FunctionArguments::List(list), FunctionArguments::List(own)) = (&mut other.args, &function.args) {
        list.duplicate_treatment = match distinct {
            true => Some(DuplicateTreatment::Distinct),
            false => own.duplicate_treatment,
        };
    }
    let there = Expr::Nested(Box::new(Expr::IsNotNull(Box::new(value.clone()))));
    other.filter = Some(Box::new(match &function.filter {
        Some(filter) => binary(Expr::Nested(filter.clone()), BinaryOperator::And, there),
        None => there,
    }));
    Expr::Function(other)
}
