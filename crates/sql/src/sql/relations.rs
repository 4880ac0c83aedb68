//! The FROM clause: its relations, and their columns.

use datafusion::sql::sqlparser::ast::{
    Ident, JoinConstraint, JoinOperator, LimitClause, ObjectName, ObjectNamePart, Offset, OffsetRows, Query,
    TableAlias, TableAliasColumnDef, TableFactor, TableWithJoins,
};

use super::{
    build::number,
    merged::{Merged, Side, merge},
    pivot,
    resolve::Resolver,
    scope::{Column, Columns, Relation, Scope},
    titles::MARK,
};
use crate::{Error, catalog::quoted};

impl Resolver<'_> {
    pub(super) fn joined(
        &mut self,
        table: &mut TableWithJoins,
        relations: &mut Vec<Relation>,
        merged: &mut Vec<Merged>,
    ) -> Result<(), Error> {
        let (first, mut own) = (relations.len(), Vec::new());
        self.relation(&mut table.relation, relations, &mut own)?;
        for join in &mut table.joins {
            let (middle, mut others) = (relations.len(), Vec::new());
            self.relation(&mut join.relation, relations, &mut others)?;
            let left = Side { relations: &relations[first..middle], merged: &own };
            let right = Side { relations: &relations[middle..], merged: &others };
            let new = merge(&mut join.join_operator, &left, &right)?;
            own.extend(others);
            if let Some(new) = new {
                own.retain(|old| !new.iter().any(|new| new.name == old.name));
                own.splice(0..0, new);
            } else {
                self.constraint(&mut join.join_operator, &relations[first..], &own)?;
            }
            match join.join_operator {
                JoinOperator::Semi(_)
                | JoinOperator::Anti(_)
                | JoinOperator::LeftSemi(_)
                | JoinOperator::LeftAnti(_) => relations.truncate(middle),
                JoinOperator::RightSemi(_) | JoinOperator::RightAnti(_) => {
                    relations.drain(first..middle);
                }
                _ => {}
            }
        }
        merged.extend(own);
        Ok(())
    }

    /// Resolves the names in a join's constraint.
    fn constraint(
        &mut self,
        operator: &mut JoinOperator,
        relations: &[Relation],
        merged: &[Merged],
    ) -> Result<(), Error> {
        let Some(constraint) = constraint(operator) else { return Ok(()) };
        let scope = Scope { relations: relations.to_vec(), merged: merged.to_vec(), ..Default::default() };
        match constraint {
            JoinConstraint::Using(names) => {
                let idents = names.iter_mut().flat_map(|name| name.0.iter_mut());
                for part in idents {
                    if let ObjectNamePart::Identifier(name) = part {
                        scope.spell(std::slice::from_mut(name))?;
                    }
                }
                Ok(())
            }
            JoinConstraint::On(condition) => {
                self.scopes.push(scope);
                let walked = self.walk(condition);
                self.scopes.pop();
                walked
            }
            JoinConstraint::Natural | JoinConstraint::None => Ok(()),
        }
    }

    fn relation(
        &mut self,
        factor: &mut TableFactor,
        relations: &mut Vec<Relation>,
        merged: &mut Vec<Merged>,
    ) -> Result<(), Error> {
        self.count(1)?;
        match factor {
            TableFactor::Table { name, alias, args: None, .. } => {
                let found = self.table(name)?;
                if alias.is_none() && name.to_string().contains(MARK) {
                    *alias = Some(named(&found.path[0]));
                }
                relations.push(aliased(found, alias.as_ref()));
            }
            TableFactor::Table { name, alias, args: Some(args), .. } => {
                let function =
                    name.0.first().and_then(|part| part.as_ident()).map(|name| name.value.to_lowercase());
                let function = function.unwrap_or_default();
                *name = ObjectName::from(vec![Ident::new(function.clone())]);
                self.walk(&mut args.args)?;
                // Spark's range() names its column differently from DataFusion's.
                if function == "range" && alias.as_ref().is_none_or(|alias| alias.columns.is_empty()) {
                    let own = alias.take().map_or_else(|| quoted(&function), |alias| alias.name);
                    let column = TableAliasColumnDef::from_name("id");
                    *alias = Some(TableAlias { columns: vec![column], ..named(&own.value) });
                }
                let columns = Columns { known: vec![Column::named("value")], open: false };
                let path = vec![format!("{function}()")];
                relations.push(aliased(Relation { path, columns }, alias.as_ref()));
            }
            TableFactor::Derived { lateral, subquery, alias, .. } => {
                let scope = Scope { relations: relations.clone(), ..Default::default() };
                if *lateral {
                    self.scopes.push(scope);
                }
                sorted(subquery);
                let columns = self.query(subquery);
                if *lateral {
                    self.scopes.pop();
                }
                // Without an alias the optimizer merges two equal SELECTs.
                if alias.is_none() {
                    *alias = Some(named(&format!("subquery_{}", self.relations)));
                }
                relations.push(aliased(Relation { path: Vec::new(), columns: columns? }, alias.as_ref()));
            }
            TableFactor::NestedJoin { table_with_joins, alias } => {
                let (mut inner, mut one) = (Vec::new(), Vec::new());
                self.joined(table_with_joins, &mut inner, &mut one)?;
                match alias {
                    None => {
                        relations.extend(inner);
                        merged.extend(one);
                    }
                    Some(_) if !one.is_empty() => {
                        return Err(Error::invalid(
                            "an alias for a join with USING or NATURAL is not supported: use a subquery",
                        ));
                    }
                    Some(_) => {
                        let known = inner.into_iter().flat_map(|relation| relation.columns.known).collect();
                        let columns = Columns { known, open: false };
                        relations.push(aliased(Relation { path: Vec::new(), columns }, alias.as_ref()));
                    }
                }
            }
            TableFactor::UNNEST { array_exprs, alias, .. } => {
                self.walk(array_exprs)?;
                relations.push(aliased(
                    Relation { path: Vec::new(), columns: Columns::unknown() },
                    alias.as_ref(),
                ));
            }
            TableFactor::Pivot { table, .. } | TableFactor::Unpivot { table, .. } => {
                let (mut copy, mut inner) = (table.as_ref().clone(), Vec::new());
                self.relation(&mut copy, &mut inner, &mut Vec::new())?;
                let open = inner.iter().any(|relation| relation.columns.open);
                let known = inner.into_iter().flat_map(|relation| relation.columns.known).collect();
                if let Some(other) = pivot::written_out(factor, &Columns { known, open })? {
                    *factor = other;
                }
                return self.relation(factor, relations, merged);
            }
            other => {
                let text = other.to_string();
                return Err(Error::invalid(format!("{text} is not supported in FROM")));
            }
        }
        Ok(())
    }
}

