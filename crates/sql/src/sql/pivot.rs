//! Rewrites PIVOT and UNPIVOT as queries.

use std::ops::ControlFlow;

use datafusion::sql::sqlparser::{
    ast::{
        BinaryOperator, Expr, ExprWithAlias, GroupByExpr, Ident, NullInclusion, PivotValueSource, Query,
        SelectItem, SetExpr, TableAlias, TableFactor, Value, ValueWithSpan, WildcardAdditionalOptions,
        visit_expressions, visit_expressions_mut,
    },
    dialect::GenericDialect,
    parser::Parser,
};

use super::{
    build::{binary, call, text},
    scope::{Columns, find_one},
    templates,
};
use crate::{Error, catalog::quoted, functions::TOLD};

/// Aggregates that can be restricted to the rows of one value.
const AGGREGATES: [&str; 20] = [
    "any_value",
    "approx_distinct",
    "array_agg",
    "avg",
    "bool_and",
    "bool_or",
    "corr",
    "count",
    "first_value",
    "last_value",
    "max",
    "mean",
    "median",
    "min",
    "percentile_cont",
    "stddev",
    "stddev_pop",
    "string_agg",
    "sum",
    "var_samp",
];

/// Rewrites PIVOT or UNPIVOT of a table with these columns; `None` for others.
pub(super) fn written_out(factor: &TableFactor, columns: &Columns) -> Result<Option<TableFactor>, Error> {
    let (word, known) = match factor {
        TableFactor::Pivot { .. } => ("PIVOT", &columns.known),
        TableFactor::Unpivot { .. } => ("UNPIVOT", &columns.known),
        _ => return Ok(None),
    };
    let names: Vec<&str> = known.iter().map(|column| column.name.as_str()).collect();
    if columns.open || names.iter().any(|name| name.is_empty()) {
        return Err(Error::invalid(format!("{word} needs a table whose columns all have names")));
    }
    match factor {
        TableFactor::Pivot {
            table,
            aggregate_functions,
            value_column,
            value_source,
            default_on_null: None,
            alias,
        } => {
            let ([Expr::Identifier(key)], PivotValueSource::List(values)) =
                (value_column.as_slice(), value_source)
            else {
                return Err(Error::invalid("PIVOT is supported FOR one column IN a list of values"));
            };
            let list = pivoted(&names, aggregate_functions, key, values)?;
            derived(&list, table, None, alias.as_ref()).map(Some)
        }
        TableFactor::Unpivot {
            table,
            value: Expr::Identifier(value),
            name,
            columns,
            null_inclusion,
            alias,
        } => {
            let list = unpivoted(&names, value, name, columns)?;
            let nulls = matches!(null_inclusion, Some(NullInclusion::IncludeNulls));
            derived(&list, table, (!nulls).then_some(value), alias.as_ref()).map(Some)
        }
        _ => Err(Error::invalid(format!("{word} is not supported in this form"))),
    }
}

/// A column of the query, and whether the query groups by it.
struct Item {
    expr: Expr,
    name: Ident,
    group: bool,
}

/// The columns that the pivot does not name, and each aggregate for each value.
fn pivoted(
    names: &[&str],
    aggregates: &[ExprWithAlias],
    key: &Ident,
    values: &[ExprWithAlias],
) -> Result<Vec<Item>, Error> {
    let Some(pivot) = find_one(key, names.iter().copied())? else {
        return Err(Error::invalid(format!("PIVOT: column {key} not found, known are {}", names.join(", "))));
    };
    let mut used = vec![pivot.clone()];
    for aggregate in aggregates {
        let _: ControlFlow<()> = visit_expressions(&aggregate.expr, |expr| {
            if let Expr::Identifier(name) = expr {
                used.extend(find_one(name, names.iter().copied()).ok().flatten());
            }
            ControlFlow::Continue(())
        });
    }
    let groups = names.iter().filter(|name| !used.iter().any(|used| used == *name));
    let group = |name: &&str| Item { expr: Expr::Identifier(quoted(name)), name: quoted(name), group: true };
    let mut items: Vec<Item> = groups.map(group).collect();
    for value in values {
        let is = match &value.expr {
            told @ Expr::Value(ValueWithSpan { value: Value::SingleQuotedString(_), .. }) => {
                call(TOLD, vec![Expr::Identifier(quoted(&pivot)), told.clone()])
            }
            other => binary(Expr::Identifier(quoted(&pivot)), BinaryOperator::Eq, other.clone()),
        };
        let title = match (&value.alias, &value.expr) {
            (Some(alias), _) => alias.value.clone(),
            (None, Expr::Value(ValueWithSpan { value: Value::SingleQuotedString(text), .. })) => text.clone(),
            (None, other) => other.to_string(),
        };
        for aggregate in aggregates {
            let name = match aggregates {
                [_] => title.clone(),
                _ => {
                    let own = aggregate.alias.as_ref().map(|alias| alias.value.clone());
                    format!("{title}_{}", own.unwrap_or_else(|| aggregate.expr.to_string()))
                }
            };
            items.push(Item { expr: filtered(&aggregate.expr, &is)?, name: quoted(&name), group: false });
        }
    }
    Ok(items)
}

