//! Functions of other engines, expressed with those of DataFusion.

use datafusion::sql::sqlparser::ast::{
    BinaryOperator::{Minus, Modulo, Plus},
    CaseWhen, DataType, DuplicateTreatment, Expr, Function, FunctionArg, FunctionArgExpr,
    FunctionArgumentClause, FunctionArguments, TimezoneInfo,
    helpers::attached_token::AttachedToken,
};

use super::{
    aggregates,
    build::{arguments, binary, call, cast, is_text, number, text},
    collected, dates, lambdas, templates,
};
use crate::Error;

/// DataFusion's name for a function of other engines.
pub(super) fn renamed(name: &str) -> Option<&'static str> {
    Some(match name {
        "approx_count_distinct" => "approx_distinct",
        "arbitrary" => "any_value",
        "array" => "make_array",
        "booland_agg" | "every" => "bool_and",
        "boolor_agg" | "some" => "bool_or",
        "group_concat" | "listagg" => "string_agg",
        "std" => "stddev",
        "variance_samp" => "var_samp",
        "lcase" => "lower",
        "ucase" => "upper",
        "len" => "length",
        "sign" => "signum",
        "variance" => "var_samp",
        "variance_pop" => "var_pop",
        _ => return None,
    })
}

/// Functions of the dialect without a template.
const OTHERS: [&str; 33] = [
    "aggregate",
    "all_match",
    "dateadd",
    "datediff",
    "date_add",
    "date_diff",
    "date_format",
    "date_sub",
    "dayofmonth",
    "dayofweek",
    "dayofyear",
    "format_date",
    "format_datetime",
    "format_timestamp",
    "from_unixtime",
    "group_concat",
    "listagg",
    "localtimestamp",
    "max_by",
    "min_by",
    "quarter",
    "reduce",
    "timestamp_add",
    "timestamp_diff",
    "timestampadd",
    "timestampdiff",
    "weekofyear",
    "approx_count_distinct",
    "approx_percentile",
    "collect_list",
    "collect_set",
    "json_tuple",
    "posexplode",
];

/// The function names that DataFusion does not know.
pub(crate) fn known() -> impl Iterator<Item = &'static str> {
    OTHERS.into_iter().chain(templates::names())
}

/// Rewrites a function; `None` if it is DataFusion's own or unknown.
pub(super) fn written_out(name: &str, function: &mut Function) -> Result<Option<Expr>, Error> {
    lambdas::arguments(name, function);
    if matches!(name, "listagg" | "group_concat") {
        joined(name, function);
        return Ok(None);
    }
    if let Some(expr) = aggregates::aggregate(name, function)? {
        return Ok(Some(expr));
    }
    if let Some(expr) = collected::written_out(name, function)? {
        return Ok(Some(expr));
    }
    let Some(mut arguments) = arguments(function) else { return counted(name, function) };
    if let Some(expr) = dates::written_out(name, &arguments)? {
        return Ok(Some(expr));
    }
    if let Some(expr) = templates::filled(name, &arguments)? {
        return Ok(Some(expr));
    }
    let expected = match name {
        "if" | "iff" => 3,
        "format" => return Ok(Some(call("format_string", arguments))),
        // The length may be the FLOOR of a double, which is a double here.
        "lpad" | "rpad" | "repeat" if !matches!(arguments.get(1), None | Some(Expr::Value(_))) => {
            let length = std::mem::replace(&mut arguments[1], number(0));
            arguments[1] = cast(length, DataType::BigInt(None));
            return Ok(Some(call(name, arguments)));
        }
        // Three-valued logic, and fast on long lists.
        "array_contains" => {
            return Ok(match <[Expr; 2]>::try_from(arguments) {
                Ok([Expr::Array(list), value]) if !list.elem.is_empty() => {
                    let expr = Box::new(value);
                    Some(Expr::Nested(Box::new(Expr::InList { expr, list: list.elem, negated: false })))
                }
                _ => None,
            });
        }
        // A list of keys and one of values, or alternating keys and values.
        "map_of" => return Ok(Some(map(arguments))),
        // Replace every match, as in Spark, Trino and Snowflake.
        "regexp_replace" => {
            let flags = match arguments.len() {
                2 => {
                    arguments.push(text(""));
                    text("g")
                }
                3 => text("g"),
                4 => call("concat", vec![text("g"), arguments.remove(3)]),
                _ => return Ok(None),
            };
            arguments.push(flags);
            return Ok(Some(call(name, arguments)));
        }
        "datediff" | "mod" | "date_add" | "date_sub" => 2,
        "date" => 1,
        "to_timestamp" if matches!(arguments.first(), Some(Expr::Value(first)) if is_text(first)) => {
            // DataFusion's uses nanoseconds, which end in 2262.
            let wide = DataType::Timestamp(Some(6), TimezoneInfo::None);
            let only = arguments.len() == 1;
            return Ok(arguments.pop().filter(|_| only).map(|text| cast(text, wide)));
        }
        "now" | "current_timestamp" | "localtimestamp" => 0,
        _ if part(name).is_some() => 1,
        _ => return Ok(None),
    };
    if arguments.len() != expected {
        let given = arguments.len();
        return Err(Error::invalid(format!("{name}() has {given} arguments: expected {expected}")));
    }
    let next = |arguments: &mut Vec<Expr>| arguments.remove(0);
    Ok(Some(match name {
        "if" | "iff" => {
            let (condition, result) = (next(&mut arguments), next(&mut arguments));
            Expr::Case {
                case_token: AttachedToken::empty(),
                end_token: AttachedToken::empty(),
                operand: None,
                conditions: vec![CaseWhen { condition, result }],
                else_result: Some(Box::new(next(&mut arguments))),
            }
        }
        // The days from the second argument to the first.
        "datediff" => {
            // The vendor's PySpark layer casts the start to BIGINT.
            if let Some(Expr::Cast { data_type: DataType::BigInt(_), expr, .. }) = arguments.get(1) {
                arguments[1] = expr.as_ref().clone();
            }
            let mut days = || cast(cast(next(&mut arguments), DataType::Date), DataType::Int(None));
            let (end, start) = (days(), days());
            binary(end, Minus, start)
        }
        "mod" => {
            let (left, right) = (next(&mut arguments), next(&mut arguments));
            binary(left, Modulo, right)
        }
        // The amount is an interval or a number of days.
        "date_add" | "date_sub" => {
            let (date, by) = (next(&mut arguments), next(&mut arguments));
            let by = match by {
                by @ Expr::Interval(_) => by,
                days => {
                    let days = if name == "date_add" { days } else { templates::fill("- $1", &[days])? };
                    return dates::added("day", &days, &cast(date, DataType::Date)).map(Some);
                }
            };
            binary(date, if name == "date_add" { Plus } else { Minus }, by)
        }
        "date" => cast(next(&mut arguments), DataType::Date),
        "now" | "current_timestamp" => {
            cast(call("now", Vec::new()), DataType::Timestamp(Some(6), TimezoneInfo::WithTimeZone))
        }
        "localtimestamp" => cast(call("now", Vec::new()), DataType::Timestamp(Some(6), TimezoneInfo::None)),
        _ => {
            let (part, first) = part(name).unwrap_or((name, 0));
            // A string is parsed as a timestamp.
            let value = call("date_part", vec![text(part), next(&mut arguments)]);
            if first == 0 { value } else { binary(value, Plus, number(first)) }
        }
    }))
}

