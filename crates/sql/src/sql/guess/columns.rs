//! Finds the relation of a column name.

use datafusion::sql::sqlparser::ast::{Expr, Ident};

use super::{
    Guesser, Named,
    evidence::Term,
    scope::{Aliases, Scope, Source, begins_with, prefix, spelled},
};
use crate::{
    Error,
    catalog::{check_columns, check_name, quoted},
};

impl Guesser<'_> {
    /// Walks an unqualified name.
    pub(super) fn identifier(&mut self, expr: &mut Expr) -> Result<Term, Error> {
        let Expr::Identifier(name) = expr else { return Ok(Term::Nothing) };
        let name = name.clone();
        if name.value.starts_with('@') || self.lambdas.contains(&name.value.to_lowercase()) {
            return Ok(Term::Nothing);
        }
        let innermost = self.scopes.iter().rposition(|scope| !scope.relations.is_empty());
        let Some(innermost) = innermost else { return Ok(Term::Nothing) };
        let outer = self.outer(innermost, &name);
        for at in outer.into_iter().chain((0..=innermost).rev()) {
            let scope = std::mem::take(&mut self.scopes[at]);
            let found = self.within(&scope, &name, expr);
            self.scopes[at] = scope;
            if let Some(found) = found? {
                return Ok(found);
            }
        }
        Ok(Term::Nothing)
    }

    /// The outer query that a name belongs to by its initials.
    fn outer(&self, innermost: usize, name: &Ident) -> Option<usize> {
        let own = prefix(&name.value)?;
        let known =
            |scope: &Scope| scope.relations.iter().any(|relation| relation.source.known(name).is_some());
        let made = |scope: &Scope| -> Vec<usize> {
            scope.relations.iter().flat_map(|relation| relation.source.made().iter().copied()).collect()
        };
        let has = |table: &usize| self.tables[*table].initials.as_ref() == Some(&own);
        let inner = made(&self.scopes[innermost]);
        let other = inner.iter().all(|table| self.tables[*table].initials.is_some() && !has(table));
        if inner.is_empty() || !other || known(&self.scopes[innermost]) {
            return None;
        }
        let there = |at: &usize| known(&self.scopes[*at]) || made(&self.scopes[*at]).iter().any(has);
        (0..innermost).rev().find(there)
    }

    /// Resolves a name in one query. A column of a generated table is qualified.
    fn within(&mut self, scope: &Scope, name: &Ident, expr: &mut Expr) -> Result<Option<Term>, Error> {
        if scope.order == Aliases::First
            && let Some(alias) = scope.alias(name)
        {
            return Ok(Some(alias));
        }
        if let Some(merged) = scope.merged(name) {
            return Ok(Some(merged));
        }
        if let Some(known) = scope.relations.iter().find_map(|relation| relation.source.known(name)) {
            return Ok(Some(known));
        }
        let candidates: Vec<(usize, usize)> = scope
            .relations
            .iter()
            .enumerate()
            .flat_map(|(at, relation)| relation.source.made().iter().map(move |table| (at, *table)))
            .collect();
        let found = candidates.iter().find(|(_, table)| self.column(*table, name).is_some());
        if let (None, Aliases::Last, Some(alias)) = (found, scope.order, scope.alias(name)) {
            return Ok(Some(alias));
        }
        let tables: Vec<usize> = candidates.iter().map(|(_, table)| *table).collect();
        let chosen = found.copied().or_else(|| candidates.get(self.likeliest(&tables, name)).copied());
        let Some((at, table)) = chosen else { return Ok(None) };
        let (spelling, term) = self.adopt(table, name)?;
        let path = &scope.relations[at].path;
        *expr = match scope.relations.len() > 1 && !path.is_empty() {
            true => Expr::CompoundIdentifier(spelled(path, &spelling)),
            false => Expr::Identifier(quoted(&spelling)),
        };
        Ok(Some(term))
    }

    /// The index of the table that is most likely to have a column.
    fn likeliest(&self, tables: &[usize], name: &Ident) -> usize {
        let of = |table: &usize| &self.tables[*table];
        let by_name = || tables.iter().position(|table| begins_with(&name.value, &of(table).path[2]));
        let by_initials = || {
            let own = prefix(&name.value)?;
            tables.iter().position(|table| of(table).initials.as_ref() == Some(&own))
        };
        let before = |table: &usize| {
            let mut known = of(table).remembered.iter().flatten();
            known.any(|column| column.name.eq_ignore_ascii_case(&name.value))
        };
        let by_memory = || {
            let mut known = tables.iter().enumerate().filter(|(_, table)| before(table));
            known.next().filter(|_| known.next().is_none()).map(|(at, _)| at)
        };
        by_name().or_else(by_initials).or_else(by_memory).unwrap_or(0)
    }

    /// Finds a column that the statement has named already.
    fn column(&self, table: usize, name: &Ident) -> Option<usize> {
        self.tables[table].columns.iter().position(|own| match name.quote_style {
            Some(_) => own.name == name.value,
            None => own.name.eq_ignore_ascii_case(&name.value),
        })
    }

    /// A column of a generated table: its spelling and its type.
    pub(super) fn adopt(&mut self, table: usize, name: &Ident) -> Result<(String, Term), Error> {
        if let Some(at) = self.column(table, name) {
            let own = &self.tables[table].columns[at];
            return Ok((own.name.clone(), Term::Column(own.column)));
        }
        check_name(&name.value)?;
        let spelling = match name.quote_style {
            Some(_) => name.value.clone(),
            None => {
                let mut known = self.tables[table].remembered.iter().flatten();
                let known = known.find(|column| column.name.eq_ignore_ascii_case(&name.value));
                known.map_or_else(|| name.value.to_lowercase(), |column| column.name.clone())
            }
        };
        let column = self.classes.column();
        let made = &mut self.tables[table];
        made.columns.push(Named { name: spelling.clone(), column });
        check_columns(&made.path[2], made.columns.len())?;
        self.columns.push((table, made.columns.len() - 1));
        Ok((spelling, Term::Column(column)))
    }

    /// Walks a qualified column, and its fields.
    pub(super) fn qualified(&mut self, parts: &mut [Ident]) -> Result<Term, Error> {
        for length in (1..parts.len().min(4)).rev() {
            let (qualifier, rest) = parts.split_at(length);
            let found = self
                .scopes
                .iter()
                .rev()
                .find_map(|scope| scope.qualified(qualifier).map(|at| scope.relations[at].clone()));
            let (Some(relation), Some(name)) = (found, rest.first()) else { continue };
            if let Some(known) = relation.source.known(name) {
                return Ok(if rest.len() == 1 { known } else { Term::Nothing });
            }
            let made = relation.source.made();
            let Some(table) = made.get(self.likeliest(made, name)).copied() else { return Ok(Term::Nothing) };
            let (spelling, term) = self.adopt(table, &name.clone())?;
            parts[length] = quoted(&spelling);
            return Ok(if length + 1 == parts.len() { term } else { Term::Nothing });
        }
        Ok(Term::Nothing)
    }

    /// Walks a `*` over a relation.
    pub(super) fn all(&mut self, source: &Source) {
        for table in source.made() {
            self.tables[*table].all = true;
        }
    }
}
