//! Refuses clauses that the parser accepts and the planner ignores, so that nobody gets the answer to another
//! question.

use std::ops::ControlFlow;

use datafusion::sql::sqlparser::ast::{
    Expr, FunctionArguments, GroupByExpr, OrderByKind, Query, Select, SetExpr, TableAlias, TableFactor,
    VisitMut, VisitorMut,
};

use super::allowed::not_allowed;
use crate::Error;

/// Refuses such clauses in a statement or an expression.
pub(super) fn check(node: &mut impl VisitMut) -> Result<(), Error> {
    match node.visit(&mut Clauses) {
        ControlFlow::Continue(()) => Ok(()),
        ControlFlow::Break(error) => Err(error),
    }
}

struct Clauses;

/// Fails with the first of these clauses that is present.
fn refuse<const COUNT: usize>(clauses: [(&str, bool); COUNT]) -> ControlFlow<Error> {
    match clauses.into_iter().find(|(_, there)| *there) {
        Some((clause, _)) => ControlFlow::Break(Error::Invalid(format!("{clause} is not supported"))),
        None => ControlFlow::Continue(()),
    }
}

impl VisitorMut for Clauses {
    type Break = Error;

    fn pre_visit_query(&mut self, query: &mut Query) -> ControlFlow<Error> {
        let mut bodies = vec![query.body.as_ref()];
        while let Some(body) = bodies.pop() {
            let name = match body {
                SetExpr::SetOperation { left, right, .. } => {
                    bodies.extend([left.as_ref(), right.as_ref()]);
                    continue;
                }
                SetExpr::Insert(_) => "INSERT",
                SetExpr::Update(_) => "UPDATE",
                SetExpr::Delete(_) => "DELETE",
                SetExpr::Merge(_) => "MERGE",
                SetExpr::Select(_) | SetExpr::Query(_) | SetExpr::Values(_) | SetExpr::Table(_) => continue,
            };
            return ControlFlow::Break(not_allowed(name));
        }
        let fills = |query: &Query| match query.order_by.as_ref().map(|order| &order.kind) {
            Some(OrderByKind::Expressions(sorts)) => sorts.iter().any(|sort| sort.with_fill.is_some()),
            _ => false,
        };
        refuse([
            ("FOR UPDATE, FOR SHARE", !query.locks.is_empty()),
            ("FOR XML, FOR JSON", query.for_clause.is_some()),
            ("SETTINGS", query.settings.is_some()),
            ("FORMAT", query.format_clause.is_some()),
            ("WITH FILL", fills(query)),
        ])
    }

    fn pre_visit_select(&mut self, select: &mut Select) -> ControlFlow<Error> {
        if select.into.is_some() {
            return ControlFlow::Break(not_allowed("SELECT INTO"));
        }
        let (GroupByExpr::All(modifiers) | GroupByExpr::Expressions(_, modifiers)) = &select.group_by;
        refuse([
            ("TOP", select.top.is_some()),
            ("LATERAL VIEW", !select.lateral_views.is_empty()),
            ("CLUSTER BY", !select.cluster_by.is_empty()),
            ("SORT BY", !select.sort_by.is_empty()),
            ("PREWHERE", select.prewhere.is_some()),
            ("CONNECT BY", !select.connect_by.is_empty()),
            ("GROUP BY … WITH", !modifiers.is_empty()),
            ("EXCLUDE after the select list", select.exclude.is_some()),
            ("SELECT AS STRUCT, SELECT AS VALUE", select.value_table_mode.is_some()),
        ])
    }

    fn pre_visit_table_factor(&mut self, table: &mut TableFactor) -> ControlFlow<Error> {
        match table {
            TableFactor::Table { version, with_ordinality, partitions, json_path, sample, alias, .. } => {
                refuse([
                    ("TABLESAMPLE", sample.is_some()),
                    ("a table as of another time", version.is_some()),
                    ("WITH ORDINALITY", *with_ordinality),
                    ("PARTITION", !partitions.is_empty()),
                    ("a path into a table", json_path.is_some()),
                    ("FINAL", alias.as_ref().is_some_and(is_final)),
                ])
            }
            TableFactor::Derived { sample, .. } => refuse([("TABLESAMPLE", sample.is_some())]),
            TableFactor::Function { with_ordinality, .. } => refuse([("WITH ORDINALITY", *with_ordinality)]),
            _ => ControlFlow::Continue(()),
        }
    }

    fn pre_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<Error> {
        match expr {
            Expr::Function(function) => refuse([(
                "a function with parameters before its arguments",
                !matches!(function.parameters, FunctionArguments::None),
            )]),
            _ => ControlFlow::Continue(()),
        }
    }
}

/// Detects `FROM t FINAL`, which parses as an alias.
fn is_final(alias: &TableAlias) -> bool {
    !alias.explicit && alias.name.quote_style.is_none() && alias.name.value.eq_ignore_ascii_case("final")
}
