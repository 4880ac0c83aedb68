//! The tokenizer of the dialect. It is sqlparser's generic dialect except for string literals, which only the
//! tokenizer handles: the parser gets tokens, and the generic dialect.

use std::any::TypeId;

use datafusion::sql::sqlparser::{
    dialect::{Dialect, GenericDialect},
    tokenizer::{Token, TokenWithSpan, Tokenizer},
};

use crate::Error;

/// The most tokens in one text.
const MOST: usize = 500_000;

/// Backslash escapes in string literals, as in Hive and MySQL: `\'`, `\\`, `\n`, `\t`. `\%` and `\_` stay two
/// characters, so that LIKE matches the character itself.
#[derive(Debug)]
struct Escaping;

impl Dialect for Escaping {
    fn supports_string_literal_backslash_escape(&self) -> bool {
        true
    }

    fn ignores_wildcard_escapes(&self) -> bool {
        true
    }

    fn dialect(&self) -> TypeId {
        TypeId::of::<GenericDialect>()
    }

    fn is_delimited_identifier_start(&self, ch: char) -> bool {
        GenericDialect.is_delimited_identifier_start(ch)
    }

    fn is_identifier_start(&self, ch: char) -> bool {
        GenericDialect.is_identifier_start(ch)
    }

    fn is_identifier_part(&self, ch: char) -> bool {
        GenericDialect.is_identifier_part(ch)
    }

    fn supports_unicode_string_literal(&self) -> bool {
        GenericDialect.supports_unicode_string_literal()
    }

    fn supports_nested_comments(&self) -> bool {
        GenericDialect.supports_nested_comments()
    }

    fn supports_multiline_comment_hints(&self) -> bool {
        GenericDialect.supports_multiline_comment_hints()
    }

    fn supports_pipe_operator(&self) -> bool {
        GenericDialect.supports_pipe_operator()
    }

    fn supports_string_escape_constant(&self) -> bool {
        GenericDialect.supports_string_escape_constant()
    }

    fn supports_quote_delimited_string(&self) -> bool {
        GenericDialect.supports_quote_delimited_string()
    }
}

/// Tokenizes a text.
pub(super) fn tokens(sql: &str) -> Result<Vec<TokenWithSpan>, Error> {
    let tokens = Tokenizer::new(&Escaping, sql).tokenize_with_location()?;
    let tokens = divisions(maps(tokens));
    if tokens.len() > MOST {
        return Err(Error::invalid(format!(
            "the SQL text is too long: {} tokens, at most {MOST}",
            tokens.len()
        )));
    }
    Ok(tokens)
}

/// Turns `MAP[k, v]`, which the parser would read as an element of `MAP`, into a call.
fn maps(mut tokens: Vec<TokenWithSpan>) -> Vec<TokenWithSpan> {
    let mut open: Vec<bool> = Vec::new();
    for at in 0..tokens.len() {
        match tokens[at].token {
            Token::LBracket => {
                let map = at
                    .checked_sub(1)
                    .filter(|before| keyword(&tokens[*before].token).as_deref() == Some("MAP"));
                open.push(map.is_some());
                if let Some(before) = map {
                    tokens[before].token = Token::make_word("map_of", None);
                    tokens[at].token = Token::LParen;
                }
            }
            Token::RBracket if open.pop() == Some(true) => tokens[at].token = Token::RParen,
            _ => {}
        }
    }
    tokens
}

/// Words after which no operator can be.
const BEFORE: [&str; 22] = [
    "ALL", "AND", "AS", "BETWEEN", "BY", "CASE", "DISTINCT", "ELSE", "EXCEPT", "FROM", "HAVING", "ILIKE",
    "IN", "LIKE", "LIMIT", "NOT", "ON", "OR", "SELECT", "THEN", "WHEN", "WHERE",
];

/// Words before which no operator can be.
const AFTER: [&str; 19] = [
    "AND",
    "AS",
    "ASC",
    "DESC",
    "ELSE",
    "END",
    "EXCEPT",
    "FROM",
    "GROUP",
    "HAVING",
    "INTERSECT",
    "IS",
    "LIMIT",
    "OR",
    "ORDER",
    "THEN",
    "UNION",
    "WHEN",
    "WHERE",
];

/// Turns `a DIV b` into `a // b`, which the parser knows.
fn divisions(mut tokens: Vec<TokenWithSpan>) -> Vec<TokenWithSpan> {
    let word = |token: &Token, others: &[&str]| match token {
        Token::Word(word) => {
            word.quote_style.is_some() || !others.contains(&word.value.to_uppercase().as_str())
        }
        Token::Number(..) => true,
        _ => false,
    };
    let ends = |token: &Token| word(token, &BEFORE) || matches!(token, Token::RParen | Token::RBracket);
    let begins = |token: &Token| word(token, &AFTER) || matches!(token, Token::LParen | Token::Minus);
    let mut last: Option<usize> = None;
    for at in 0..tokens.len() {
        if matches!(tokens[at].token, Token::Whitespace(_)) {
            continue;
        }
        if keyword(&tokens[at].token).as_deref() == Some("DIV")
            && last.is_some_and(|before| ends(&tokens[before].token))
            && tokens[at + 1..]
                .iter()
                .find(|next| !blank(&next.token))
                .is_some_and(|next| begins(&next.token))
        {
            tokens[at].token = Token::DuckIntDiv;
        }
        last = Some(at);
    }
    tokens
}

/// Returns whether a token is whitespace or a comment.
pub(super) fn blank(token: &Token) -> bool {
    matches!(token, Token::Whitespace(_) | Token::SemiColon | Token::EOF)
}

/// Numbers each `?`, and returns all numbers, in order.
pub(super) fn number(tokens: &mut [TokenWithSpan]) -> Result<Vec<usize>, Error> {
    let (mut marks, mut numbers) = (0, Vec::new());
    for token in tokens {
        let Token::Placeholder(name) = &mut token.token else { continue };
        if name == "?" {
            marks += 1;
            *name = format!("${marks}");
        } else {
            let number = name.strip_prefix('$').and_then(|digits| digits.parse().ok());
            match number.filter(|number| (1..=65_535).contains(number)) {
                Some(number) => numbers.push(number),
                None => return Err(Error::invalid(format!("placeholder {name}: expected ? or $1, $2 …"))),
            }
        }
    }
    if marks > 0 && !numbers.is_empty() {
        return Err(Error::invalid("placeholders are either all ? or all $1, $2 …, not both"));
    }
    numbers.extend(1..=marks);
    numbers.sort_unstable();
    numbers.dedup();
    Ok(numbers)
}

/// The word of a token in upper case, if it may be a keyword.
pub(super) fn keyword(token: &Token) -> Option<String> {
    match token {
        Token::Word(word) if word.quote_style.is_none() => Some(word.value.to_uppercase()),
        _ => None,
    }
}
