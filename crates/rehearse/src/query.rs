//! The queries that clients run, with their expected rows.

use std::{fs, path::Path, sync::Arc};

use rand::{Rng, rngs::SmallRng};
use serde::Deserialize;

use protocol::results::Cell;

/// The source of queries.
#[derive(Clone, Debug)]
pub enum Queries {
    /// Generated; each one is different and has a known result.
    MadeUp,
    /// From a file, in turn.
    Given(Arc<[Query]>),
}

/// A query.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Query {
    /// The SQL text.
    pub sql: String,
    /// The expected rows, in order. `None` accepts any.
    pub(crate) rows: Option<Vec<Vec<Cell>>>,
}

/// Why a file of queries is invalid.
#[derive(Debug, thiserror::Error)]
pub enum BadQueries {
    /// The file cannot be read.
    #[error("expected a readable file ({0})")]
    Unreadable(#[from] std::io::Error),
    /// The file has another structure than expected.
    #[error("expected TOML with [[query]] tables of sql and rows ({0})")]
    NoToml(String),
    /// The file has no queries.
    #[error("expected at least one [[query]] table")]
    Empty,
    /// The rows of a query have different lengths.
    #[error("expected rows of the same length in query {0}")]
    Ragged(usize),
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    #[serde(default)]
    query: Vec<Entry>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    sql: String,
    rows: Option<Vec<Vec<toml::Value>>>,
}

impl Queries {
    /// Reads a file of `[[query]]` tables: `sql`, and `rows` as arrays, in which `{}` is null.
    pub fn read(file: &Path) -> Result<Self, BadQueries> {
        let text = fs::read_to_string(file)?;
        let file: File = toml::from_str(&text).map_err(|error| {
            BadQueries::NoToml(error.to_string().split_whitespace().collect::<Vec<_>>().join(" "))
        })?;
        let queries = file.query.into_iter().enumerate().map(|(at, entry)| {
            let rows = entry.rows.map(|rows| {
                rows.into_iter().map(|row| row.into_iter().map(cell).collect()).collect::<Vec<Vec<Cell>>>()
            });
            let mut lengths = rows.iter().flatten().map(Vec::len);
            if let Some(first) = lengths.next()
                && lengths.any(|length| length != first)
            {
                return Err(BadQueries::Ragged(at + 1));
            }
            Ok(Query { sql: entry.sql.trim().trim_end_matches(';').to_owned(), rows })
        });
        let queries = queries.collect::<Result<Vec<_>, _>>()?;
        if queries.is_empty() { Err(BadQueries::Empty) } else { Ok(Self::Given(queries.into())) }
    }

