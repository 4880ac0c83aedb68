//! What the columns of a result are called: the alias as it was written, a column's own name, or the
//! text of the expression. DataFusion wants unique names, clients don't: a repeated one gets a name of
//! its own in the plan and its title back in the result.

use std::collections::HashSet;

use datafusion::sql::sqlparser::ast::{Expr, Query, Select, SelectItem, SetExpr};

use crate::catalog::quoted;

/// Characters of an expression's text at most.
const LONGEST: usize = 120;

/// Stands between a title and the number that makes it unique in the plan.
const MARK: char = '\u{1f}';

/// The titles of a query's columns, from the front and from the back up to a `*`.
#[derive(Debug, Default)]
pub(super) struct Titles {
    front: Vec<Option<String>>,
    back: Vec<Option<String>>,
}

impl Titles {
    /// As the query was written: call it before names are resolved.
    pub(super) fn written(query: &mut Query) -> Self {
        let Some(select) = first_select(query) else { return Self::default() };
        let items = &select.projection;
        let open = |item: &&SelectItem| !many(item);
        Self {
            front: items.iter().take_while(open).map(title).collect(),
            back: items.iter().rev().take_while(open).map(title).collect(),
        }
    }

    /// Gives repeated columns names of their own; call it after names are resolved.
    pub(super) fn separate(&mut self, query: &mut Query) {
        let Some(select) = first_select(query) else { return };
        let wide = select.projection.iter().any(many);
        let count = select.projection.len();
        let mut seen = HashSet::new();
        for (at, item) in select.projection.iter_mut().enumerate() {
            let (name, key) = match item {
                SelectItem::ExprWithAlias { alias, .. } => (alias.value.clone(), alias.value.clone()),
                SelectItem::UnnamedExpr(Expr::Identifier(name)) => (name.value.clone(), name.value.clone()),
                SelectItem::UnnamedExpr(Expr::CompoundIdentifier(names)) => {
                    let text: Vec<_> = names.iter().map(|name| name.value.as_str()).collect();
                    (names.last().map(|name| name.value.clone()).unwrap_or_default(), text.join("."))
                }
                SelectItem::UnnamedExpr(expr) => (expr.to_string(), expr.to_string()),
                _ => continue,
            };
            let column =
                matches!(item, SelectItem::UnnamedExpr(Expr::Identifier(_) | Expr::CompoundIdentifier(_)));
            // The plan's name of an expression leaves casts out: two that differ in nothing else would clash.
            let named = matches!(item, SelectItem::ExprWithAlias { .. });
            let literal = matches!(item, SelectItem::UnnamedExpr(Expr::Value(_)));
            let distinct = if column { !wide } else { named || literal || count == 1 };
            if many(item) || (seen.insert(key) && distinct) {
                continue;
            }
            let (SelectItem::UnnamedExpr(expr) | SelectItem::ExprWithAlias { expr, .. }) = item else {
                continue;
            };
            let alias = quoted(&format!("{name}{MARK}{at}"));
            *item = SelectItem::ExprWithAlias { expr: expr.clone(), alias };
            let title = Some(name).filter(|name| !name.is_empty());
            for known in [self.front.get_mut(at), self.back.get_mut(count - 1 - at)].into_iter().flatten() {
                if known.is_none() {
                    known.clone_from(&title);
                }
            }
        }
    }

    /// The title of each of `names`, the columns as the plan calls them.
    pub(super) fn of(&self, names: Vec<String>) -> Vec<String> {
        let count = names.len();
        let titled = names.into_iter().enumerate().map(|(at, name)| {
            let known = self.front.get(at).or_else(|| self.back.get(count - 1 - at));
            known.cloned().flatten().unwrap_or_else(|| name.split(MARK).next().unwrap_or_default().to_owned())
        });
        titled.collect()
    }
}

/// The SELECT that names a query's columns.
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

/// Whether an item may be any number of columns.
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
