//! Queries, and their FROM clauses.

use datafusion::sql::sqlparser::ast::{
    Expr, FunctionArgExpr, GroupByExpr, Ident, Join, JoinConstraint, NamedWindowExpr, ObjectName,
    OrderByKind, Query, Select, SelectItem, SelectItemQualifiedWildcardKind, SetExpr, TableAlias,
    TableFactor, TableWithJoins,
};

use super::{
    Guesser,
    evidence::{BOOLEAN, Term, of_type},
    scope::{Aliases, Relation, Scope, Source},
};
use crate::{
    Error,
    sql::relations::{alias_columns, constraint},
};

/// What a query yields: names with what they are, and the made-up tables that a `*` passes on.
#[derive(Default)]
pub(super) struct Output {
    pub(super) known: Vec<(String, Term)>,
    through: Vec<usize>,
}

impl Output {
    fn relation(self, path: Vec<String>, names: &[String]) -> Relation {
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

    /// What a query's body yields, and what its ORDER BY sees.
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
            // The next item may mean a name that this one gives.
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

    fn joined(&mut self, table: &mut TableWithJoins, scope: &mut Scope) -> Result<(), Error> {
        let first = scope.relations.len();
        self.relation(&mut table.relation, scope)?;
        for Join { relation, join_operator, .. } in &mut table.joins {
            let middle = scope.relations.len();
            self.relation(relation, scope)?;
            match constraint(join_operator) {
                Some(JoinConstraint::On(condition)) => {
                    self.scopes.push(scope.clone());
                    let walked = self.condition(condition);
                    self.scopes.pop();
                    walked?;
                }
                Some(JoinConstraint::Using(names)) => {
                    let names: Vec<Ident> =
                        names.iter().filter_map(|name| name.0.last()?.as_ident().cloned()).collect();
                    for name in names {
                        let left = self.side(&scope.relations[first..middle], &scope.merged, &name)?;
                        let right = self.side(&scope.relations[middle..], &[], &name)?;
                        self.classes.unify(left, right);
                        scope.merged.push((name.value, left));
                    }
                }
                _ => {}
            }
        }
        Ok(())
    }

    /// The column of USING on one side of a join.
    fn side(
        &mut self,
        relations: &[Relation],
        merged: &[(String, Term)],
        name: &Ident,
    ) -> Result<Term, Error> {
        if let Some((_, term)) = merged.iter().find(|(own, _)| own.eq_ignore_ascii_case(&name.value)) {
            return Ok(*term);
        }
        if let Some(known) = relations.iter().find_map(|relation| relation.source.known(name)) {
            return Ok(known);
        }
        let table = relations.iter().rev().find_map(|relation| relation.source.made().first().copied());
        match table {
            Some(table) => Ok(self.adopt(table, name)?.1),
            None => Ok(Term::Nothing),
        }
    }

    fn relation(&mut self, factor: &mut TableFactor, scope: &mut Scope) -> Result<(), Error> {
        let found = match factor {
            TableFactor::Table { name, alias, args: None, .. } => self.table(name, alias.as_ref())?,
            TableFactor::Table { alias, args: Some(args), .. } => {
                for argument in &mut args.args {
                    self.inside(argument)?;
                }
                known_relation(&["value".to_owned()], alias.as_ref())
            }
            TableFactor::Derived { lateral, subquery, alias, .. } => {
                if *lateral {
                    self.scopes.push(scope.clone());
                }
                let output = self.query(subquery);
                if *lateral {
                    self.scopes.pop();
                }
                let names = alias.as_ref().map(alias_columns).unwrap_or_default();
                let path = alias.as_ref().map(|alias| alias.name.value.clone()).into_iter().collect();
                output?.relation(path, &names)
            }
            TableFactor::NestedJoin { table_with_joins, alias } => {
                let mut inner = Scope::default();
                self.joined(table_with_joins, &mut inner)?;
                match alias {
                    None => {
                        scope.relations.extend(inner.relations);
                        scope.merged.extend(inner.merged);
                        return Ok(());
                    }
                    Some(alias) => {
                        let mut output = Output::default();
                        for relation in &inner.relations {
                            self.all(&relation.source);
                            output.through.extend(relation.source.made());
                            if let Source::Columns { known, .. } = &relation.source {
                                output.known.extend(known.iter().cloned());
                            }
                        }
                        output.relation(vec![alias.name.value.clone()], &alias_columns(alias))
                    }
                }
            }
            TableFactor::UNNEST { array_exprs, alias, .. } => {
                self.scopes.push(scope.clone());
                let walked = self.every(array_exprs);
                self.scopes.pop();
                walked?;
                known_relation(&[], alias.as_ref())
            }
            _ => return Ok(()),
        };
        scope.relations.push(found);
        Ok(())
    }

    /// A table by its name.
    fn table(&mut self, name: &ObjectName, alias: Option<&TableAlias>) -> Result<Relation, Error> {
        let aliased = |own: Vec<String>| alias.map_or(own, |alias| vec![alias.name.value.clone()]);
        let names = alias.map(alias_columns).unwrap_or_default();
        if let [part] = name.0.as_slice()
            && let Some(ident) = part.as_ident()
        {
            let scope = Scope { relations: self.ctes.clone(), ..Default::default() };
            let found = scope.relations.iter().rev().find(|cte| {
                let one = Scope { relations: vec![(*cte).clone()], ..Default::default() };
                one.qualified(std::slice::from_ref(ident)).is_some()
            });
            if let Some(Relation { path, source: Source::Columns { known, through } }) = found.cloned() {
                return Ok(Output { known, through }.relation(aliased(path), &names));
            }
        }
        let bindings = self.bindings;
        let Some(Ok(bound)) = bindings.get(&name.to_string()) else {
            return Ok(known_relation(&[], alias));
        };
        let path = aliased(bound.path.clone());
        let Some(made) = &bound.made else {
            let schema = bound.provider.schema();
            let column = |field: &std::sync::Arc<datafusion::arrow::datatypes::Field>| {
                (field.name().clone(), Term::Is(of_type(field.data_type())))
            };
            let known = schema.fields().iter().map(column).collect();
            return Ok(Output { known, through: Vec::new() }.relation(path, &names));
        };
        let table = self.made(made);
        for name in alias.iter().flat_map(|alias| &alias.columns) {
            self.adopt(table, &name.name)?;
        }
        Ok(Relation { path, source: Source::Made(table) })
    }

    /// What has to be true.
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

fn known_relation(names: &[String], alias: Option<&TableAlias>) -> Relation {
    let known = names.iter().map(|name| (name.clone(), Term::Nothing)).collect();
    let path = alias.map(|alias| alias.name.value.clone()).into_iter().collect();
    let names = alias.map(alias_columns).unwrap_or_default();
    Output { known, through: Vec::new() }.relation(path, &names)
}
