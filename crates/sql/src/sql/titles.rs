//! Titles of result columns: the alias as written, the column's name, or the text of the expression. DataFusion
//! requires unique names, clients do not: a repeated title gets a unique name in the plan and its title back in the
//! result.

use std::{collections::HashSet, ops::ControlFlow};

use datafusion::sql::sqlparser::ast::{Expr, Query, Select, SelectItem, SetExpr, Value, visit_expressions};

use crate::catalog::quoted;

/// The most characters of an expression's text.
const LONGEST: usize = 120;

/// Separates a title from the number that makes it unique in the plan.
pub(super) const MARK: char = '\u{1f}';

/// The titles of a query's columns, from the front, and from the back up to a `*`.
#[derive(Debug, Default)]
pub(super) struct Titles {
    front: Vec<Option<String>>,
    back: Vec<Option<String>>,
}

impl Titles {
    /// Takes the titles as the query was written. Call it before names are resolved.
    pub(super) fn written(query: &mut Query) -> Self {
        let Some(select) = first_select(query) else { return Self::default() };
        let items = &select.projection;
        let open = |item: &&SelectItem| !many(item);
        Self {
            front: items.iter().take_while(open).map(title).collect(),
            back: items.iter().rev().take_while(open).map(title).collect(),
        }
    }

    /// The titles for the plan's column names.
    pub(super) fn of(&self, names: Vec<String>) -> Vec<String> {
        let count = names.len();
        let all: HashSet<String> = names.iter().cloned().collect();
        let titled = names.into_iter().enumerate().map(|(at, name)| {
            let known = self.front.get(at).or_else(|| self.back.get(count - 1 - at));
            known.cloned().flatten().unwrap_or_else(|| plain(&name, &all).to_owned())
        });
        titled.collect()
    }
}

/// The plain name of a column: without the number that the planner adds to duplicates, and without its struct.
fn plain<'a>(name: &'a str, all: &HashSet<String>) -> &'a str {
    if let Some((name, _)) = name.split_once(MARK) {
        return name;
    }
    match (name.rsplit_once(':'), name.strip_suffix(']').and_then(|name| name.rsplit_once('['))) {
        (Some((first, number)), _) if number.parse::<u32>().is_ok() && all.contains(first) => first,
        (_, Some((_, field))) if !field.is_empty() => field,
        _ => name,
    }
}

/// Gives repeated columns unique names, after name resolution. `seen` are the columns of `*`. In the outermost query,
/// where nothing refers to them, more columns than necessary get one.
pub(super) fn separate(select: &mut Select, outermost: bool, mut seen: HashSet<String>) {
    let wide = outermost && select.projection.iter().any(many);
    let count = select.projection.len();
    for (at, item) in select.projection.iter_mut().enumerate() {
        let (name, unique) = match item {
            SelectItem::ExprWithAlias { alias, .. } => (alias.value.clone(), true),
            SelectItem::UnnamedExpr(Expr::Identifier(name)) => (name.value.clone(), !wide),
            SelectItem::UnnamedExpr(Expr::CompoundIdentifier(names)) => {
                (names.last().map(|name| name.value.clone()).unwrap_or_default(), !wide)
            }
            SelectItem::UnnamedExpr(expr) => (expr.to_string(), count == 1 || is_unique(expr, outermost)),
            _ => continue,
        };
        // The plan's name of an expression omits brackets and the case of functions.
        let key = match item {
            SelectItem::UnnamedExpr(Expr::Identifier(_) | Expr::CompoundIdentifier(_))
            | SelectItem::ExprWithAlias { .. } => name.clone(),
            _ => name.to_lowercase().replace([' ', '(', ')'], ""),
        };
        if many(item) || (seen.insert(key) && unique) {
            continue;
        }
        let (SelectItem::UnnamedExpr(expr) | SelectItem::ExprWithAlias { expr, .. }) = item else { continue };
        let alias = quoted(&format!("{name}{MARK}{at}"));
        *item = SelectItem::ExprWithAlias { expr: expr.clone(), alias };
    }
}

/// Returns whether the plan's name of an expression is certainly unique. It omits casts and the content of
/// subqueries, and shows the values of numbers, not their spelling.
fn is_unique(expr: &Expr, outermost: bool) -> bool {
    let number = |value: &Value| matches!(value, Value::Number(digits, _) if digits.contains('.'));
    match expr {
        Expr::Value(value) => !number(&value.value),
        _ if outermost => false,
        _ => visit_expressions(expr, |inner| match inner {
            Expr::Cast { .. } | Expr::Subquery(_) | Expr::Exists { .. } | Expr::InSubquery { .. } => {
                ControlFlow::Break(())
            }
            Expr::Value(value) if number(&value.value) => ControlFlow::Break(()),
            _ => ControlFlow::Continue(()),
        })
        .is_continue(),
    }
}

/// The SELECT that determines a query's column names.
fn first_select(query: &mut Query) -> Option<&mut Select> {
    let mut body = query.body.as_mut();
    loop {
        match body {
            SetExpr::Select(select) => return Some(select),
            SetExpr::SetOperation { left, .. } => body = left.as_mut(),
            SetExpr::Query(query) => body = query.body.as_mut(),
            _ => return None,
        }
    }
}

/// Returns whether an item may expand to several columns.
fn many(item: &SelectItem) -> bool {
    match item {
        SelectItem::Wildcard(_) | SelectItem::QualifiedWildcard(..) | SelectItem::ExprWithAliases { .. } => {
            true
        }
        SelectItem::UnnamedExpr(expr) | SelectItem::ExprWithAlias { expr, .. } => {
            matches!(expr, Expr::Function(function) if function.name.to_string().eq_ignore_ascii_case("unnest"))
        }
    }
}

fn title(item: &SelectItem) -> Option<String> {
    match item {
        SelectItem::UnnamedExpr(Expr::Identifier(_) | Expr::CompoundIdentifier(_)) => None,
        SelectItem::UnnamedExpr(expr) => {
            let text = expr.to_string();
            match text.char_indices().nth(LONGEST) {
                Some((end, _)) => Some(format!("{}…", &text[..end])),
                None => Some(text),
            }
        }
        SelectItem::ExprWithAlias { alias, .. } => Some(alias.value.clone()),
        _ => None,
    }
}
