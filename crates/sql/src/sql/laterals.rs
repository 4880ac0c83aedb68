//! Lateral aliases: `SELECT 1 AS a, a + 1 AS b`. A column of that name has priority, as in Spark and Snowflake.

use std::ops::ControlFlow;

use datafusion::sql::sqlparser::ast::{
    Expr, Function, Ident, OneOrManyWithParens, Query, Select, SelectItem, VisitMut, VisitorMut,
    visit_expressions,
};

use super::scope::{Scope, find_one};
use crate::Error;

/// The most expressions substituted for the aliases of one select list.
const MOST: usize = 10_000;

/// Volatile functions.
const RANDOM: [&str; 5] = ["rand", "randn", "random", "seeded_random", "uuid"];

/// Substitutes expressions for their aliases.
pub(super) fn written_out(select: &mut Select, scope: &Scope) -> Result<(), Error> {
    let columns = Scope { aliases: Vec::new(), ..scope.clone() };
    let mut walk = Walk { known: Vec::new(), columns, subqueries: 0, lambdas: Vec::new(), count: 0 };
    for item in &mut select.projection {
        walk.lambdas.clear();
        let (SelectItem::UnnamedExpr(expr) | SelectItem::ExprWithAlias { expr, .. }) = item else { continue };
        if !walk.known.is_empty()
            && let ControlFlow::Break(error) = expr.visit(&mut walk)
        {
            return Err(error);
        }
        if let SelectItem::ExprWithAlias { expr, alias } = item {
            walk.known.push((alias.value.clone(), expr.clone()));
        }
    }
    Ok(())
}

struct Walk {
    /// Aliases to the left, with their expressions.
    known: Vec<(String, Expr)>,
    columns: Scope,
    /// The subquery depth of the current expression; names in subqueries are theirs.
    subqueries: usize,
    lambdas: Vec<Ident>,
    count: usize,
}

impl Walk {
    /// The expression of an alias, unless a column has that name.
    fn meant(&mut self, name: &Ident) -> Result<Option<Expr>, Error> {
        let parameter = |parameter: &Ident| parameter.value.eq_ignore_ascii_case(&name.value);
        let Ok(Some(found)) = find_one(name, self.known.iter().map(|(name, _)| name.as_str())) else {
            return Ok(None);
        };
        if self.lambdas.iter().any(parameter)
            || self.columns.merged(name)?.is_some()
            || self.columns.spell(&mut [name.clone()])?
        {
            return Ok(None);
        }
        let Some((_, expr)) = self.known.iter().find(|(name, _)| *name == found) else { return Ok(None) };
        let random = visit_expressions(expr, |inner| {
            self.count += 1;
            match inner {
                Expr::Function(Function { name, .. })
                    if RANDOM.contains(&name.to_string().to_lowercase().as_str()) =>
                {
                    ControlFlow::Break(())
                }
                _ => ControlFlow::Continue(()),
            }
        });
        if random.is_break() {
            return Err(Error::invalid(format!(
                "{found} is a random value: use it in a query around this one"
            )));
        }
        if self.count > MOST {
            return Err(Error::invalid(format!(
                "the names of a select list stand for more than {MOST} expressions"
            )));
        }
        Ok(Some(Expr::Nested(Box::new(expr.clone()))))
    }
}

impl VisitorMut for Walk {
    type Break = Error;

    fn pre_visit_query(&mut self, _: &mut Query) -> ControlFlow<Error> {
        self.subqueries += 1;
        ControlFlow::Continue(())
    }

    fn post_visit_query(&mut self, _: &mut Query) -> ControlFlow<Error> {
        self.subqueries -= 1;
        ControlFlow::Continue(())
    }

    fn pre_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<Error> {
        if let Expr::Lambda(lambda) = expr {
            match &lambda.params {
                OneOrManyWithParens::One(one) => self.lambdas.push(one.name.clone()),
                OneOrManyWithParens::Many(many) => {
                    self.lambdas.extend(many.iter().map(|parameter| parameter.name.clone()));
                }
            }
        }
        ControlFlow::Continue(())
    }

    // After the parts, so that substituted expressions are not visited again.
    fn post_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<Error> {
        let Expr::Identifier(name) = expr else { return ControlFlow::Continue(()) };
        if self.subqueries > 0 {
            return ControlFlow::Continue(());
        }
        match self.meant(&name.clone()) {
            Ok(Some(meant)) => *expr = meant,
            Ok(None) => {}
            Err(error) => return ControlFlow::Break(error),
        }
        ControlFlow::Continue(())
    }
}
