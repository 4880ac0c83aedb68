//! Limits the depth and length of statements, so that they fit a thread's stack and planning ends.

use std::{mem, ops::ControlFlow};

use datafusion::sql::sqlparser::{
    ast::{BinaryOperator, Expr, Query, SetExpr, TableFactor, Value, VisitMut, VisitorMut},
    keywords::Keyword,
    tokenizer::{Token, TokenWithSpan},
};

use crate::Error;

/// The deepest nesting of operators, after long chains of AND and OR are balanced.
const DEPTH: usize = 400;
/// The most tables, subqueries and functions in the FROM clauses of one statement.
const RELATIONS: usize = 500;
/// The most UNION, INTERSECT and EXCEPT in one chain.
const SET_OPERATIONS: usize = 500;

/// The most conditions joined by AND and OR.
const CONDITIONS: usize = 20_000;
/// The most ANDs among them, and ORs that a NOT can turn into ANDs: the planner turns them into a deep chain.
const CHAINED: usize = 1000;
/// The deepest nesting of brackets and CASEs.
const BRACKETS: usize = 100;
/// The deepest nesting of subqueries in expressions: planning time doubles with each level.
const SUBQUERIES: usize = 12;

/// Refuses deeply nested brackets, which the parser tries in several ways at each level.
pub(super) fn brackets(tokens: &[TokenWithSpan]) -> Result<(), Error> {
    let mut open: usize = 0;
    for token in tokens {
        match &token.token {
            Token::LParen | Token::LBracket | Token::LBrace => open += 1,
            Token::RParen | Token::RBracket | Token::RBrace => open = open.saturating_sub(1),
            Token::Word(word) if word.quote_style.is_none() => match word.keyword {
                Keyword::CASE => open += 1,
                Keyword::END => open = open.saturating_sub(1),
                _ => {}
            },
            _ => {}
        }
        if open > BRACKETS {
            return Err(Error::invalid(format!(
                "the SQL is nested too deeply: more than {BRACKETS} brackets in each other"
            )));
        }
    }
    Ok(())
}

/// Checks a statement or an expression, and balances its chains of AND and OR.
pub(super) fn check(node: &mut impl VisitMut) -> Result<(), Error> {
    match node.visit(&mut Checker::default()) {
        ControlFlow::Continue(()) => Ok(()),
        ControlFlow::Break(error) => Err(error),
    }
}

#[derive(Default)]
struct Checker {
    depth: usize,
    relations: usize,
    conditions: usize,
    chained: usize,
    /// The depths at which expressions other than AND, OR and brackets begin.
    others: Vec<usize>,
    /// The depths at which queries begin, and how many of them are in expressions.
    queries: Vec<usize>,
    subqueries: usize,
}

impl Checker {
    /// Counts a condition. It is part of a chain unless it is clearly one of many ORs.
    fn condition(&mut self, op: &BinaryOperator) -> Result<(), Error> {
        self.conditions += 1;
        let within = self.others.last() > self.queries.last();
        self.chained += usize::from(within || *op == BinaryOperator::And);
        if self.conditions > CONDITIONS || self.chained > CHAINED {
            let text = format!("more than {CONDITIONS} conditions, or {CHAINED} that are joined by AND");
            return Err(Error::Invalid(text));
        }
        Ok(())
    }
}

impl VisitorMut for Checker {
    type Break = Error;

    fn pre_visit_query(&mut self, query: &mut Query) -> ControlFlow<Error> {
        let mut bodies = vec![(query.body.as_ref(), 0)];
        while let Some((body, chain)) = bodies.pop() {
            match body {
                SetExpr::SetOperation { .. } if chain == SET_OPERATIONS => {
                    let text = format!("more than {SET_OPERATIONS} set operations in one chain");
                    return ControlFlow::Break(Error::Invalid(text));
                }
                SetExpr::SetOperation { left, right, .. } => {
                    bodies.extend([(left.as_ref(), chain + 1), (right.as_ref(), chain + 1)]);
                }
                _ => {}
            }
        }
        self.subqueries += usize::from(self.depth > self.queries.last().copied().unwrap_or(0));
        self.queries.push(self.depth);
        if self.subqueries > SUBQUERIES {
            let text = format!("more than {SUBQUERIES} subqueries in the expressions of each other");
            return ControlFlow::Break(Error::Invalid(text));
        }
        ControlFlow::Continue(())
    }

    fn post_visit_query(&mut self, _: &mut Query) -> ControlFlow<Error> {
        self.queries.pop();
        self.subqueries -= usize::from(self.depth > self.queries.last().copied().unwrap_or(0));
        ControlFlow::Continue(())
    }

    fn pre_visit_table_factor(&mut self, _: &mut TableFactor) -> ControlFlow<Error> {
        self.relations += 1;
        if self.relations > RELATIONS {
            return ControlFlow::Break(Error::Invalid(format!(
                "more than {RELATIONS} tables in one statement"
            )));
        }
        ControlFlow::Continue(())
    }

    fn pre_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<Error> {
        balance(expr);
        self.depth += 1;
        if self.depth > DEPTH {
            let text = format!("the SQL is nested too deeply: more than {DEPTH} operators in each other");
            return ControlFlow::Break(Error::Invalid(text));
        }
        match expr {
            Expr::BinaryOp { op: op @ (BinaryOperator::And | BinaryOperator::Or), .. } => {
                if let Err(error) = self.condition(op) {
                    return ControlFlow::Break(error);
                }
            }
            Expr::Nested(_) => {}
            _ => self.others.push(self.depth),
        }
        ControlFlow::Continue(())
    }

    fn post_visit_expr(&mut self, _: &mut Expr) -> ControlFlow<Error> {
        if self.others.last() == Some(&self.depth) {
            self.others.pop();
        }
        self.depth -= 1;
        ControlFlow::Continue(())
    }
}

/// Balances long chains: `((a OR b) OR c) OR d` becomes `(a OR b) OR (c OR d)`.
fn balance(expr: &mut Expr) {
    let Expr::BinaryOp { op, left, .. } = expr else { return };
    let op = op.clone();
    let chain = matches!(left.as_ref(), Expr::BinaryOp { op: inner, .. } if *inner == op);
    if !chain || !matches!(op, BinaryOperator::And | BinaryOperator::Or) {
        return;
    }
    let null = || Expr::Value(Value::Null.with_empty_span());
    let (mut terms, mut rest) = (Vec::new(), vec![mem::replace(expr, null())]);
    while let Some(next) = rest.pop() {
        match next {
            Expr::BinaryOp { left, op: inner, right } if inner == op => rest.extend([*right, *left]),
            term => terms.push(term),
        }
    }
    let join = |left, right| Expr::BinaryOp { left: Box::new(left), op: op.clone(), right: Box::new(right) };
    if terms.len() <= 32 {
        *expr = terms.into_iter().reduce(join).unwrap_or_else(null);
        return;
    }
    while terms.len() > 1 {
        let mut pairs = terms.into_iter();
        terms = Vec::new();
        while let Some(left) = pairs.next() {
            terms.push(match pairs.next() {
                Some(right) => join(left, right),
                None => left,
            });
        }
    }
    *expr = terms.pop().unwrap_or_else(null);
}
