//! Parses a text as one statement or one expression.

use datafusion::sql::{
    parser::{DFParser, DFParserBuilder, Statement},
    sqlparser::{
        ast::ExprWithAlias,
        dialect::GenericDialect,
        tokenizer::{Token, TokenWithSpan},
    },
};

use super::{
    allowed, clauses, depth, distinct, generators, limited,
    tokens::{blank, number, tokens},
};
use crate::Error;

/// The deepest nesting of brackets and subqueries.
const NESTING: usize = 128;

/// One statement, with its placeholders numbered.
#[derive(Debug)]
pub(crate) struct Parsed {
    pub(crate) statement: Statement,
    /// The numbers of the placeholders, in order.
    pub(crate) placeholders: Vec<usize>,
}

/// Parses a query. Refuses all other statements.
pub(crate) fn statement(sql: &str) -> Result<Parsed, Error> {
    let mut tokens = tokens(sql)?;
    let leading: Vec<_> =
        tokens.iter().map(|token| &token.token).filter(|token| !blank(token)).take(4).collect();
    if leading.is_empty() {
        return Err(Error::invalid("the SQL text is empty"));
    }
    allowed::leading(&leading)?;
    depth::brackets(&tokens)?;
    let placeholders = number(&mut tokens)?;
    let statement = deep(tokens.len(), move || {
        let mut statements = parser(limited::bracketed(distinct::marked(tokens)?))?.parse_statements()?;
        let (Some(mut statement), None) = (statements.pop_front(), statements.pop_front()) else {
            return Err(Error::invalid("one statement at a time: there is a second one after the semicolon"));
        };
        let query = allowed::query(&mut statement)?;
        depth::check(query)?;
        clauses::check(query)?;
        distinct::restored(query);
        generators::expanded(query);
        Ok(statement)
    })?;
    Ok(Parsed { statement, placeholders })
}

/// Parses one expression.
pub(crate) fn expression(sql: &str) -> Result<ExprWithAlias, Error> {
    let mut tokens = tokens(sql)?;
    if tokens.iter().all(|token| blank(&token.token)) {
        return Err(Error::invalid("the expression is empty"));
    }
    depth::brackets(&tokens)?;
    if !number(&mut tokens)?.is_empty() {
        return Err(Error::invalid("an expression of a DataFrame can't have placeholders"));
    }
    deep(tokens.len(), move || {
        let mut parser = parser(distinct::marked(tokens)?)?;
        let mut expression = parser.parse_expr()?;
        let next = parser.parser.peek_token();
        if next.token != Token::EOF {
            return Err(Error::invalid(format!("expected the end of the expression, found {next}")));
        }
        depth::check(&mut expression.expr)?;
        clauses::check(&mut expression.expr)?;
        distinct::restored(&mut expression.expr);
        Ok(expression)
    })
}

fn parser(tokens: Vec<TokenWithSpan>) -> Result<DFParser<'static>, Error> {
    static DIALECT: GenericDialect = GenericDialect;
    Ok(DFParserBuilder::new(tokens).with_dialect(&DIALECT).with_recursion_limit(NESTING).build()?)
}

/// Runs `work` with a stack large enough to build and drop a tree of this many tokens.
fn deep<T>(tokens: usize, work: impl FnOnce() -> T) -> T {
    if tokens < 1000 { work() } else { stacker::grow((8 << 20) + tokens * 1024, work) }
}