/// Keeps the ORDER BY of a subquery in FROM or WITH: the planner drops one without LIMIT, also below an outer LIMIT.
pub(super) fn sorted(query: &mut Query) {
    if query.order_by.is_some() && query.limit_clause.is_none() {
        let offset = Some(Offset { value: number(0), rows: OffsetRows::None });
        query.limit_clause = Some(LimitClause::LimitOffset { limit: None, offset, limit_by: Vec::new() });
    }
}

pub(super) fn alias_columns(alias: &TableAlias) -> Vec<String> {
    alias.columns.iter().map(|column| column.name.value.clone()).collect()
}

fn aliased(relation: Relation, alias: Option<&TableAlias>) -> Relation {
    let Some(alias) = alias else { return relation };
    let columns = relation.columns.renamed(&alias_columns(alias));
    Relation { path: vec![alias.name.value.clone()], columns }
}

/// An alias equal to the table's own name.
fn named(name: &str) -> TableAlias {
    TableAlias { explicit: true, name: quoted(name), columns: Vec::new(), at: None }
}

pub(super) fn constraint(operator: &mut JoinOperator) -> Option<&mut JoinConstraint> {
    match operator {
        JoinOperator::Join(constraint)
        | JoinOperator::Inner(constraint)
        | JoinOperator::Left(constraint)
        | JoinOperator::LeftOuter(constraint)
        | JoinOperator::Right(constraint)
        | JoinOperator::RightOuter(constraint)
        | JoinOperator::FullOuter(constraint)
        | JoinOperator::CrossJoin(constraint)
        | JoinOperator::Semi(constraint)
        | JoinOperator::LeftSemi(constraint)
        | JoinOperator::RightSemi(constraint)
        | JoinOperator::Anti(constraint)
        | JoinOperator::LeftAnti(constraint)
        | JoinOperator::RightAnti(constraint)
        | JoinOperator::StraightJoin(constraint) => Some(constraint),
        _ => None,
    }
}
