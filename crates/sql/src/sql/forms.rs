//! Rewrites forms that DataFusion's planner lacks or understands differently.

use std::ops::ControlFlow;

use datafusion::sql::sqlparser::ast::{
    CeilFloorKind, CharacterLength, DataType, Expr, Fetch, Ident, Interval, JsonPath, LimitClause,
    ObjectName, Query, Select, SelectFlavor, SelectItem, UnaryOperator, Value, ValueWithSpan, VisitMut,
    VisitorMut, WildcardAdditionalOptions,
};

use super::{
    build::{call, number, text},
    functions::{renamed, written_out},
    layer,
    literals::{decimal, in_range, like},
    templates,
};
use crate::{Error, functions::SUBSTRING};

/// Rewrites the forms in a statement or an expression.
pub(super) fn rewrite(node: &mut impl VisitMut) -> Result<(), Error> {
    match node.visit(&mut Forms) {
        ControlFlow::Continue(()) => Ok(()),
        ControlFlow::Break(error) => Err(error),
    }
}

struct Forms;

impl VisitorMut for Forms {
    type Break = Error;

    fn pre_visit_query(&mut self, query: &mut Query) -> ControlFlow<Error> {
        match query.fetch.take().map_or(Ok(()), |fetch| limit(query, fetch)) {
            Ok(()) => ControlFlow::Continue(()),
            Err(error) => ControlFlow::Break(error),
        }
    }

    fn pre_visit_select(&mut self, select: &mut Select) -> ControlFlow<Error> {
        if select.flavor == SelectFlavor::FromFirstNoSelect && select.projection.is_empty() {
            select.projection = vec![SelectItem::Wildcard(WildcardAdditionalOptions::default())];
        }
        layer::rewrite(select);
        ControlFlow::Continue(())
    }

    fn pre_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<Error> {
        // Whether a number fits 64 bits can depend on its sign.
        if let Expr::UnaryOp { op: UnaryOperator::Minus, expr: inner } = expr
            && let Expr::Value(ValueWithSpan { value: Value::Number(digits, _), .. }) = inner.as_ref()
            && let Some(exact) = decimal(digits, true)
        {
            **inner = exact;
        }
        ControlFlow::Continue(())
    }

    fn post_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<Error> {
        match rewritten(expr) {
            Ok(Some(other)) => {
                *expr = other;
                ControlFlow::Continue(())
            }
            Ok(None) => ControlFlow::Continue(()),
            Err(error) => ControlFlow::Break(error),
        }
    }
}

/// `FETCH FIRST n ROWS ONLY` is a limit.
fn limit(query: &mut Query, fetch: Fetch) -> Result<(), Error> {
    if fetch.with_ties || fetch.percent {
        return Err(Error::invalid("FETCH FIRST supports neither WITH TIES nor PERCENT"));
    }
    let rows = Some(fetch.quantity.unwrap_or_else(|| number(1)));
    match &mut query.limit_clause {
        None => {
            query.limit_clause =
                Some(LimitClause::LimitOffset { limit: rows, offset: None, limit_by: Vec::new() });
        }
        Some(LimitClause::LimitOffset { limit: limit @ None, .. }) => *limit = rows,
        Some(_) => return Err(Error::invalid("a query has either LIMIT or FETCH FIRST, not both")),
    }
    Ok(())
}

/// Rewrites an expression whose parts are rewritten already.
fn rewritten(expr: &mut Expr) -> Result<Option<Expr>, Error> {
    Ok(match expr {
        Expr::Value(ValueWithSpan { value: Value::Number(digits, _), .. }) => {
            in_range(digits)?;
            decimal(digits, false)
        }
        Expr::Value(ValueWithSpan {
            value: Value::SingleQuotedByteStringLiteral(_) | Value::DoubleQuotedByteStringLiteral(_),
            ..
        }) => return Err(Error::invalid("a literal b'…' is not supported: use X'…'")),
        Expr::RLike { negated, expr, pattern, .. } => Some(matches(*negated, expr, pattern)),
        Expr::Like { pattern, escape_char, .. } | Expr::ILike { pattern, escape_char, .. } => {
            if let Some(escape) = escape_char.take() {
                **pattern = like(pattern, &escape)?;
            }
            None
        }
        Expr::Cast { data_type, array: false, format: None, .. } => {
            longest(data_type).map(|length| call("left", vec![expr.clone(), number(length)]))
        }
        Expr::Substring { expr, substring_from: Some(from), substring_for, .. } => {
            part(expr, from, substring_for.as_deref())
        }
        Expr::AtTimeZone { timestamp, time_zone } => zoned(timestamp, time_zone)?,
        Expr::Ceil { expr, field: CeilFloorKind::Scale(scale) } => {
            let scale = Expr::Value(scale.clone());
            templates::filled("ceil", &[expr.as_ref().clone(), scale])?
        }
        Expr::Floor { expr, field: CeilFloorKind::Scale(scale) } => {
            let scale = Expr::Value(scale.clone());
            templates::filled("floor", &[expr.as_ref().clone(), scale])?
        }
        Expr::Interval(interval) => counted(interval)?,
        Expr::JsonAccess { value, path } => Some(json(value, path)),
        Expr::Function(function) => match name(&function.name) {
            Some(name) => {
                if let Some(own) = renamed(&name) {
                    function.name = ObjectName::from(vec![Ident::new(own)]);
                }
                written_out(&name, function)?
            }
            None => None,
        },
        _ => None,
    })
}

