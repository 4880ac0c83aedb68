//! Rewrites aggregates with more than plain arguments: `max_by` with FILTER or OVER, `percentile_cont` with several
//! fractions. Also rewrites lambda functions: `all_match`, `transform` with an index.

use datafusion::sql::sqlparser::ast::{
    BinaryOperator::And, Expr, Function, FunctionArg, FunctionArgExpr, FunctionArguments, LambdaFunction,
    OneOrManyWithParens, UnaryOperator,
};

use super::{
    build::{arguments, binary, call},
    functions::{renamed, written_out},
    templates::fill,
};
use crate::Error;

/// Rewrites an aggregate; `None` for other functions.
pub(super) fn aggregate(name: &str, function: &mut Function) -> Result<Option<Expr>, Error> {
    match name {
        "max_by" | "min_by" if function.over.is_some() || function.filter.is_some() => by(name, function),
        "percentile_cont"
        | "percentile_disc"
        | "percentile"
        | "percentile_approx"
        | "approx_percentile"
        | "approx_percentile_cont" => shares(name, function),
        "all_match" | "forall" | "array_all_match" => Ok(all(function)),
        "transform" | "array_transform" | "list_transform" => placed(function),
        _ => Ok(None),
    }
}

/// `max_by(x, y) FILTER (WHERE …) OVER (…)`: the `x` of the pair with the largest `y`.
fn by(name: &str, function: &Function) -> Result<Option<Expr>, Error> {
    let plain = Function { filter: None, over: None, ..function.clone() };
    let Some(pair) = arguments(&plain).filter(|arguments| arguments.len() == 2) else { return Ok(None) };
    let counts = fill("$1 IS NOT NULL", &pair[1..])?;
    let counts = match &function.filter {
        Some(filter) => binary(counts, And, Expr::Nested(filter.clone())),
        None => counts,
    };
    let largest = if name == "max_by" { "max" } else { "min" };
    let template = format!("{largest}(CASE WHEN $3 THEN named_struct('y', $2, 'x', $1) END)");
    let Expr::Nested(inner) = fill(&template, &[pair[0].clone(), pair[1].clone(), counts])? else {
        return Ok(None);
    };
    let Expr::Function(mut inner) = *inner else { return Ok(None) };
    inner.over.clone_from(&function.over);
    Ok(Some(fill("get_field($1, 'x')", &[Expr::Function(inner)])?))
}

/// One call for each fraction of a list.
fn shares(name: &str, function: &Function) -> Result<Option<Expr>, Error> {
    let FunctionArguments::List(list) = &function.args else { return Ok(None) };
    let at = usize::from(function.within_group.is_empty());
    let Some(FunctionArg::Unnamed(FunctionArgExpr::Expr(several))) = list.args.get(at) else {
        return Ok(None);
    };
    let Some(several) = items(several) else { return Ok(None) };
    let one = |share: Expr| {
        let mut own = function.clone();
        if let FunctionArguments::List(list) = &mut own.args {
            list.args[at] = FunctionArg::Unnamed(FunctionArgExpr::Expr(share));
        }
        if let Some(other) = renamed(name) {
            own.name = datafusion::sql::sqlparser::ast::ObjectName::from(vec![other.into()]);
        }
        Ok(written_out(name, &mut own)?.unwrap_or(Expr::Function(own)))
    };
    Ok(Some(call("make_array", several.into_iter().map(one).collect::<Result<Vec<_>, Error>>()?)))
}

/// The elements of a literal list.
fn items(expr: &Expr) -> Option<Vec<Expr>> {
    match expr {
        Expr::Array(list) => Some(list.elem.clone()),
        Expr::Nested(inner) => items(inner),
        Expr::Function(function) => {
            let name = function.name.to_string().to_lowercase();
            arguments(function).filter(|_| matches!(name.as_str(), "array" | "make_array"))
        }
        _ => None,
    }
}

/// A lambda of an element and its index, from 0.
fn placed(function: &Function) -> Result<Option<Expr>, Error> {
    let Some(arguments) = arguments(function) else { return Ok(None) };
    match arguments.as_slice() {
        [_, Expr::Lambda(LambdaFunction { params: OneOrManyWithParens::Many(params), .. })]
            if params.len() == 2 =>
        {
            fill("zip_with($1, range(0, CAST(coalesce(cardinality($1), 0) AS BIGINT)), $2)", &arguments)
                .map(Some)
        }
        _ => Ok(None),
    }
}

/// All elements match if none does not match.
fn all(function: &Function) -> Option<Expr> {
    let mut arguments = arguments(function)?;
    let [_, Expr::Lambda(LambdaFunction { body, .. })] = arguments.as_mut_slice() else { return None };
    **body = Expr::UnaryOp { op: UnaryOperator::Not, expr: Box::new(Expr::Nested(body.clone())) };
    let any = Box::new(call("array_any_match", arguments));
    Some(Expr::Nested(Box::new(Expr::UnaryOp { op: UnaryOperator::Not, expr: any })))
}
