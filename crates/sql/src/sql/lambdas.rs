//! `x -> x + 1` as an argument. The parser reads the arrow as the JSON operator, which binds tighter than others. The
//! body is what remains after the arrow is removed.

use datafusion::sql::sqlparser::ast::{
    BinaryOperator, Expr, Function, FunctionArg, FunctionArgExpr, FunctionArguments, Ident, LambdaFunction,
    LambdaFunctionParameter, LambdaSyntax, OneOrManyWithParens, Value,
};

/// Functions with lambda arguments.
const FUNCTIONS: [&str; 23] = [
    "aggregate",
    "all_match",
    "any_match",
    "array_all_match",
    "array_any_match",
    "array_filter",
    "array_reduce",
    "array_transform",
    "exists",
    "filter",
    "filter_array",
    "forall",
    "none_match",
    "reduce",
    "list_any_match",
    "map_filter",
    "list_filter",
    "list_transform",
    "transform",
    "transform_keys",
    "transform_values",
    "zip_with",
    "array_exists",
];

/// Turns arrows among a function's arguments into lambdas.
pub(super) fn arguments(name: &str, function: &mut Function) {
    let FunctionArguments::List(list) = &mut function.args else { return };
    if !FUNCTIONS.contains(&name) {
        return;
    }
    for arg in &mut list.args {
        let FunctionArg::Unnamed(FunctionArgExpr::Expr(expr)) = arg else { continue };
        let Some(params) = taken(expr) else { continue };
        let body = Box::new(expr.clone());
        *expr = Expr::Lambda(LambdaFunction { params, body, syntax: LambdaSyntax::Arrow });
    }
}

/// Removes the arrow from an expression, and returns the parameters before it.
fn taken(expr: &mut Expr) -> Option<OneOrManyWithParens<LambdaFunctionParameter>> {
    let mut expr = expr;
    loop {
        match expr {
            Expr::BinaryOp { op: BinaryOperator::Arrow, .. } => break,
            Expr::BinaryOp { left: inner, .. }
            | Expr::Between { expr: inner, .. }
            | Expr::InList { expr: inner, .. }
            | Expr::Like { expr: inner, .. }
            | Expr::ILike { expr: inner, .. }
            | Expr::IsNull(inner)
            | Expr::IsNotNull(inner) => expr = inner,
            _ => return None,
        }
    }
    let Expr::BinaryOp { left, right, .. } = expr else { return None };
    let param = |name: &Ident| LambdaFunctionParameter { name: name.clone(), data_type: None };
    let params = match left.as_ref() {
        Expr::Identifier(name) => OneOrManyWithParens::One(param(name)),
        Expr::Nested(inner) => match inner.as_ref() {
            Expr::Identifier(name) => OneOrManyWithParens::One(param(name)),
            _ => return None,
        },
        Expr::Tuple(names) => {
            let one = |name: &Expr| match name {
                Expr::Identifier(name) => Some(param(name)),
                _ => None,
            };
            OneOrManyWithParens::Many(names.iter().map(one).collect::<Option<_>>()?)
        }
        _ => return None,
    };
    let null = Expr::Value(Value::Null.with_empty_span());
    let body = std::mem::replace(right.as_mut(), null);
    *expr = body;
    Some(params)
}
