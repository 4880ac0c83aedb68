//! FROM clauses: their relations and joins.

use datafusion::{
    arrow::datatypes::FieldRef,
    sql::sqlparser::ast::{Ident, Join, JoinConstraint, ObjectName, TableAlias, TableFactor, TableWithJoins},
};

use super::{
    Guesser,
    evidence::{Term, of_type},
    query::Output,
    scope::{Relation, Scope, Source},
};
use crate::{
    Error,
    sql::relations::{alias_columns, constraint},
};

impl Guesser<'_> {
    pub(super) fn joined(&mut self, table: &mut TableWithJoins, scope: &mut Scope) -> Result<(), Error> {
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

    /// The USING column on one side of a join.
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
        self.step()?;
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
            TableFactor::Pivot { table, aggregate_functions, value_column, alias, .. } => {
                let mut inner = Scope::default();
                self.relation(table, &mut inner)?;
                self.scopes.push(inner);
                let aggregates =
                    aggregate_functions.iter_mut().try_for_each(|one| self.expr(&mut one.expr).map(drop));
                let walked = aggregates.and_then(|()| self.every(value_column));
                self.scopes.pop();
                walked?;
                // Its columns are known once its values are.
                known_relation(&[], alias.as_ref())
            }
            _ => return Ok(()),
        };
        scope.relations.push(found);
        Ok(())
    }

    /// Resolves a table name.
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
            let column = |field: &FieldRef| (field.name().clone(), Term::Is(of_type(field.data_type())));
            let known = schema.fields().iter().map(column).collect();
            return Ok(Output { known, through: Vec::new() }.relation(path, &names));
        };
        let table = self.made(made);
        for name in alias.iter().flat_map(|alias| &alias.columns) {
            self.adopt(table, &name.name)?;
        }
        Ok(Relation { path, source: Source::Made(table) })
    }
}

fn known_relation(names: &[String], alias: Option<&TableAlias>) -> Relation {
    let known = names.iter().map(|name| (name.clone(), Term::Nothing)).collect();
    let path = alias.map(|alias| alias.name.value.clone()).into_iter().collect();
    let names = alias.map(alias_columns).unwrap_or_default();
    Output { known, through: Vec::new() }.relation(path, &names)
}
