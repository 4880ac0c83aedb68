//! What may be asked: queries only, and not so deeply nested that a thread's stack could not hold them.

use std::{mem, ops::ControlFlow};

use datafusion::sql::{
    parser::Statement as DFStatement,
    sqlparser::{
        ast::{
            BinaryOperator, Expr, GroupByExpr, Query, Select, SetExpr, Statement, TableFactor, Value,
            VisitMut, VisitorMut,
        },
        keywords::Keyword,
        tokenizer::{Token, TokenWithSpan},
    },
};

use super::tokens::keyword;
use crate::Error;

/// Operators in each other at most, after long chains of AND and OR are balanced.
const DEPTH: usize = 400;
/// Tables, subqueries and functions in the FROM clauses of one statement at most.
const RELATIONS: usize = 500;
/// UNION, INTERSECT and EXCEPT in one chain at most.
const SET_OPERATIONS: usize = 500;

/// Conditions joined by AND and OR at most.
const CONDITIONS: usize = 20_000;
/// Of these, ANDs, and ORs that a NOT can make ANDs, at most: the planner makes a chain of them.
const CHAINED: usize = 1000;
/// Brackets and CASEs in each other at most.
const BRACKETS: usize = 100;
/// Subqueries in the expressions of each other at most: the time to plan them doubles with each.
const SUBQUERIES: usize = 12;

/// Statements that are no queries, by their first word.
const OTHERS: &[&str] = &[
    "ALTER",
    "ANALYZE",
    "ATTACH",
    "BEGIN",
    "CACHE",
    "CALL",
    "CLOSE",
    "COMMENT",
    "COMMIT",
    "COPY",
    "CREATE",
    "DEALLOCATE",
    "DECLARE",
    "DELETE",
    "DENY",
    "DETACH",
    "DISCARD",
    "DROP",
    "END",
    "EXECUTE",
    "EXPORT",
    "FETCH",
    "FLUSH",
    "GRANT",
    "IMPORT",
    "INSERT",
    "INSTALL",
    "KILL",
    "LISTEN",
    "LOAD",
    "LOCK",
    "MERGE",
    "MSCK",
    "NOTIFY",
    "OPTIMIZE",
    "PRAGMA",
    "PREPARE",
    "REFRESH",
    "RELEASE",
    "REPLACE",
    "RESET",
    "REVOKE",
    "ROLLBACK",
    "SAVEPOINT",
    "SET",
    "SHOW",
    "START",
    "TRUNCATE",
    "UNCACHE",
    "UNLISTEN",
    "UNLOAD",
    "UNLOCK",
    "UPDATE",
    "USE",
    "VACUUM",
];

/// What may follow such a word in its name.
const KINDS: &[&str] = &[
    "CATALOG",
    "DATABASE",
    "EXTERNAL",
    "FUNCTION",
    "INDEX",
    "INTO",
    "MATERIALIZED",
    "OR",
    "REPLACE",
    "ROLE",
    "SCHEMA",
    "TABLE",
    "TABLES",
    "TEMPORARY",
    "TRANSACTION",
    "UNBOUNDED",
    "USER",
    "VIEW",
];

/// Refuses a statement by its first words, before it is parsed.
pub(super) fn leading(tokens: &[&Token]) -> Result<(), Error> {
    let words: Vec<String> = tokens.iter().map_while(|token| keyword(token)).collect();
    match words.first() {
        Some(first) if OTHERS.contains(&first.as_str()) => {
            let rest = words[1..].iter().take_while(|word| KINDS.contains(&word.as_str()));
            let name: Vec<_> = std::iter::once(first).chain(rest).map(String::as_str).collect();
            Err(not_allowed(&name.join(" ")))
        }
        _ => Ok(()),
    }
}

/// Refuses brackets in brackets, which the parser would try in more than one way at each level.
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

/// A clause that the parser knows and the planner would leave out.
fn not_known(clause: &str) -> Error {
    Error::Invalid(format!("{clause} is not supported"))
}

fn not_allowed(name: &str) -> Error {
    Error::forbidden(format!("{name} is not allowed: only queries are"))
}

/// Checks a statement, and balances its chains of AND and OR.
pub(super) fn statement(statement: &mut DFStatement) -> Result<(), Error> {
    let mut statement = statement;
    while let DFStatement::Explain(explain) = statement {
        statement = explain.statement.as_mut();
    }
    match statement {
        DFStatement::Statement(statement) => {
            let mut inner = statement.as_mut();
            while let Statement::Explain { statement, .. } = inner {
                inner = statement.as_mut();
            }
            if !matches!(inner, Statement::Query(_) | Statement::ExplainTable { .. }) {
                let text = inner.to_string();
                let word = text.split_whitespace().next().unwrap_or("this statement");
                return Err(not_allowed(&word.to_uppercase()));
            }
            walk(inner)
        }
        DFStatement::CreateExternalTable(_) => Err(not_allowed("CREATE EXTERNAL TABLE")),
        DFStatement::CopyTo(_) => Err(not_allowed("COPY")),
        DFStatement::Reset(_) => Err(not_allowed("RESET")),
        DFStatement::Explain(_) => unreachable!("was unwrapped"),
    }
}

/// Checks an expression, and balances its chains of AND and OR.
pub(super) fn expression(expression: &mut Expr) -> Result<(), Error> {
    walk(expression)
}

fn walk(node: &mut impl VisitMut) -> Result<(), Error> {
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
    /// The depths at which queries begin, and how many of these are in expressions.
    queries: Vec<usize>,
    subqueries: usize,
}

impl Checker {
    /// Counts a condition, which is a link of a chain where it isn't plainly one of many ORs.
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
            let name = match body {
                SetExpr::SetOperation { .. } if chain == SET_OPERATIONS => {
                    let text = format!("more than {SET_OPERATIONS} set operations in one chain");
                    return ControlFlow::Break(Error::Invalid(text));
                }
                SetExpr::SetOperation { left, right, .. } => {
                    bodies.extend([(left.as_ref(), chain + 1), (right.as_ref(), chain + 1)]);
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

    fn pre_visit_select(&mut self, select: &mut Select) -> ControlFlow<Error> {
        if select.into.is_some() {
            return ControlFlow::Break(not_allowed("SELECT INTO"));
        }
        let (GroupByExpr::All(modifiers) | GroupByExpr::Expressions(_, modifiers)) = &select.group_by;
        let ignored = [
            ("PREWHERE", select.prewhere.is_some()),
            ("CONNECT BY", !select.connect_by.is_empty()),
            ("GROUP BY … WITH", !modifiers.is_empty()),
        ];
        match ignored.into_iter().find(|(_, there)| *there) {
            Some((clause, _)) => ControlFlow::Break(not_known(clause)),
            None => ControlFlow::Continue(()),
        }
    }

    fn pre_visit_table_factor(&mut self, table: &mut TableFactor) -> ControlFlow<Error> {
        if let TableFactor::Table { sample: Some(_), .. } | TableFactor::Derived { sample: Some(_), .. } =
            table
        {
            return ControlFlow::Break(not_known("TABLESAMPLE"));
        }
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

/// Makes `((a OR b) OR c) OR d` into `(a OR b) OR (c OR d)` where the chain is long.
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