fn map(arguments: Vec<Expr>) -> Expr {
    if let [Expr::Array(_) | Expr::Function(_), Expr::Array(_) | Expr::Function(_)] = arguments.as_slice() {
        return call("map", arguments);
    }
    let (mut keys, mut values) = (Vec::new(), Vec::new());
    for (at, argument) in arguments.into_iter().enumerate() {
        if at % 2 == 0 { keys.push(argument) } else { values.push(argument) }
    }
    call("map", vec![call("make_array", keys), call("make_array", values)])
}

/// String aggregation: the separator, and the order from WITHIN GROUP.
fn joined(name: &str, function: &mut Function) {
    let order = std::mem::take(&mut function.within_group);
    let FunctionArguments::List(list) = &mut function.args else { return };
    if let Some(FunctionArg::Unnamed(FunctionArgExpr::Expr(first))) = list.args.first_mut() {
        *first = cast(first.clone(), DataType::Varchar(None));
    }
    if list.args.len() == 1 {
        let separator = text(if name == "listagg" { "" } else { "," });
        list.args.push(FunctionArg::Unnamed(FunctionArgExpr::Expr(separator)));
    }
    if !order.is_empty() {
        list.clauses.push(FunctionArgumentClause::OrderBy(order));
    }
}

/// `count(distinct a, b)` counts distinct pairs without NULLs.
fn counted(name: &str, function: &Function) -> Result<Option<Expr>, Error> {
    let FunctionArguments::List(list) = &function.args else { return Ok(None) };
    let distinct = list.duplicate_treatment == Some(DuplicateTreatment::Distinct);
    if name != "count" || !distinct || list.args.len() < 2 || function.over.is_some() {
        return Ok(None);
    }
    let one = |arg: &FunctionArg| match arg {
        FunctionArg::Unnamed(FunctionArgExpr::Expr(expr)) => Some(expr.clone()),
        _ => None,
    };
    let Some(columns) = list.args.iter().map(one).collect::<Option<Vec<Expr>>>() else { return Ok(None) };
    let places: Vec<String> = (1..=columns.len()).map(|at| format!("${at}")).collect();
    let filled: Vec<String> = places.iter().map(|place| format!("{place} IS NOT NULL")).collect();
    let template =
        format!("count(DISTINCT CASE WHEN {} THEN struct({}) END)", filled.join(" AND "), places.join(", "));
    let Expr::Nested(expr) = templates::fill(&template, &columns)? else { return Ok(None) };
    let Expr::Function(mut counted) = *expr else { return Ok(None) };
    counted.filter = function.filter.clone();
    Ok(Some(Expr::Function(counted)))
}

/// The date part of a function of this name, and an offset to DataFusion's value.
fn part(name: &str) -> Option<(&str, u64)> {
    Some(match name {
        "year" | "quarter" | "month" | "week" | "day" | "hour" | "minute" | "second" => (name, 0),
        "dayofmonth" => ("day", 0),
        "weekofyear" => ("week", 0),
        "dayofyear" => ("doy", 0),
        // Sunday is 1.
        "dayofweek" => ("dow", 1),
        _ => return None,
    })
}
