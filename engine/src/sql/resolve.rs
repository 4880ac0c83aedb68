//! Spells every name of a statement as the catalog or the statement itself has it, so that DataFusion,
//! which is told to compare names exactly, finds names without quotes whatever their case. Names that
//! mean nothing stay as they are: the planner says so.

use std::{collections::HashMap, mem, ops::ControlFlow, sync::Arc};

use datafusion::{
    catalog::TableProvider,
    sql::sqlparser::ast::{
        Cte, ExcludeSelectItem, Expr, Function, Ident, JoinConstraint, JoinOperator, NamedWindowExpr,
        ObjectName, ObjectNamePart, OneOrManyWithParens, OrderByKind, Query, Select, SelectItem,
        SelectItemQualifiedWildcardKind, SetExpr, TableAlias, TableFactor, TableWithJoins, VisitMut,
        VisitorMut, WildcardAdditionalOptions, WindowType,
    },
};

use super::scope::{Column, Columns, Relation, Scope, find_one};
use crate::{Error, catalog::quoted};

/// A table that a name means: the name with its qualifiers as the catalog spells them.
#[derive(Clone, Debug)]
pub(super) struct Bound {
    pub(super) path: Vec<String>,
    pub(super) provider: Arc<dyn TableProvider>,
}

/// What each table name of a statement means, by its text.
pub(super) type Bindings = HashMap<String, Result<Bound, Error>>;

/// Tables, subqueries and functions of one statement at most, with those of the tables that WITH names
/// counted at each use: the planner puts them there anew.
const RELATIONS: usize = 2000;

/// Spells the names of one statement.
pub(super) struct Resolver<'a> {
    bindings: &'a Bindings,
    /// From the outermost query to the innermost.
    scopes: Vec<Scope>,
    /// Each with the number of relations in it.
    ctes: Vec<(Relation, usize)>,
    /// How many relations there are so far.
    relations: usize,
    /// Parameters of lambdas around the current expression.
    lambdas: Vec<String>,
    /// How many subqueries, whose names are spelled already, are being walked through.
    done: usize,
}

impl<'a> Resolver<'a> {
    pub(super) fn new(bindings: &'a Bindings) -> Self {
        Self { bindings, scopes: Vec::new(), ctes: Vec::new(), relations: 0, lambdas: Vec::new(), done: 0 }
    }

    /// Spells the names of an expression over some columns.
    pub(super) fn expression(mut self, expr: &mut Expr, relations: Vec<Relation>) -> Result<(), Error> {
        self.scopes.push(Scope { relations, ..Default::default() });
        self.walk(expr)
    }

    /// Spells the name of a table, and tells its columns.
    pub(super) fn table(&mut self, name: &mut ObjectName) -> Result<Relation, Error> {
        if let [ObjectNamePart::Identifier(ident)] = name.0.as_mut_slice() {
            // Later ones hide earlier ones; two of one WITH may still differ only in case.
            let names = self.ctes.iter().map(|(cte, _)| cte.path[0].as_str());
            if let Some(found) = find_one(ident, names)? {
                *ident = quoted(&found);
                let cte = self.ctes.iter().rev().find(|(cte, _)| cte.path[0] == found).cloned();
                let (relation, inside) =
                    cte.ok_or_else(|| Error::Internal(format!("{found} was just found")))?;
                self.count(inside)?;
                return Ok(relation);
            }
        }
        let bound = match self.bindings.get(&name.to_string()) {
            Some(bound) => bound.clone()?,
            None => return Err(Error::Internal(format!("table {name} was not looked up"))),
        };
        *name = spelled(&bound.path);
        Ok(Relation { path: bound.path, columns: Columns::of(&bound.provider.schema()) })
    }

    /// Spells a query, and tells its columns.
    pub(super) fn query(&mut self, query: &mut Query) -> Result<Columns, Error> {
        let outer = self.ctes.len();
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
        Ok(columns)
    }

    fn cte(&mut self, cte: &mut Cte, recursive: bool) -> Result<(), Error> {
        let names = alias_columns(&cte.alias);
        let path = vec![cte.alias.name.value.clone()];
        let (before, relations) = (self.ctes.len(), self.relations);
        if let (true, SetExpr::SetOperation { left, .. }) = (recursive, cte.query.body.as_mut()) {
            let (columns, _) = self.body(left)?;
            self.ctes.push((Relation { path: path.clone(), columns: columns.renamed(&names) }, 1));
        }
        let columns = self.query(&mut cte.query)?.renamed(&names);
        self.ctes.truncate(before);
        self.ctes.push((Relation { path, columns }, self.relations - relations));
        Ok(())
    }

