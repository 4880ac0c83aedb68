//! What an expression tells of the columns in it, and what it is itself.

use std::ops::ControlFlow;

use datafusion::sql::sqlparser::ast::{
    AccessExpr, BinaryOperator as Op, CeilFloorKind, DataType, DateTimeField, Expr, Query, Subscript,
    TypedString, UnaryOperator, Value, VisitMut, VisitorMut, WindowSpec,
};

use super::{
    Guesser,
    evidence::{
        BOOLEAN, EXACT, INTEGER, INTERVAL, LIST, MAP, MOMENT, NUMBER, SUM, TEXT, TIME, Term, Uses, WHOLE,
        of_text,
    },
};
use crate::{Error, catalog::Kind};

impl Guesser<'_> {
    /// Walks an expression, and tells what it is.
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
                for item in list {
                    self.compared(expr, item)?;
                }
                Term::Is(BOOLEAN)
            }
            Expr::Between { expr, low, high, .. } => {
                self.compared(expr, low)?;
                self.compared(expr, high)?;
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
                for case in conditions {
                    match operand {
                        Some(operand) => drop(self.compared(operand, &mut case.condition)?),
                        None => self.condition(&mut case.condition)?,
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

    /// Walks the outermost expressions of something.
    pub(super) fn inside(&mut self, node: &mut impl VisitMut) -> Result<(), Error> {
        self.visit(node, 0)
    }

    fn visit(&mut self, node: &mut impl VisitMut, depth: isize) -> Result<(), Error> {
        match node.visit(&mut Inside { guesser: self, depth }) {
            ControlFlow::Continue(()) => Ok(()),
            ControlFlow::Break(error) => Err(error),
        }
    }

    /// The column of a subquery.
    fn scalar(&mut self, query: &mut Query) -> Result<Term, Error> {
        Ok(self.query(query)?.known.first().map_or(Term::Nothing, |(_, term)| *term))
    }

    /// Two expressions that are compared.
    fn compared(&mut self, left: &mut Expr, right: &mut Expr) -> Result<Term, Error> {
        let (one, other) = (self.expr(left)?, self.expr(right)?);
        self.classes.unify(one, other);
        for (term, expr) in [(one, right), (other, left)] {
            if let (Term::Column(_), Some(value)) = (term, literal(expr)) {
                self.classes.example(term, value);
            }
        }
        Ok(Term::Is(BOOLEAN))
    }

    /// One of two values. A text beside a number makes a text of that, wherever it stands.
    pub(super) fn either(&mut self, one: Term, other: Term) -> Term {
        let soft = |term| match term {
            Term::Is(uses) => Term::Is(uses & !TEXT),
            term => term,
        };
        self.classes.unify(soft(one), soft(other));
        if one == Term::Nothing { other } else { one }
    }

    /// Walks an expression whose value has to be of a kind.
    pub(super) fn need(&mut self, expr: &mut Expr, uses: Uses) -> Result<Term, Error> {
        let term = self.expr(expr)?;
        self.classes.mark(term, uses);
        let moved = matches!(term, Term::Is(own) if own & (TIME | INTERVAL) != 0);
        if uses != 0 && !moved {
            self.parts(expr, uses)?;
        }
        Ok(term)
    }

    /// The parts of an expression that was walked have to be of a kind too: results of CASE, and what is
    /// added up.
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

    fn binary(&mut self, left: &mut Expr, op: &Op, right: &mut Expr) -> Result<Term, Error> {
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

    /// Whether something is a date or a timestamp, by what is known so far.
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

    pub(super) fn window(&mut self, spec: &mut WindowSpec) -> Result<(), Error> {
        self.every(&mut spec.partition_by)?;
        for by in &mut spec.order_by {
            self.expr(&mut by.expr)?;
        }
        Ok(())
    }
}

fn number(digits: &str) -> Uses {
    match digits.bytes().all(|digit| digit.is_ascii_digit()) {
        true => INTEGER,
        false => EXACT,
    }
}

fn text_of(value: &Value) -> Option<String> {
    match value {
        Value::SingleQuotedString(text)
        | Value::DoubleQuotedString(text)
        | Value::EscapedStringLiteral(text) => Some(text.clone()),
        _ => None,
    }
}

fn text(expr: &Expr) -> bool {
    matches!(expr, Expr::Value(value) if text_of(&value.value).is_some())
}

/// The uses that a type of a cast or a literal tells.
fn typed(data_type: &DataType) -> Uses {
    match data_type {
        DataType::Date | DataType::Date32 => TIME,
        DataType::Datetime(_) | DataType::Timestamp(..) | DataType::TimestampNtz(..) => TIME | MOMENT,
        DataType::Boolean | DataType::Bool => BOOLEAN,
        other => {
            let name = other.to_string().to_uppercase();
            let starts = |words: &[&str]| words.iter().any(|word| name.starts_with(word));
            match () {
                () if starts(&["INTERVAL"]) => INTERVAL,
                () if starts(&["TIMESTAMP", "DATETIME"]) => TIME | MOMENT,
                () if starts(&["BIGINT", "INT", "SMALLINT", "TINYINT", "LONG", "SHORT", "BYTE"]) => INTEGER,
                () if starts(&["DOUBLE", "FLOAT", "REAL"]) => NUMBER,
                () if starts(&["DEC", "NUMERIC", "NUMBER"]) => EXACT,
                () if starts(&["VARCHAR", "CHAR", "STRING", "TEXT", "NVARCHAR"]) => TEXT,
                () => 0,
            }
        }
    }
}

/// The value of a literal, or of something close to one.
fn literal(expr: &Expr) -> Option<String> {
    match expr {
        Expr::Value(value) => match &value.value {
            Value::Number(digits, _) => Some(digits.clone()),
            other => text_of(other),
        },
        Expr::TypedString(TypedString { value, .. }) => text_of(&value.value),
        Expr::Nested(inner) | Expr::Cast { expr: inner, .. } => literal(inner),
        Expr::UnaryOp { op: UnaryOperator::Minus, expr } => literal(expr).map(|digits| format!("-{digits}")),
        _ => None,
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
