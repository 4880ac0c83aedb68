//! Inference from operators.

use datafusion::sql::sqlparser::ast::{BinaryOperator as Op, Expr, UnaryOperator};

use super::{
    Guesser,
    evidence::{BOOLEAN, EXACT, INTEGER, INTERVAL, NUMBER, SUM, TEXT, TIME, Term, Uses, WHOLE},
    literals::literal,
};
use crate::{Error, catalog::Kind};

impl Guesser<'_> {
    /// Walks two expressions that are compared.
    pub(super) fn compared(&mut self, left: &mut Expr, right: &mut Expr) -> Result<Term, Error> {
        let one = self.expr(left)?;
        self.compared_with(one, left, right)?;
        Ok(Term::Is(BOOLEAN))
    }

    /// Walks the right side of a comparison; the left side was walked already.
    pub(super) fn compared_with(&mut self, one: Term, left: &Expr, right: &mut Expr) -> Result<(), Error> {
        let other = self.expr(right)?;
        self.classes.unify(one, other);
        for (term, expr) in [(one, &*right), (other, left)] {
            if let (Term::Column(_), Some(value)) = (term, literal(expr)) {
                self.classes.example(term, value);
            }
        }
        Ok(())
    }

    /// Unifies alternatives. A text beside a number makes the result a text.
    pub(super) fn either(&mut self, one: Term, other: Term) -> Term {
        let soft = |term| match term {
            Term::Is(uses) => Term::Is(uses & !TEXT),
            term => term,
        };
        self.classes.unify(soft(one), soft(other));
        if one == Term::Nothing { other } else { one }
    }

    /// Walks an expression that must be of a kind.
    pub(super) fn need(&mut self, expr: &mut Expr, uses: Uses) -> Result<Term, Error> {
        let term = self.expr(expr)?;
        self.classes.mark(term, uses);
        let moved = matches!(term, Term::Is(own) if own & (TIME | INTERVAL) != 0);
        if uses != 0 && !moved {
            self.parts(expr, uses)?;
        }
        Ok(term)
    }

    /// Requires the kind of the parts too: the results of CASE, and the operands of a sum.
    fn parts(&mut self, expr: &mut Expr, uses: Uses) -> Result<(), Error> {
        match expr {
            Expr::Identifier(_) | Expr::CompoundIdentifier(_) => {
                let term = self.expr(expr)?;
                self.classes.mark(term, uses);
                Ok(())
            }
            Expr::Nested(inner) => self.parts(inner, uses),
            Expr::UnaryOp { op: UnaryOperator::Minus | UnaryOperator::Plus, expr } => self.parts(expr, uses),
            Expr::Case { conditions, else_result, .. } => {
                let results = conditions.iter_mut().map(|case| &mut case.result);
                results.chain(else_result.as_deref_mut()).try_for_each(|result| self.parts(result, uses))
            }
            Expr::BinaryOp { left, op: Op::Plus | Op::Minus | Op::Multiply | Op::Divide, right }
                if uses == SUM =>
            {
                self.parts(left, uses)?;
                self.parts(right, uses)
            }
            _ => Ok(()),
        }
    }

    pub(super) fn binary(&mut self, left: &mut Expr, op: &Op, right: &mut Expr) -> Result<Term, Error> {
        match op {
            Op::And | Op::Or | Op::Xor => {
                self.condition(left)?;
                self.condition(right)?;
                Ok(Term::Is(BOOLEAN))
            }
            Op::Plus | Op::Minus | Op::Multiply | Op::Divide | Op::Modulo => {
                let (one, other) = (self.expr(left)?, self.expr(right)?);
                Ok(self.arithmetic(one, op, other))
            }
            Op::BitwiseAnd
            | Op::BitwiseOr
            | Op::BitwiseXor
            | Op::PGBitwiseShiftLeft
            | Op::PGBitwiseShiftRight => {
                self.need(left, WHOLE)?;
                self.need(right, WHOLE)?;
                Ok(Term::Is(INTEGER))
            }
            Op::StringConcat => {
                self.expr(left)?;
                self.expr(right)?;
                Ok(Term::Is(TEXT))
            }
            Op::Eq | Op::NotEq | Op::Lt | Op::LtEq | Op::Gt | Op::GtEq | Op::Spaceship => {
                self.compared(left, right)
            }
            _ => {
                self.need(left, TEXT)?;
                self.need(right, TEXT)?;
                Ok(Term::Is(BOOLEAN))
            }
        }
    }

    fn arithmetic(&mut self, one: Term, op: &Op, other: Term) -> Term {
        let interval = |term| matches!(term, Term::Is(uses) if uses & INTERVAL != 0);
        if interval(one) || interval(other) {
            let moved = if interval(one) { other } else { one };
            self.classes.mark(moved, TIME);
            return if interval(moved) { Term::Is(INTERVAL) } else { Term::Is(TIME) };
        }
        let (first, second) = (self.is_time(one), self.is_time(other));
        if *op == Op::Minus && first && (second || matches!(other, Term::Column(_))) {
            self.classes.mark(one, TIME);
            self.classes.mark(other, TIME);
            return Term::Is(INTERVAL);
        }
        if first || second {
            return Term::Is(TIME);
        }
        let integer = |term| matches!(term, Term::Is(INTEGER));
        let uses = if (integer(one) || integer(other)) && *op != Op::Divide { INTEGER } else { NUMBER };
        self.classes.mark(one, uses);
        self.classes.mark(other, uses);
        match (one, other) {
            (Term::Is(INTEGER), Term::Is(INTEGER)) => Term::Is(INTEGER),
            (Term::Is(one), Term::Is(other)) if (one | other) & !(INTEGER | EXACT) == 0 => Term::Is(EXACT),
            _ => Term::Is(NUMBER),
        }
    }

    /// Returns whether a term is a date or a timestamp, as far as is known.
    fn is_time(&self, term: Term) -> bool {
        match term {
            Term::Is(uses) => uses & TIME != 0,
            Term::Column(column) => {
                let (table, at) = self.columns[column];
                let uses = self.classes.uses(column);
                uses & TIME != 0
                    || (uses == 0
                        && Kind::time_named(&self.tables[table].columns[at].name.to_lowercase()).is_some())
            }
            Term::Nothing => false,
        }
    }
}