    /// The columns of a query's body, and what its ORDER BY sees.
    fn body(&mut self, body: &mut SetExpr) -> Result<(Columns, Scope), Error> {
        // A chain of UNIONs is as deep as it is long: it is walked down first.
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
        let mut relations = Vec::new();
        for table in &mut select.from {
            self.joined(table, &mut relations)?;
        }
        let alias = |item: &SelectItem| match item {
            SelectItem::ExprWithAlias { alias, .. } => Some(alias.value.clone()),
            _ => None,
        };
        let aliases = select.projection.iter().filter_map(alias).collect();
        self.scopes.push(Scope { relations, aliases, aliases_first: false });
        for definition in &mut select.named_window {
            fold(&mut definition.0);
            match &mut definition.1 {
                NamedWindowExpr::NamedWindow(name) => fold(name),
                NamedWindowExpr::WindowSpec(spec) => spec.window_name.iter_mut().for_each(fold),
            }
        }
        // The FROM clause is done; the visitor takes all the rest.
        let from = mem::take(&mut select.from);
        let walked = self.items(&mut select.projection).and_then(|()| self.walk(select));
        select.from = from;
        let scope = self.scopes.pop().unwrap_or_default();
        walked?;
        let columns = output(&select.projection, &scope);
        Ok((columns, scope))
    }

