//! `SELECT … LIMIT 2 UNION ALL SELECT … LIMIT 1`, which the vendor's PySpark layer writes without brackets: each side
//! with a limit gets brackets. If only the last side has a limit, it applies to the whole, as in the standard.

use datafusion::sql::sqlparser::tokenizer::{Token, TokenWithSpan};

use super::tokens::{blank, keyword};

/// The state of the query in one pair of brackets.
#[derive(Default)]
struct Level {
    /// The start of the current side.
    start: Option<usize>,
    /// Whether the current side has an ORDER BY or a LIMIT.
    limited: bool,
    /// Whether an earlier side got brackets.
    wrapped: bool,
}

/// Inserts the brackets.
pub(super) fn bracketed(tokens: Vec<TokenWithSpan>) -> Vec<TokenWithSpan> {
    let sides = sides(&tokens);
    if sides.is_empty() {
        return tokens;
    }
    let count = tokens.len();
    let mut out = Vec::with_capacity(count + 2 * sides.len());
    for (at, token) in tokens.into_iter().enumerate() {
        let bracket = |token: Token, like: &TokenWithSpan| TokenWithSpan { token, span: like.span };
        for _ in sides.iter().filter(|(_, end)| *end == at) {
            out.push(bracket(Token::RParen, &token));
        }
        for _ in sides.iter().filter(|(start, _)| *start == at) {
            out.push(bracket(Token::LParen, &token));
        }
        out.push(token);
    }
    let ends = sides.iter().filter(|(_, end)| *end == count);
    out.extend(ends.map(|_| TokenWithSpan::wrap(Token::RParen)));
    out
}

/// The starts and ends of the sides that need brackets.
fn sides(tokens: &[TokenWithSpan]) -> Vec<(usize, usize)> {
    let (mut sides, mut levels) = (Vec::new(), vec![Level::default()]);
    // Whether the previous word is `*`: EXCEPT after it lists columns.
    let mut star = false;
    for (at, token) in tokens.iter().enumerate() {
        let ends = match &token.token {
            Token::LParen => {
                star = false;
                levels.push(Level::default());
                continue;
            }
            Token::RParen | Token::SemiColon | Token::EOF => true,
            _ => false,
        };
        let Some(level) = levels.last_mut() else { break };
        if ends {
            sides.extend(level.start.filter(|_| level.wrapped && level.limited).map(|start| (start, at)));
            match token.token {
                Token::RParen => drop(levels.pop()),
                _ => *level = Level::default(),
            }
            continue;
        }
        if blank(&token.token) {
            continue;
        }
        let columns = std::mem::replace(&mut star, token.token == Token::Mul);
        match keyword(&token.token).as_deref() {
            Some("EXCEPT") if columns => {}
            Some("SELECT" | "VALUES") if level.start.is_none() => level.start = Some(at),
            Some("LIMIT" | "ORDER") if level.start.is_some() => level.limited = true,
            Some("UNION" | "EXCEPT" | "INTERSECT" | "MINUS") => {
                let limited = level.start.filter(|_| level.limited);
                sides.extend(limited.map(|start| (start, at)));
                level.wrapped |= limited.is_some();
                (level.start, level.limited) = (None, false);
            }
            _ => {}
        }
    }
    if let [level] = levels.as_slice() {
        let open = level.start.filter(|_| level.wrapped && level.limited);
        sides.extend(open.map(|start| (start, tokens.len())));
    }
    sides
}