/// `INTERVAL n DAY` with a computed number.
fn counted(interval: &Interval) -> Result<Option<Expr>, Error> {
    let Some(unit) = &interval.leading_field else { return Ok(None) };
    let literal = match interval.value.as_ref() {
        Expr::UnaryOp { expr, .. } => matches!(expr.as_ref(), Expr::Value(_)),
        other => matches!(other, Expr::Value(_)),
    };
    if literal || interval.last_field.is_some() {
        return Ok(None);
    }
    let template =
        format!("arrow_cast(concat($1, ' {}'), 'Interval(MonthDayNano)')", unit.to_string().to_lowercase());
    Ok(Some(templates::fill(&template, &[interval.value.as_ref().clone()])?))
}

/// A substring from a position that may be outside of the text.
fn part(text: &Expr, from: &Expr, length: Option<&Expr>) -> Option<Expr> {
    let number = |expr: &Expr| match expr {
        Expr::Value(ValueWithSpan { value: Value::Number(digits, _), .. }) => digits.parse::<u64>().ok(),
        _ => None,
    };
    match number(from) {
        Some(1..) if length.is_none_or(|length| number(length).is_some()) => None,
        _ => {
            let arguments = [text, from].into_iter().chain(length).cloned();
            Some(call(SUBSTRING, arguments.collect()))
        }
    }
}

/// `column:field.other[0]`, a path into JSON.
fn json(value: &Expr, path: &JsonPath) -> Expr {
    let path = path.to_string();
    let path = path.trim_start_matches([':', '.']);
    call("json_extract", vec![value.clone(), text(&format!("$.{path}"))])
}

/// `a RLIKE b` and `a REGEXP b`.
fn matches(negated: bool, expr: &Expr, pattern: &Expr) -> Expr {
    let found = call("regexp_like", vec![expr.clone(), pattern.clone()]);
    if negated { Expr::UnaryOp { op: UnaryOperator::Not, expr: Box::new(found) } } else { found }
}

/// The maximum length of a text type, in characters.
fn longest(data_type: &DataType) -> Option<u64> {
    let (DataType::Varchar(length)
    | DataType::Nvarchar(length)
    | DataType::CharVarying(length)
    | DataType::CharacterVarying(length)
    | DataType::Char(length)
    | DataType::Character(length)) = data_type
    else {
        return None;
    };
    match length {
        Some(CharacterLength::IntegerLength { length, .. }) => Some(*length),
        Some(CharacterLength::Max) | None => None,
    }
}

/// `t AT TIME ZONE 'z'`, in microseconds like all timestamps here.
fn zoned(timestamp: &Expr, zone: &Expr) -> Result<Option<Expr>, Error> {
    let Expr::Value(ValueWithSpan { value: Value::SingleQuotedString(zone), .. }) = zone else {
        return Err(Error::invalid(format!("AT TIME ZONE {zone}: expected the name of a zone in quotes")));
    };
    if !zone.chars().all(|sign| sign.is_ascii_alphanumeric() || "+-:/_".contains(sign)) {
        return Err(Error::invalid(format!("AT TIME ZONE '{zone}': no such zone")));
    }
    let kind = format!("Timestamp(Microsecond, Some(\"{zone}\"))");
    Ok(Some(call("arrow_cast", vec![timestamp.clone(), text(&kind)])))
}

/// The name of a function, if it is unqualified and unquoted.
fn name(name: &ObjectName) -> Option<String> {
    match name.0.as_slice() {
        [part] => part.as_ident().filter(|name| name.quote_style.is_none()).map(folded),
        _ => None,
    }
}

fn folded(name: &Ident) -> String {
    name.value.to_lowercase()
}
