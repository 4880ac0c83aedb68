//! Spells every name of a statement as the catalog or the statement defines it. DataFusion, configured to compare
//! names exactly, then finds unquoted names in any case. Unknown names are left to the planner's error.

use std::{mem, ops::ControlFlow};

use datafusion::sql::sqlparser::ast::{
    Cte, Expr, Function, Ident, NamedWindowExpr, ObjectName, ObjectNamePart, OneOrManyWithParens,
    OrderByKind, Query, Select, SelectItem, SelectItemQualifiedWildcardKind, SetExpr, VisitMut, VisitorMut,
    WindowType,
};

use super::{
    items::{excluded, output},
    laterals,
    lookup::Bindings,
    merged::expanded,
    relations::{alias_columns, sorted},
    scope::{Column, Columns, Relation, Scope, find_one},
    titles::{MARK, separate},
};
use crate::{Error, catalog::quoted};

/// The most tables, subqueries and functions in one statement. Those of WITH tables count at each use, because the
/// planner inlines them.
const RELATIONS: usize = 2000;

/// A table defined by WITH.
#[derive(Clone)]
struct Named {
    relation: Relation,
    /// The name in the plan; different if an outer WITH has the same name.
    plan: String,
    /// The number of relations in it.
    inside: usize,
    /// The nesting depth of its query.
    nesting: usize,
}

/// Spells the names of one statement.
pub(super) struct Resolver<'a> {
    bindings: &'a Bindings,
    /// The scopes, from the outermost query to the innermost.
    pub(super) scopes: Vec<Scope>,
    ctes: Vec<Named>,
    /// The current nesting depth of queries.
    nesting: usize,
    /// The number of relations so far.
    pub(super) relations: usize,
    /// Parameters of lambdas around the current expression.
    lambdas: Vec<String>,
    /// The depth of subqueries whose names are spelled already.
    done: usize,
}

impl<'a> Resolver<'a> {
    pub(super) fn new(bindings: &'a Bindings) -> Self {
        Self {
            bindings,
            scopes: Vec::new(),
            ctes: Vec::new(),
            nesting: 0,
            relations: 0,
            lambdas: Vec::new(),
            done: 0,
        }
    }

    /// Spells the names of an expression over these columns.
    pub(super) fn expression(mut self, expr: &mut Expr, relations: Vec<Relation>) -> Result<(), Error> {
        self.scopes.push(Scope { relations, ..Default::default() });
        self.walk(expr)
    }

    /// Spells the name of a table, and returns its columns.
    pub(super) fn table(&mut self, name: &mut ObjectName) -> Result<Relation, Error> {
        if let [ObjectNamePart::Identifier(ident)] = name.0.as_mut_slice()
            && let Some(named) = self.named(ident)?
        {
            *ident = quoted(&named.plan);
            self.count(named.inside)?;
            return Ok(named.relation);
        }
        let bound = match self.bindings.get(&name.to_string()) {
            Some(bound) => bound.clone()?,
            None => return Err(Error::Internal(format!("table {name} was not looked up"))),
        };
        *name = spelled(&bound.path);
        Ok(Relation { path: bound.path, columns: Columns::of(&bound.provider.schema()) })
    }

    /// Finds the WITH table of a name. An inner one hides outer ones, but two of one query may differ only in case.
    fn named(&self, name: &Ident) -> Result<Option<Named>, Error> {
        let mut rest = self.ctes.as_slice();
        while let Some(last) = rest.last() {
            let first = rest.iter().position(|cte| cte.nesting == last.nesting).unwrap_or(0);
            let names = rest[first..].iter().map(|cte| cte.relation.path[0].as_str());
            if let Some(found) = find_one(name, names)? {
                return Ok(rest.iter().rev().find(|cte| cte.relation.path[0] == found).cloned());
            }
            rest = &rest[..first];
        }
        Ok(None)
    }

    /// Spells a query, and returns its columns.
    pub(super) fn query(&mut self, query: &mut Query) -> Result<Columns, Error> {
        let outer = self.ctes.len();
        self.nesting += 1;
        if let Some(with) = &mut query.with {
            for cte in &mut with.cte_tables {
                self.cte(cte, with.recursive)?;
            }
        }
        let (columns, mut scope) = self.body(&mut query.body)?;
        scope.aliases_first = true;
        self.scopes.push(scope);
        if let Some(order_by) = &mut query.order_by
            && let OrderByKind::Expressions(expressions) = &mut order_by.kind
        {
            self.walk(expressions)?;
        }
        self.walk(&mut query.limit_clause)?;
        self.scopes.pop();
        self.ctes.truncate(outer);
        self.nesting -= 1;
        Ok(columns)
    }