/// An aggregate over the rows with one value; NULL if there are none.
fn filtered(aggregate: &Expr, is: &Expr) -> Result<Expr, Error> {
    let (mut expr, mut found) = (aggregate.clone(), false);
    let _: ControlFlow<()> = visit_expressions_mut(&mut expr, |inner| {
        if let Expr::Function(function) = inner
            && AGGREGATES.contains(&function.name.to_string().to_lowercase().as_str())
        {
            found = true;
            function.filter = Some(Box::new(match function.filter.take() {
                Some(filter) => binary(Expr::Nested(filter), BinaryOperator::And, is.clone()),
                None => is.clone(),
            }));
        }
        ControlFlow::Continue(())
    });
    if !found {
        return Err(Error::invalid(format!("PIVOT: {aggregate} is not supported as an aggregate")));
    }
    let sql = "CASE WHEN count(*) FILTER (WHERE $1) > 0 THEN $2 END";
    templates::fill(sql, &[is.clone(), expr])
}

/// The other columns, and one row for each named column.
fn unpivoted(
    names: &[&str],
    value: &Ident,
    name: &Ident,
    columns: &[ExprWithAlias],
) -> Result<Vec<Item>, Error> {
    let (mut labels, mut values, mut used) = (Vec::new(), Vec::new(), Vec::new());
    for column in columns {
        let Expr::Identifier(ident) = &column.expr else {
            return Err(Error::invalid(format!("UNPIVOT: expected a column, found {}", column.expr)));
        };
        let Some(found) = find_one(ident, names.iter().copied())? else {
            let known = names.join(", ");
            return Err(Error::invalid(format!("UNPIVOT: column {ident} not found, known are {known}")));
        };
        let label = column.alias.as_ref().map_or(&found, |alias| &alias.value);
        labels.push(text(label));
        values.push(Expr::Identifier(quoted(&found)));
        used.push(found);
    }
    let kept = names.iter().filter(|name| !used.iter().any(|used| used == *name));
    let item = |name: &&str| Item { expr: Expr::Identifier(quoted(name)), name: quoted(name), group: false };
    let mut items: Vec<Item> = kept.map(item).collect();
    for (list, name) in [(labels, name), (values, value)] {
        let expr = call("unnest", vec![call("make_array", list)]);
        items.push(Item { expr, name: name.clone(), group: false });
    }
    Ok(items)
}

/// `(SELECT items FROM table GROUP BY …)`, optionally only the rows where a column is not NULL.
fn derived(
    items: &[Item],
    table: &TableFactor,
    filled: Option<&Ident>,
    alias: Option<&TableAlias>,
) -> Result<TableFactor, Error> {
    let groups: Vec<Expr> = items.iter().filter(|item| item.group).map(|item| item.expr.clone()).collect();
    let list = items
        .iter()
        .map(|item| SelectItem::ExprWithAlias { expr: item.expr.clone(), alias: item.name.clone() });
    let list = list.collect();
    let query = select(list, table.clone(), GroupByExpr::Expressions(groups, Vec::new()), None)?;
    let derived =
        |query, alias| TableFactor::Derived { lateral: false, subquery: query, alias, sample: None };
    let Some(filled) = filled else { return Ok(derived(query, alias.cloned())) };
    let there = Expr::IsNotNull(Box::new(Expr::Identifier(filled.clone())));
    let all = vec![SelectItem::Wildcard(WildcardAdditionalOptions::default())];
    let none = GroupByExpr::Expressions(Vec::new(), Vec::new());
    Ok(derived(select(all, derived(query, None), none, Some(there))?, alias.cloned()))
}

fn select(
    projection: Vec<SelectItem>,
    relation: TableFactor,
    group_by: GroupByExpr,
    selection: Option<Expr>,
) -> Result<Box<Query>, Error> {
    let wrong = |error| Error::Internal(format!("a query of PIVOT is written wrongly: {error}"));
    let mut parser = Parser::new(&GenericDialect).try_with_sql("SELECT 1 FROM t").map_err(wrong)?;
    let mut query = parser.parse_query().map_err(wrong)?;
    if let SetExpr::Select(select) = query.body.as_mut() {
        select.projection = projection;
        select.from.iter_mut().for_each(|from| from.relation = relation.clone());
        select.group_by = group_by;
        select.selection = selection;
    }
    Ok(query)
}