    /// The `turn`th query of a client.
    pub(super) fn next(&self, client: u32, turn: u64, random: &mut SmallRng) -> Query {
        match self {
            Self::MadeUp => made_up(client, turn, random),
            Self::Given(queries) => {
                let at = (u64::from(client) + turn) % queries.len() as u64;
                queries[usize::try_from(at).unwrap_or_default()].clone()
            }
        }
    }
}

fn cell(value: toml::Value) -> Cell {
    Some(match value {
        toml::Value::String(text) => text,
        toml::Value::Integer(number) => number.to_string(),
        toml::Value::Float(number) => number.to_string(),
        toml::Value::Boolean(value) => value.to_string(),
        toml::Value::Datetime(time) => time.to_string().replace(' ', "T"),
        toml::Value::Table(table) if table.is_empty() => return None,
        other => other.to_string(),
    })
}

/// Generates a query whose rows contain client and turn, so that rows of another query are noticed. It is plain SQL
/// without tables, which any engine runs.
fn made_up(client: u32, turn: u64, random: &mut SmallRng) -> Query {
    const DIGITS: &str = "(VALUES (0), (1), (2), (3), (4), (5), (6), (7), (8), (9))";
    let first: i64 = random.random_range(0..1_000_000_000);
    let tag = format!("client {client} query {turn}");
    let (sql, count) = match random.random_range(0..20) {
        0..14 => (format!("SELECT {first} AS id, '{tag}' AS tag, {first} * 7 AS seven"), 1),
        14..19 => (
            format!(
                "SELECT {first} + n AS id, '{tag}' AS tag, ({first} + n) * 7 AS seven \
                 FROM {DIGITS} AS a(n) ORDER BY 1"
            ),
            10,
        ),
        _ => (
            format!(
                "SELECT {first} + a.n * 100 + b.n * 10 + c.n AS id, '{tag}' AS tag, \
                 ({first} + a.n * 100 + b.n * 10 + c.n) * 7 AS seven \
                 FROM {DIGITS} AS a(n) CROSS JOIN {DIGITS} AS b(n) CROSS JOIN {DIGITS} AS c(n) ORDER BY 1"
            ),
            1000,
        ),
    };
    let row = |id: i64| vec![Some(id.to_string()), Some(tag.clone()), Some((id * 7).to_string())];
    Query { sql, rows: Some((first..first + count).map(row).collect()) }
}

/// Compares the rows read with the expected ones; returns the first difference.
pub(super) fn differs(query: &Query, found: &[Vec<Cell>]) -> Option<String> {
    let expected = query.rows.as_ref()?;
    let text = |row: Option<&Vec<Cell>>| match row {
        None => "nothing".to_owned(),
        Some(row) => {
            let cells = row.iter().map(|cell| cell.as_deref().unwrap_or("NULL"));
            cells.collect::<Vec<_>>().join(" | ")
        }
    };
    let rows = expected.len().max(found.len());
    let at = (0..rows).find(|at| expected.get(*at) != found.get(*at))?;
    Some(format!(
        "wrong rows: {} of {}; row {at} is {}, expected {}",
        found.len(),
        expected.len(),
        text(found.get(at)),
        text(expected.get(at)),
    ))
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng;

    use super::*;

    fn read(text: &str) -> Result<Queries, BadQueries> {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("queries.toml");
        fs::write(&file, text).unwrap();
        Queries::read(&file)
    }

    #[test]
    fn a_file_of_queries_is_read() {
        let text = "[[query]]\nsql = \"SELECT 1;\"\nrows = [[1, 1.5, \"a\", true, 2026-01-31, {}]]\n\n[[query]]\nsql = 'SELECT now()'";
        let Queries::Given(queries) = read(text).unwrap() else { panic!("given") };
        let row = ["1", "1.5", "a", "true", "2026-01-31"].map(|cell| Some(cell.to_owned()));
        assert_eq!(queries[0].sql, "SELECT 1");
        assert_eq!(queries[0].rows, Some(vec![[&row[..], &[None]].concat()]));
        assert_eq!(queries[1].rows, None);
    }

    #[test]
    fn bad_files_are_explained_in_one_line() {
        for (text, expected) in [
            ("", "at least one"),
            ("[[query]]\nsql = 1", "TOML"),
            ("[[query]]\nrows = []", "sql"),
            ("[[query]]\nsql = 'SELECT 1'\nrow = [[1]]", "row"),
            ("[[query]]\nsql = 'SELECT 1'\nrows = [[1], [1, 2]]", "same length in query 1"),
        ] {
            let refusal = read(text).unwrap_err().to_string();
            assert!(refusal.contains(expected) && !refusal.contains('\n'), "{refusal}");
        }
        assert!(Queries::read(Path::new("/no/such")).is_err());
    }

    #[test]
    fn rows_of_another_query_are_noticed() {
        let mut random = SmallRng::seed_from_u64(1);
        let [one, other] = [0, 1].map(|turn| made_up(3, turn, &mut random));
        let rows = |query: &Query| query.rows.clone().unwrap();
        assert_eq!(differs(&one, &rows(&one)), None);
        assert!(differs(&one, &rows(&other)).unwrap().contains("client 3 query 1"));
        assert!(differs(&one, &[]).unwrap().contains("0 of"));
    }
}
