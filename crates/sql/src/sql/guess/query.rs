//! Walks queries. The clauses with the strongest evidence come first.

use datafusion::sql::sqlparser::ast::{
    Expr, FunctionArgExpr, GroupByExpr, Ident, NamedWindowExpr, OrderByKind, Query, Select, SelectItem,
    SelectItemQualifiedWildcardKind, SetExpr,
};

use super::{
    Guesser,
    evidence::{BOOLEAN, Term},
    scope::{Aliases, Relation, Scope, Source},
};
use crate::{Error, sql::relations::alias_columns};

/// The output of a query: column names with types, and the generated tables that a `*` passes on.
#[derive(Default)]
pub(super) struct Output {
    pub(super) known: Vec<(String, Term)>,
    pub(super) through: Vec<usize>,
}

impl Output {
    pub(super) fn relation(self, path: Vec<String>, names: &[String]) -> Relation {
        let mut known = self.known;
        for (at, name) in names.iter().enumerate() {
            match known.get_mut(at) {
                Some(column) => column.0.clone_from(name),
                None => known.push((name.clone(), Term::Nothing)),
            }
        }
        Relation { path, source: Source::Columns { known, through: self.through } }
    }
}

impl Guesser<'_> {
    pub(super) fn query(&mut self, query: &mut Query) -> Result<Output, Error> {
        stacker::maybe_grow(128 << 10, 4 << 20, || self.query_here(query))
    }

    fn query_here(&mut self, query: &mut Query) -> Result<Output, Error> {
        self.step()?;
        let outer = self.ctes.len();
        if let Some(with) = &mut query.with {
            for cte in &mut with.cte_tables {
                let (names, path) = (alias_columns(&cte.alias), vec![cte.alias.name.value.clone()]);
                let before = self.ctes.len();
                if let (true, SetExpr::SetOperation { left, .. }) = (with.recursive, cte.query.body.as_mut())
                {
                    let (first, _) = self.body(left)?;
                    self.ctes.push(first.relation(path.clone(), &names));
                }
                let output = self.query(&mut cte.query)?;
                self.ctes.truncate(before);
                self.ctes.push(output.relation(path, &names));
            }
        }
        let (output, mut scope) = self.body(&mut query.body)?;
        scope.order = Aliases::First;
        self.scopes.push(scope);
        if let Some(order_by) = &mut query.order_by
            && let OrderByKind::Expressions(expressions) = &mut order_by.kind
        {
            for by in expressions {
                self.expr(&mut by.expr)?;
            }
        }
        self.scopes.pop();
        self.ctes.truncate(outer);
        Ok(output)
    }

    /// Walks a query's body. Returns its output, and the scope of its ORDER BY.
    fn body(&mut self, body: &mut SetExpr) -> Result<(Output, Scope), Error> {
        let (mut rights, mut first) = (Vec::new(), body);
        while let SetExpr::SetOperation { left, right, .. } = first {
            rights.push(right.as_mut());
            first = left.as_mut();
        }
        let chain = !rights.is_empty();
        let (output, mut scope) = match first {
            SetExpr::Select(select) => self.select(select)?,
            SetExpr::Query(query) => (self.query(query)?, Scope::default()),
            SetExpr::Values(values) => {
                let mut known = Vec::new();
                for row in &mut values.rows {
                    for (at, value) in row.content.iter_mut().enumerate() {
                        let term = self.expr(value)?;
                        match known.get(at) {
                            None => known.push((format!("column{}", at + 1), term)),
                            Some((_, first)) => self.classes.unify(*first, term),
                        }
                    }
                }
                (Output { known, through: Vec::new() }, Scope::default())
            }
            _ => (Output::default(), Scope::default()),
        };
        while let Some(right) = rights.pop() {
            let (other, _) = self.body(right)?;
            for ((_, one), (_, other)) in output.known.iter().zip(&other.known) {
                self.classes.unify(*one, *other);
            }
        }
        if chain || scope.relations.is_empty() {
            let source = Source::Columns { known: output.known.clone(), through: output.through.clone() };
            scope = Scope { relations: vec![Relation { path: Vec::new(), source }], ..Default::default() };
        }
        Ok((output, scope))
    }

    fn select(&mut self, select: &mut Select) -> Result<(Output, Scope), Error> {
        let exists = std::mem::take(&mut self.exists);
        let mut scope = Scope::default();
        for table in &mut select.from {
            self.joined(table, &mut scope)?;
        }
        self.scopes.push(scope);
        for condition in select.selection.iter_mut().chain(&mut select.prewhere) {
            self.condition(condition)?;
        }
        let (mut output, mut aliases) = (Output::default(), Vec::new());
        for item in &mut select.projection {
            self.item(item, exists, &mut output, &mut aliases)?;
            // The next item may use the alias of this one.
            if let Some(scope) = self.scopes.last_mut() {
                (scope.aliases, scope.order) = (aliases.clone(), Aliases::Last);
            }
        }
        if let GroupByExpr::Expressions(expressions, _) = &mut select.group_by {
            self.every(expressions)?;
        }
        for condition in select.having.iter_mut().chain(&mut select.qualify) {
            self.condition(condition)?;
        }
        for definition in &mut select.named_window {
            if let NamedWindowExpr::WindowSpec(spec) = &mut definition.1 {
                self.window(spec)?;
            }
        }
        self.inside(&mut select.distinct)?;
        self.inside(&mut select.sort_by)?;
        Ok((output, self.scopes.pop().unwrap_or_default()))
    }

    fn item(
        &mut self,
        item: &mut SelectItem,
        exists: bool,
        output: &mut Output,
        aliases: &mut Vec<(String, Term)>,
    ) -> Result<(), Error> {
        let name = |expr: &Expr| match expr {
            Expr::Identifier(name) => name.value.clone(),
            Expr::CompoundIdentifier(parts) => {
                parts.last().map(|name| name.value.clone()).unwrap_or_default()
            }
            _ => String::new(),
        };
        match item {
            SelectItem::UnnamedExpr(expr) => {
                let term = self.expr(expr)?;
                output.known.push((name(expr), term));
            }
            SelectItem::ExprWithAlias { expr, alias } => {
                let term = self.expr(expr)?;
                output.known.push((alias.value.clone(), term));
                aliases.push((alias.value.clone(), term));
            }
            SelectItem::Wildcard(_) | SelectItem::QualifiedWildcard(..) => {
                let qualifier: Option<Vec<Ident>> = match item {
                    SelectItem::QualifiedWildcard(SelectItemQualifiedWildcardKind::ObjectName(name), _) => {
                        Some(name.0.iter().filter_map(|part| part.as_ident().cloned()).collect())
                    }
                    _ => None,
                };
                let scope = self.scopes.last().cloned().unwrap_or_default();
                let one = qualifier.map(|qualifier| scope.qualified(&qualifier));
                for (at, relation) in scope.relations.iter().enumerate() {
                    if exists || one.is_some_and(|one| one != Some(at)) {
                        continue;
                    }
                    self.all(&relation.source);
                    output.through.extend(relation.source.made());
                    if let Source::Columns { known, .. } = &relation.source {
                        output.known.extend(known.iter().cloned());
                    }
                }
            }
            SelectItem::ExprWithAliases { expr, .. } => {
                self.expr(expr)?;
            }
        }
        Ok(())
    }

    /// Walks a condition.
    pub(super) fn condition(&mut self, expr: &mut Expr) -> Result<(), Error> {
        let term = self.expr(expr)?;
        self.classes.mark(term, BOOLEAN);
        Ok(())
    }

    pub(super) fn every(&mut self, expressions: &mut [Expr]) -> Result<(), Error> {
        expressions.iter_mut().try_for_each(|expr| self.expr(expr).map(drop))
    }

    pub(super) fn argument(&mut self, argument: &mut FunctionArgExpr) -> Result<Term, Error> {
        match argument {
            FunctionArgExpr::Expr(expr) => self.expr(expr),
            _ => Ok(Term::Nothing),
        }
    }
}
