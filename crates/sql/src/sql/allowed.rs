//! Allows queries only.

use datafusion::sql::{
    parser::Statement as DFStatement,
    sqlparser::{ast::Statement, tokenizer::Token},
};

use super::tokens::keyword;
use crate::Error;

/// The first words of statements that are not queries.
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
    "WRITE",
];

/// The words that may follow in the name of such a statement.
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

/// Returns the query in a statement, or the table that it describes. Refuses everything else.
pub(super) fn query(statement: &mut DFStatement) -> Result<&mut Statement, Error> {
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
            Ok(inner)
        }
        DFStatement::CreateExternalTable(_) => Err(not_allowed("CREATE EXTERNAL TABLE")),
        DFStatement::CopyTo(_) => Err(not_allowed("COPY")),
        DFStatement::Reset(_) => Err(not_allowed("RESET")),
        DFStatement::Explain(_) => unreachable!("was unwrapped"),
    }
}

/// The error for a statement that is not a query.
pub(super) fn not_allowed(name: &str) -> Error {
    Error::forbidden(format!("{name} is not allowed: only queries are"))
}