    /// Spells what is no expression in a select list.
    fn items(&mut self, items: &mut [SelectItem]) -> Result<(), Error> {
        let Some(scope) = self.scopes.last() else { return Ok(()) };
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

    fn joined(&mut self, table: &mut TableWithJoins, relations: &mut Vec<Relation>) -> Result<(), Error> {
        let first = relations.len();
        self.relation(&mut table.relation, relations)?;
        for join in &mut table.joins {
            self.relation(&mut join.relation, relations)?;
            let Some(constraint) = constraint(&mut join.join_operator) else { continue };
            let scope = Scope { relations: relations[first..].to_vec(), ..Default::default() };
            match constraint {
                JoinConstraint::Using(names) => {
                    let idents = names.iter_mut().flat_map(|name| name.0.iter_mut());
                    for part in idents {
                        if let ObjectNamePart::Identifier(name) = part {
                            scope.spell(std::slice::from_mut(name))?;
                        }
                    }
                }
                JoinConstraint::On(condition) => {
                    self.scopes.push(scope);
                    let walked = self.walk(condition);
                    self.scopes.pop();
                    walked?;
                }
                JoinConstraint::Natural | JoinConstraint::None => {}
            }
        }
        Ok(())
    }

    fn count(&mut self, relations: usize) -> Result<(), Error> {
        self.relations = self.relations.saturating_add(relations);
        if self.relations > RELATIONS {
            return Err(Error::invalid(format!("more than {RELATIONS} tables, with those inside WITH")));
        }
        Ok(())
    }

    fn relation(&mut self, factor: &mut TableFactor, relations: &mut Vec<Relation>) -> Result<(), Error> {
        self.count(1)?;
        match factor {
            TableFactor::Table { name, alias, args: None, .. } => {
                let found = self.table(name)?;
                relations.push(aliased(found, alias.as_ref()));
            }
            TableFactor::Table { name, alias, args: Some(args), .. } => {
                let function =
                    name.0.first().and_then(|part| part.as_ident()).map(|name| name.value.to_lowercase());
                let function = function.unwrap_or_default();
                *name = ObjectName::from(vec![Ident::new(function.clone())]);
                self.walk(&mut args.args)?;
                let columns = Columns { known: vec![Column::named("value")], open: false };
                let path = vec![format!("{function}()")];
                relations.push(aliased(Relation { path, columns }, alias.as_ref()));
            }
            TableFactor::Derived { lateral, subquery, alias, .. } => {
                let scope = Scope { relations: relations.clone(), ..Default::default() };
                if *lateral {
                    self.scopes.push(scope);
                }
                let columns = self.query(subquery);
                if *lateral {
                    self.scopes.pop();
                }
                relations.push(aliased(Relation { path: Vec::new(), columns: columns? }, alias.as_ref()));
            }
            TableFactor::NestedJoin { table_with_joins, alias } => {
                let mut inner = Vec::new();
                self.joined(table_with_joins, &mut inner)?;
                match alias {
                    None => relations.extend(inner),
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
            other => {
                let text = other.to_string();
                return Err(Error::invalid(format!("{text} is not supported in FROM")));
            }
        }
        Ok(())
    }

    /// Spells the names of the expressions in `node`.
    fn walk(&mut self, node: &mut impl VisitMut) -> Result<(), Error> {
        // A subquery inside starts with nothing done, whatever is being walked around it.
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

    fn name(&mut self, expr: &mut Expr) -> Result<(), Error> {
        match expr {
            Expr::Identifier(name) if !name.value.starts_with('@') => self.spell(std::slice::from_mut(name)),
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

/// A name that means exactly itself.
pub(super) fn spelled(path: &[String]) -> ObjectName {
    ObjectName::from(path.iter().map(|part| quoted(part)).collect::<Vec<_>>())
}

/// A name that is looked up nowhere but in the statement itself.
fn fold(name: &mut Ident) {
    if name.quote_style.is_none() {
        *name = quoted(&name.value.to_lowercase());
    }
}

fn alias_columns(alias: &TableAlias) -> Vec<String> {
    alias.columns.iter().map(|column| column.name.value.clone()).collect()
}

fn aliased(relation: Relation, alias: Option<&TableAlias>) -> Relation {
    let Some(alias) = alias else { return relation };
    let columns = relation.columns.renamed(&alias_columns(alias));
    Relation { path: vec![alias.name.value.clone()], columns }
}

fn named_scope(columns: &Columns) -> Scope {
    let relations = vec![Relation { path: Vec::new(), columns: columns.clone() }];
    Scope { relations, ..Default::default() }
}

/// The names that a select list gives to its columns.
fn output(items: &[SelectItem], scope: &Scope) -> Columns {
    let mut columns = Columns::default();
    for item in items {
        match item {
            SelectItem::ExprWithAlias { alias, .. } => columns.known.push(Column::named(&alias.value)),
            SelectItem::UnnamedExpr(Expr::Identifier(name)) => columns.known.push(typed(name, scope)),
            SelectItem::UnnamedExpr(Expr::CompoundIdentifier(names)) => {
                columns.known.extend(names.last().map(|name| typed(name, scope)));
            }
            SelectItem::Wildcard(_) => {
                for relation in &scope.relations {
                    columns.known.extend(relation.columns.known.iter().cloned());
                    columns.open |= relation.columns.open;
                }
            }
            SelectItem::QualifiedWildcard(SelectItemQualifiedWildcardKind::ObjectName(name), _) => {
                let parts: Vec<Ident> = name.0.iter().filter_map(|part| part.as_ident().cloned()).collect();
                for relation in scope.qualified(&parts).unwrap_or_default().iter().take(1) {
                    columns.known.extend(relation.columns.known.iter().cloned());
                    columns.open |= relation.columns.open;
                }
            }
            // Known by the text that the planner gives it, which nobody writes without quotes. It keeps
            // its place for the names of an alias.
            _ => columns.known.push(Column::named("")),
        }
    }
    columns
}

fn typed(name: &Ident, scope: &Scope) -> Column {
    let known = scope.relations.iter().flat_map(|relation| &relation.columns.known);
    let data_type =
        known.filter(|column| column.name == name.value).find_map(|column| column.data_type.clone());
    Column { name: name.value.clone(), data_type }
}

fn excluded(options: &mut WildcardAdditionalOptions) -> Vec<&mut Ident> {
    let mut names: Vec<&mut Ident> = Vec::new();
    match &mut options.opt_exclude {
        Some(ExcludeSelectItem::Single(name)) => names.extend(name.0.iter_mut().filter_map(ident)),
        Some(ExcludeSelectItem::Multiple(many)) => {
            names.extend(many.iter_mut().flat_map(|name| name.0.iter_mut()).filter_map(ident));
        }
        None => {}
    }
    if let Some(except) = &mut options.opt_except {
        names.push(&mut except.first_element);
        names.extend(&mut except.additional_elements);
    }
    if let Some(replace) = &mut options.opt_replace {
        names.extend(replace.items.iter_mut().map(|item| &mut item.column_name));
    }
    names
}

fn ident(part: &mut ObjectNamePart) -> Option<&mut Ident> {
    match part {
        ObjectNamePart::Identifier(name) => Some(name),
        ObjectNamePart::Function(_) => None,
    }
}

fn constraint(operator: &mut JoinOperator) -> Option<&mut JoinConstraint> {
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