    fn cte(&mut self, cte: &mut Cte, recursive: bool) -> Result<(), Error> {
        let names = alias_columns(&cte.alias);
        let path = vec![cte.alias.name.value.clone()];
        let (before, relations, nesting) = (self.ctes.len(), self.relations, self.nesting);
        let mut plan = path[0].clone();
        if self.ctes.iter().any(|cte| cte.nesting < nesting && cte.plan == plan) {
            plan = format!("{plan}{MARK}{nesting}");
            cte.alias.name = quoted(&plan);
        }
        if let (true, SetExpr::SetOperation { left, .. }) = (recursive, cte.query.body.as_mut()) {
            let (columns, _) = self.body(left)?;
            let relation = Relation { path: path.clone(), columns: columns.renamed(&names) };
            self.ctes.push(Named { relation, plan: plan.clone(), inside: 1, nesting });
        }
        sorted(&mut cte.query);
        let columns = self.query(&mut cte.query)?.renamed(&names);
        self.ctes.truncate(before);
        let inside = self.relations - relations;
        self.ctes.push(Named { relation: Relation { path, columns }, plan, inside, nesting });
        Ok(())
    }

    /// Spells a query's body. Returns its columns, and the scope of its ORDER BY.
    fn body(&mut self, body: &mut SetExpr) -> Result<(Columns, Scope), Error> {
        // A chain of UNIONs is as deep as it is long, so walk down iteratively first.
        let mut rights = Vec::new();
        let mut first = body;
        while let SetExpr::SetOperation { left, right, .. } = first {
            rights.push(right.as_mut());
            first = left.as_mut();
        }
        let chain = !rights.is_empty();
        let (columns, scope) = match first {
            SetExpr::Select(select) => self.select(select)?,
            SetExpr::Query(query) => {
                let columns = self.query(query)?;
                let scope = named_scope(&columns);
                (columns, scope)
            }
            SetExpr::Values(values) => {
                self.walk(values)?;
                let count = values.rows.first().map_or(0, |row| row.content.len());
                let known = (1..=count).map(|at| Column::named(format!("column{at}"))).collect();
                let columns = Columns { known, open: false };
                let scope = named_scope(&columns);
                (columns, scope)
            }
            _ => (Columns::unknown(), Scope::default()),
        };
        while let Some(right) = rights.pop() {
            self.body(right)?;
        }
        let scope = if chain { named_scope(&columns) } else { scope };
        Ok((columns, scope))
    }

    fn select(&mut self, select: &mut Select) -> Result<(Columns, Scope), Error> {
        let (mut relations, mut merged) = (Vec::new(), Vec::new());
        for table in &mut select.from {
            self.joined(table, &mut relations, &mut merged)?;
        }
        let alias = |item: &SelectItem| match item {
            SelectItem::ExprWithAlias { alias, .. } => Some(alias.value.clone()),
            _ => None,
        };
        let aliases = select.projection.iter().filter_map(alias).collect();
        let scope = Scope { relations, merged, aliases, aliases_first: false };
        laterals::written_out(select, &scope)?;
        self.scopes.push(scope);
        for definition in &mut select.named_window {
            fold(&mut definition.0);
            match &mut definition.1 {
                NamedWindowExpr::NamedWindow(name) => fold(name),
                NamedWindowExpr::WindowSpec(spec) => spec.window_name.iter_mut().for_each(fold),
            }
        }
        // The FROM clause is done; the visitor handles the rest.
        let from = mem::take(&mut select.from);
        let walked = self.items(&mut select.projection).and_then(|()| self.walk(select));
        select.from = from;
        let scope = self.scopes.pop().unwrap_or_default();
        walked?;
        let all = select
            .projection
            .iter()
            .filter(|item| matches!(item, SelectItem::Wildcard(_) | SelectItem::QualifiedWildcard(..)));
        let all = output(all, &scope).known.into_iter().map(|column| column.name);
        separate(select, self.nesting == 1, all.collect());
        let columns = output(&select.projection, &scope);
        Ok((columns, scope))
    }

    /// Spells the names in a select list that are not expressions.
    fn items(&mut self, items: &mut Vec<SelectItem>) -> Result<(), Error> {
        let Some(scope) = self.scopes.last() else { return Ok(()) };
        if !scope.merged.is_empty() {
            for item in mem::take(items) {
                match item {
                    SelectItem::Wildcard(options) => {
                        items.extend(expanded(&scope.relations, &scope.merged, options)?);
                    }
                    SelectItem::UnnamedExpr(Expr::Identifier(name)) if scope.merged(&name)?.is_some() => {
                        let alias = match name.quote_style {
                            Some(_) => name.clone(),
                            None => scope.spelled_merged(&name),
                        };
                        items.push(SelectItem::ExprWithAlias { expr: Expr::Identifier(name), alias });
                    }
                    other => items.push(other),
                }
            }
        }
        for item in items {
            let options = match item {
                SelectItem::QualifiedWildcard(SelectItemQualifiedWildcardKind::ObjectName(name), options) => {
                    let parts: Vec<Ident> =
                        name.0.iter().filter_map(|part| part.as_ident().cloned()).collect();
                    if let [relation, ..] = scope.qualified(&parts)?.as_slice() {
                        let path = &relation.path[relation.path.len() - parts.len()..];
                        *name = spelled(path);
                    }
                    options
                }
                SelectItem::Wildcard(options) => options,
                _ => continue,
            };
            let mut excluded = excluded(options);
            for name in &mut excluded {
                scope.spell(std::slice::from_mut(*name))?;
            }
        }
        Ok(())
    }

