//! `a IS [NOT] DISTINCT FROM b AND c`. The parser would compare `a` with `b AND c`. So the words are replaced by
//! operators that bind like comparisons, and restored after parsing.

use std::ops::ControlFlow;

use datafusion::sql::sqlparser::{
    ast::{BinaryOperator, Expr, Value, VisitMut, visit_expressions_mut},
    tokenizer::{Token, TokenWithSpan},
};

use super::tokens::{blank, keyword};
use crate::Error;

/// Stands for IS DISTINCT FROM during parsing; the dialect has no such operator.
const MARK: Token = Token::ExclamationMarkDoubleTildeAsterisk;

/// Replaces the words by operators.
pub(super) fn marked(tokens: Vec<TokenWithSpan>) -> Result<Vec<TokenWithSpan>, Error> {
    if tokens.iter().any(|token| token.token == MARK) {
        return Err(Error::invalid("the operator !~~* is not supported: use NOT ILIKE"));
    }
    let mut marked: Vec<TokenWithSpan> = Vec::with_capacity(tokens.len());
    // The positions of the words IS, NOT and DISTINCT seen last.
    let mut seen: Vec<(&str, usize)> = Vec::new();
    for token in tokens {
        if matches!(token.token, Token::Whitespace(_)) {
            marked.push(token);
            continue;
        }
        let word = if blank(&token.token) { None } else { keyword(&token.token) };
        let words: Vec<&str> = seen.iter().map(|(word, _)| *word).collect();
        match (word.as_deref(), words.as_slice()) {
            (Some("IS"), _) => seen = vec![("IS", marked.len())],
            (Some("NOT"), ["IS"]) => seen.push(("NOT", marked.len())),
            (Some("DISTINCT"), ["IS"] | ["IS", "NOT"]) => seen.push(("DISTINCT", marked.len())),
            (Some("FROM"), ["IS", .., "DISTINCT"]) => {
                let operator = if words.len() == 3 { Token::Spaceship } else { MARK };
                marked.truncate(seen[0].1);
                seen.clear();
                marked.push(TokenWithSpan { token: operator, span: token.span });
                continue;
            }
            _ => seen.clear(),
        }
        marked.push(token);
    }
    Ok(marked)
}

/// Turns the operators back into comparisons.
pub(super) fn restored(node: &mut impl VisitMut) {
    let _: ControlFlow<()> = visit_expressions_mut(node, |expr| {
        if let Expr::BinaryOp { left, op, right } = expr {
            let null = || Box::new(Expr::Value(Value::Null.with_empty_span()));
            let take = |side: &mut Box<Expr>| std::mem::replace(side, null());
            match op {
                BinaryOperator::Spaceship => *expr = Expr::IsNotDistinctFrom(take(left), take(right)),
                BinaryOperator::PGNotILikeMatch => *expr = Expr::IsDistinctFrom(take(left), take(right)),
                _ => {}
            }
        }
        ControlFlow::Continue(())
    });
}
