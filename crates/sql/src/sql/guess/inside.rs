//! Walks expressions inside nodes without inference rules.

use std::ops::ControlFlow;

use datafusion::sql::sqlparser::ast::{Expr, Query, VisitMut, VisitorMut};

use super::Guesser;
use crate::Error;

impl Guesser<'_> {
    /// Walks the outermost expressions of a node.
    pub(super) fn inside(&mut self, node: &mut impl VisitMut) -> Result<(), Error> {
        self.visit(node, 0)
    }

    /// Walks expressions at this depth; -1 means the parts of an expression.
    pub(super) fn visit(&mut self, node: &mut impl VisitMut, depth: isize) -> Result<(), Error> {
        match node.visit(&mut Inside { guesser: self, depth }) {
            ControlFlow::Continue(()) => Ok(()),
            ControlFlow::Break(error) => Err(error),
        }
    }
}

/// Passes the expressions directly inside a node to a guesser.
struct Inside<'g, 'a> {
    guesser: &'g mut Guesser<'a>,
    /// The depth inside the node; below 0, the parts of an expression are meant.
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
