//! Rewrites `SHOW CATALOGS`, `SCHEMAS`, `TABLES` and `COLUMNS` as queries over `information_schema`.

use std::sync::Arc;

use datafusion::sql::sqlparser::tokenizer::Token;

use super::tokens::{blank, keyword, tokens};
use crate::{Error, Scope, catalog::Snapshot};

/// Rewrites a SHOW; `None` for other statements.
pub(super) fn query(
    sql: &str,
    scope: &Scope,
    snapshot: impl FnOnce() -> Arc<Snapshot>,
) -> Result<Option<String>, Error> {
    let words = sql.trim_start().get(..4).is_some_and(|start| start.eq_ignore_ascii_case("show"));
    if !words {
        return Ok(None);
    }
    let snapshot = &snapshot();
    let tokens: Vec<Token> =
        tokens(sql)?.into_iter().map(|token| token.token).filter(|token| !blank(token)).collect();
    let mut rest = tokens.iter().skip(1).peekable();
    let mut what = rest.next().and_then(keyword).unwrap_or_default();
    if what == "FULL" {
        what = rest.next().and_then(keyword).unwrap_or_default();
    }
    if !matches!(what.as_str(), "CATALOGS" | "SCHEMAS" | "DATABASES" | "TABLES" | "COLUMNS") {
        return Ok(None);
    }
    let mut names: Vec<String> = Vec::new();
    while rest.next_if(|token| matches!(keyword(token).as_deref(), Some("FROM" | "IN"))).is_some() {
        let mut own = Vec::new();
        while let Some(Token::Word(word)) = rest.next() {
            own.push(word.value.clone());
            if rest.next_if(|token| **token == Token::Period).is_none() {
                break;
            }
        }
        // SHOW COLUMNS FROM table FROM schema.
        own.extend(std::mem::take(&mut names));
        names = own;
    }
    let mut pattern = String::new();
    if rest.next_if(|token| keyword(token).as_deref() == Some("LIKE")).is_some()
        && let Some(Token::SingleQuotedString(text)) = rest.next()
    {
        pattern = text.replace('\'', "''");
    }
    if let Some(other) = rest.next() {
        return Err(Error::invalid(format!("SHOW {what}: expected FROM, IN or LIKE, found {other}")));
    }
    let text = |name: &str| name.replace('\'', "''");
    let quoted = |name: &str| format!("\"{}\"", name.replace('"', "\"\""));
    let like = |column: &str| match pattern.is_empty() {
        true => String::new(),
        false => format!(" AND {column} ILIKE '{pattern}'"),
    };
    let within = |catalog: Option<&String>| catalog.map(|name| format!("{name}.")).unwrap_or_default();
    Ok(Some(match (what.as_str(), names.as_slice()) {
        ("CATALOGS", []) => {
            let rows: Vec<String> =
                snapshot.by_name.keys().map(|name| format!("('{}')", text(name))).collect();
            let rows = if rows.is_empty() { "(NULL)".to_owned() } else { rows.join(", ") };
            format!(
                "SELECT catalog_name FROM (VALUES {rows}) c(catalog_name) WHERE catalog_name IS NOT NULL{} ORDER BY 1",
                like("catalog_name")
            )
        }
        ("SCHEMAS" | "DATABASES", [] | [_]) => format!(
            "SELECT schema_name FROM {}information_schema.schemata WHERE true{} ORDER BY 1",
            within(names.first()),
            like("schema_name")
        ),
        ("TABLES", [] | [_] | [_, _]) => {
            let schema = match names.last() {
                Some(name) => format!("lower('{}')", text(name)),
                None => format!("lower('{}')", text(&current(snapshot, scope))),
            };
            format!(
                "SELECT table_name FROM {}information_schema.tables WHERE lower(table_schema) = {schema}{} ORDER BY 1",
                within((names.len() == 2).then(|| &names[0])),
                like("table_name")
            )
        }
        ("COLUMNS", [.., _]) if names.len() <= 3 => {
            let path: Vec<String> = names.iter().map(|name| quoted(name)).collect();
            return Ok(Some(format!("DESCRIBE {}", unquoted(&names).unwrap_or_else(|| path.join(".")))));
        }
        _ => return Ok(None),
    }))
}

/// The schema of unqualified names.
fn current(snapshot: &Snapshot, scope: &Scope) -> String {
    let catalog = if scope.catalog.is_empty() { &snapshot.default } else { &scope.catalog };
    let found = snapshot.by_name.iter().find(|(name, _)| name.eq_ignore_ascii_case(catalog));
    let default = found.and_then(|(_, schemas)| schemas.default_schema()).unwrap_or_default();
    if scope.schema.is_empty() { default.to_owned() } else { scope.schema.clone() }
}

/// Writes names without quotes, so that their case does not matter.
fn unquoted(names: &[String]) -> Option<String> {
    let plain = |name: &String| {
        name.chars().all(|sign| sign.is_ascii_alphanumeric() || sign == '_')
            && !name.starts_with(|sign: char| sign.is_ascii_digit())
    };
    names.iter().all(plain).then(|| names.join("."))
}
