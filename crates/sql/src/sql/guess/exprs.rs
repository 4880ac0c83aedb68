//! Inference from expressions: the types of their columns and results.

use datafusion::sql::sqlparser::ast::{
    AccessExpr, CeilFloorKind, DateTimeField, Expr, Query, Subscript, TypedString, UnaryOperator, Value,
    WindowSpec,
};

use super::{
    Guesser,
    evidence::{
        BOOLEAN, EXACT, INTEGER, INTERVAL, LIST, MAP, MOMENT, NUMBER, TEXT, TIME, Term, WHOLE, of_text,
    },
    literals::{literal, number, text, text_of, typed},
};
use crate::Error;

impl Guesser<'_> {
    /// Walks an expression, and infers its type.
    pub(super) fn expr(&mut self, expr: &mut Expr) -> Result<Term, Error> {
        stacker::maybe_grow(128 << 10, 4 << 20, || self.one(expr))
    }

    fn one(&mut self, expr: &mut Expr) -> Result<Term, Error> {
        Ok(match expr {
            Expr::Identifier(_) => self.identifier(expr)?,
            Expr::CompoundIdentifier(parts) => self.qualified(parts)?,
            Expr::Nested(inner) => self.expr(inner)?,
            Expr::Value(value) => match &value.value {
                Value::Number(digits, _) => Term::Is(number(digits)),
                Value::Boolean(_) => Term::Is(BOOLEAN),
                Value::Null | Value::Placeholder(_) => Term::Nothing,
                other => Term::Is(text_of(other).map_or(TEXT, |text| of_text(&text))),
            },
            Expr::TypedString(TypedString { data_type, .. }) => Term::Is(typed(data_type)),
            Expr::Interval(interval) => {
                self.expr(&mut interval.value)?;
                Term::Is(INTERVAL)
            }
            Expr::UnaryOp { op: UnaryOperator::Not, expr } => {
                self.condition(expr)?;
                Term::Is(BOOLEAN)
            }
            Expr::UnaryOp { expr, .. } => {
                let inner = self.expr(expr)?;
                self.classes.mark(inner, NUMBER);
                inner
            }
            Expr::BinaryOp { left, op, right } => return self.binary(left, op, right),
            Expr::IsTrue(inner) | Expr::IsNotTrue(inner) | Expr::IsFalse(inner) | Expr::IsNotFalse(inner) => {
                self.condition(inner)?;
                Term::Is(BOOLEAN)
            }
            Expr::IsNull(inner) | Expr::IsNotNull(inner) => {
                self.expr(inner)?;
                Term::Is(BOOLEAN)
            }
            Expr::IsDistinctFrom(left, right) | Expr::IsNotDistinctFrom(left, right) => {
                return self.compared(left, right);
            }
            Expr::InList { expr, list, .. } => {
                let one = self.expr(expr)?;
                for item in list {
                    self.compared_with(one, expr, item)?;
                }
                Term::Is(BOOLEAN)
            }
            Expr::Between { expr, low, high, .. } => {
                let one = self.expr(expr)?;
                self.compared_with(one, expr, low)?;
                self.compared_with(one, expr, high)?;
                Term::Is(BOOLEAN)
            }
            Expr::InSubquery { expr, subquery, .. } => {
                let left = self.expr(expr)?;
                let right = self.scalar(subquery)?;
                self.classes.unify(left, right);
                Term::Is(BOOLEAN)
            }
            Expr::AnyOp { left, right, .. } | Expr::AllOp { left, right, .. } => {
                return self.compared(left, right);
            }
            Expr::Subquery(query) => self.scalar(query)?,
            Expr::Exists { subquery, .. } => {
                self.exists = true;
                self.query(subquery)?;
                self.exists = false;
                Term::Is(BOOLEAN)
            }
            Expr::Like { expr, pattern, .. }
            | Expr::ILike { expr, pattern, .. }
            | Expr::SimilarTo { expr, pattern, .. }
            | Expr::RLike { expr, pattern, .. } => {
                let (term, other) = (self.need(expr, TEXT)?, self.need(pattern, TEXT)?);
                if let (Term::Column(_), Some(pattern)) = (term, literal(pattern)) {
                    self.classes.example(term, pattern.replace(['%', '_'], ""));
                }
                self.classes.mark(other, TEXT);
                Term::Is(BOOLEAN)
            }
            Expr::Case { operand, conditions, else_result, .. } => {
                let mut result = Term::Nothing;
                let one = operand.as_mut().map(|operand| self.expr(operand)).transpose()?;
                for case in conditions {
                    match (&operand, one) {
                        (Some(operand), Some(one)) => {
                            self.compared_with(one, operand, &mut case.condition)?
                        }
                        _ => self.condition(&mut case.condition)?,
                    }
                    let own = self.expr(&mut case.result)?;
                    result = self.either(result, own);
                }
                if let Some(last) = else_result {
                    let own = self.expr(last)?;
                    result = self.either(result, own);
                }
                result
            }
            Expr::Cast { expr, data_type, .. } => {
                let uses = typed(data_type);
                match uses & (INTEGER | NUMBER | EXACT) != 0 {
                    true => self.need(expr, uses & !WHOLE)?,
                    false => self.need(expr, uses & (TIME | BOOLEAN))?,
                };
                Term::Is(uses)
            }
            Expr::Extract { field, expr, .. } => {
                let hours = matches!(
                    field,
                    DateTimeField::Hour
                        | DateTimeField::Minute
                        | DateTimeField::Second
                        | DateTimeField::Epoch
                );
                self.need(expr, if hours { TIME | MOMENT } else { TIME })?;
                Term::Is(INTEGER)
            }
            Expr::AtTimeZone { timestamp, .. } => {
                self.need(timestamp, TIME | MOMENT)?;
                Term::Is(TIME | MOMENT)
            }
            Expr::Ceil { expr, field } | Expr::Floor { expr, field } => {
                let time =
                    matches!(field, CeilFloorKind::DateTimeField(unit) if *unit != DateTimeField::NoDateTime);
                self.need(expr, if time { TIME } else { NUMBER })?;
                Term::Is(if time { TIME } else { NUMBER })
            }
            Expr::Position { expr, r#in } => {
                self.need(expr, TEXT)?;
                self.need(r#in, TEXT)?;
                Term::Is(INTEGER)
            }
            Expr::Substring { expr, substring_from, substring_for, .. } => {
                self.need(expr, TEXT)?;
                for count in [substring_from, substring_for].into_iter().flatten() {
                    self.need(count, WHOLE)?;
                }
                Term::Is(TEXT)
            }
            Expr::Trim { expr, trim_what, .. } => {
                self.need(expr, TEXT)?;
                if let Some(what) = trim_what {
                    self.need(what, TEXT)?;
                }
                Term::Is(TEXT)
            }
            Expr::CompoundFieldAccess { root, access_chain } => {
                let term = self.expr(root)?;
                for access in access_chain {
                    let AccessExpr::Subscript(subscript) = access else { continue };
                    match subscript {
                        Subscript::Index { index } => match literal(index) {
                            Some(key) if text(index) => {
                                self.classes.mark(term, MAP);
                                self.classes.example(term, key);
                            }
                            _ => {
                                self.need(index, WHOLE)?;
                                self.classes.mark(term, LIST);
                            }
                        },
                        Subscript::Slice { .. } => self.classes.mark(term, LIST),
                    }
                }
                Term::Is(TEXT)
            }
            Expr::Lambda(lambda) => {
                let before = self.lambdas.len();
                let many = lambda.params.iter().map(|param| param.name.value.to_lowercase());
                self.lambdas.extend(many);
                let body = self.expr(&mut lambda.body);
                self.lambdas.truncate(before);
                body?;
                Term::Nothing
            }
            Expr::Function(function) => return self.call(function),
            other => {
                self.visit(other, -1)?;
                Term::Nothing
            }
        })
    }

    /// Walks a scalar subquery.
    fn scalar(&mut self, query: &mut Query) -> Result<Term, Error> {
        Ok(self.query(query)?.known.first().map_or(Term::Nothing, |(_, term)| *term))
    }

    pub(super) fn window(&mut self, spec: &mut WindowSpec) -> Result<(), Error> {
        self.every(&mut spec.partition_by)?;
        for by in &mut spec.order_by {
            self.expr(&mut by.expr)?;
        }
        Ok(())
    }
}
