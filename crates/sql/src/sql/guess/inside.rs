//! Expressions inside of what nothing is known about.

use std::ops::ControlFlow;

use datafusion::sql::sqlparser::ast::{Expr, Query, VisitMut, VisitorMut};

use super::Guesser;
use crate::Error;

impl Guesser<'_> {
    /// Walks the outermost expressions of something.
    pub(super) fn inside(&mut self, node: &mut impl VisitMut) -> Result<(), Error> {
        self.visit(node, 0)
    }

    /// The same of what is so deep inside: of an expression whose parts are meant, -1.
    pub(super) fn visit(&mut self, node: &mut impl VisitMut, depth: isize) -> Result<(), Error> {
        match node.visit(&mut Inside { guesser: self, depth }) {
            ControlFlow::Continue(()) => Ok(()),
            ControlFlow::Break(error) => Err(error),
        }
    }
}

/// Hands the expressions right inside of a node to a guesser.
struct Inside<'g, 'a> {
    guesser: &'g mut Guesser<'a>,
    /// How deep inside the node: below 0 is an expression whose parts are meant.
    depth: isize,
}

impl VisitorMut for Inside<'_, '_> {
    type Break = Error;

    fn pre_visit_query(&mut self, query: &mut Query) -> ControlFlow<Error> {
        if self.depth == 0
            && let Err(error) = self.guesser.query(query)
        {
            return ControlFlow::Break(error);
        }
        self.depth += 1;
        ControlFlow::Continue(())
    }

    fn post_visit_query(&mut self, _: &mut Query) -> ControlFlow<Error> {
        self.depth -= 1;
        ControlFlow::Continue(())
    }

    fn pre_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<Error> {
        if self.depth == 0
            && let Err(error) = self.guesser.expr(expr)
        {
            return ControlFlow::Break(error);
        }
        self.depth += 1;
        ControlFlow::Continue(())
    }

    fn post_visit_expr(&mut self, _: &mut Expr) -> ControlFlow<Error> {
        self.depth -= 1;
        ControlFlow::Continue(())
    }
}