    pub(super) fn count(&mut self, relations: usize) -> Result<(), Error> {
        self.relations = self.relations.saturating_add(relations);
        if self.relations > RELATIONS {
            return Err(Error::invalid(format!("more than {RELATIONS} tables, with those inside WITH")));
        }
        Ok(())
    }

    /// Spells the names of the expressions in `node`.
    pub(super) fn walk(&mut self, node: &mut impl VisitMut) -> Result<(), Error> {
        // Inner subqueries start with a depth of zero.
        let done = mem::take(&mut self.done);
        let flow = node.visit(self);
        self.done = done;
        match flow {
            ControlFlow::Continue(()) => Ok(()),
            ControlFlow::Break(error) => Err(error),
        }
    }

    fn spell(&self, parts: &mut [Ident]) -> Result<(), Error> {
        let lambda = parts[0].value.to_lowercase();
        if parts[0].quote_style.is_none() && self.lambdas.contains(&lambda) {
            parts[0] = quoted(&lambda);
            return Ok(());
        }
        for scope in self.scopes.iter().rev() {
            if scope.spell(parts)? {
                break;
            }
        }
        Ok(())
    }

    /// The expression of a merged column, if a name refers to one.
    fn merged(&self, name: &Ident) -> Result<Option<Expr>, Error> {
        if self.lambdas.contains(&name.value.to_lowercase()) {
            return Ok(None);
        }
        for scope in self.scopes.iter().rev() {
            if let Some(merged) = scope.merged(name)? {
                return Ok(Some(merged));
            }
            if scope.spell(&mut [name.clone()])? {
                break;
            }
        }
        Ok(None)
    }

    fn name(&mut self, expr: &mut Expr) -> Result<(), Error> {
        match expr {
            Expr::Identifier(name) if !name.value.starts_with('@') => match self.merged(name)? {
                Some(merged) => {
                    *expr = merged;
                    Ok(())
                }
                None => self.spell(std::slice::from_mut(name)),
            },
            Expr::CompoundIdentifier(parts) if !parts.is_empty() => self.spell(parts),
            Expr::Function(Function { over: Some(WindowType::NamedWindow(name)), .. }) => {
                fold(name);
                Ok(())
            }
            Expr::Function(Function { over: Some(WindowType::WindowSpec(spec)), .. }) => {
                spec.window_name.iter_mut().for_each(fold);
                Ok(())
            }
            Expr::Lambda(lambda) => {
                let params = match &lambda.params {
                    OneOrManyWithParens::One(one) => std::slice::from_ref(one),
                    OneOrManyWithParens::Many(many) => many.as_slice(),
                };
                self.lambdas.extend(params.iter().map(|param| param.name.value.to_lowercase()));
                Ok(())
            }
            _ => Ok(()),
        }
    }
}

impl VisitorMut for Resolver<'_> {
    type Break = Error;

    fn pre_visit_query(&mut self, query: &mut Query) -> ControlFlow<Error> {
        if self.done == 0
            && let Err(error) = self.query(query)
        {
            return ControlFlow::Break(error);
        }
        self.done += 1;
        ControlFlow::Continue(())
    }

    fn post_visit_query(&mut self, _: &mut Query) -> ControlFlow<Error> {
        self.done -= 1;
        ControlFlow::Continue(())
    }

    fn pre_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<Error> {
        match self.done {
            0 => self.name(expr).map_or_else(ControlFlow::Break, ControlFlow::Continue),
            _ => ControlFlow::Continue(()),
        }
    }

    fn post_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<Error> {
        if let (0, Expr::Lambda(lambda)) = (self.done, expr) {
            let count = match &lambda.params {
                OneOrManyWithParens::One(_) => 1,
                OneOrManyWithParens::Many(many) => many.len(),
            };
            self.lambdas.truncate(self.lambdas.len() - count);
        }
        ControlFlow::Continue(())
    }
}

/// A quoted name, which matches exactly.
pub(super) fn spelled(path: &[String]) -> ObjectName {
    ObjectName::from(path.iter().map(|part| quoted(part)).collect::<Vec<_>>())
}

/// Folds the case of a name that is defined by the statement itself.
fn fold(name: &mut Ident) {
    if name.quote_style.is_none() {
        *name = quoted(&name.value.to_lowercase());
    }
}

fn named_scope(columns: &Columns) -> Scope {
    let relations = vec![Relation { path: Vec::new(), columns: columns.clone() }];
    Scope { relations, ..Default::default() }
}
