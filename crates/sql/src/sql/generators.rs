//! Functions that produce several columns of a select list: `posexplode`, `posexplode_outer`, `json_tuple`.

use std::ops::ControlFlow;

use datafusion::sql::sqlparser::ast::{
    Expr, Function, Ident, Select, SelectItem, Value, ValueWithSpan, VisitMut, VisitorMut,
};

use super::build::{arguments, call, text};
use crate::{
    catalog::quoted,
    functions::{FILLED, POSITIONS},
};

/// Expands them in all select lists of a statement.
pub(super) fn expanded(node: &mut impl VisitMut) {
    let ControlFlow::Continue(()) = node.visit(&mut Generators) else { return };
}

struct Generators;

impl VisitorMut for Generators {
    type Break = ();

    fn pre_visit_select(&mut self, select: &mut Select) -> ControlFlow<()> {
        let mut items = Vec::with_capacity(select.projection.len());
        for item in std::mem::take(&mut select.projection) {
            match columns(&item) {
                Some(columns) => items.extend(columns),
                None => items.push(item),
            }
        }
        select.projection = items;
        ControlFlow::Continue(())
    }
}

/// The columns of an item, if it is such a function.
fn columns(item: &SelectItem) -> Option<Vec<SelectItem>> {
    let (expr, names) = match item {
        SelectItem::UnnamedExpr(expr) => (expr, Vec::new()),
        SelectItem::ExprWithAlias { expr, alias } => (expr, vec![alias.clone()]),
        SelectItem::ExprWithAliases { expr, aliases } => (expr, aliases.clone()),
        _ => return None,
    };
    let Expr::Function(function) = expr else { return None };
    let columns = match function.name.to_string().to_lowercase().as_str() {
        "posexplode" => positioned(function, names, false)?,
        "posexplode_outer" => positioned(function, names, true)?,
        "json_tuple" => tuple(function, names)?,
        _ => return None,
    };
    Some(columns.into_iter().map(|(expr, alias)| SelectItem::ExprWithAlias { expr, alias }).collect())
}

/// A column `pos` from 0, and a column `col`. A single alias names the second.
fn positioned(function: &Function, names: Vec<Ident>, outer: bool) -> Option<Vec<(Expr, Ident)>> {
    let [list] = <[Expr; 1]>::try_from(arguments(function)?).ok()?;
    let (position, value) = match <[Ident; 2]>::try_from(names) {
        Ok([position, value]) => (position, value),
        Err(names) => (quoted("pos"), names.into_iter().next().unwrap_or_else(|| quoted("col"))),
    };
    let positions = call(POSITIONS, vec![list.clone()]);
    let filled = |list: Expr| if outer { call(FILLED, vec![list]) } else { list };
    let rows = |list: Expr| call("unnest", vec![filled(list)]);
    Some(vec![(rows(positions), position), (rows(list), value)])
}

/// A column for each field: `c0`, `c1` … unless aliases are given.
fn tuple(function: &Function, names: Vec<Ident>) -> Option<Vec<(Expr, Ident)>> {
    let mut arguments = arguments(function)?.into_iter();
    let json = arguments.next()?;
    let fields: Vec<Expr> = arguments.collect();
    let named = names.len() == fields.len();
    let column = |(at, field): (usize, Expr)| {
        let Expr::Value(ValueWithSpan { value: Value::SingleQuotedString(field), .. }) = field else {
            return None;
        };
        let value = call("json_extract", vec![json.clone(), text(&format!("$['{field}']"))]);
        let name = if named { names[at].clone() } else { quoted(&format!("c{at}")) };
        Some((value, name))
    };
    fields.into_iter().enumerate().map(column).collect()
}
