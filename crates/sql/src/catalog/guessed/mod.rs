//! Tables that are in no catalog, and are generated because a query names them: what queries asked of them so far
//! (`Guesses`), and their rows (`rows`, `values`).
//!
//! The columns of such a table are those that queries named. A type inferred from use is kept. A type inferred from
//! the name alone is replaced at the first use. A query that uses a column in another way sees it with a fitting
//! type, for that query only: no query depends on another.

mod key;
mod kind;
mod rows;
mod values;

use std::{collections::HashMap, sync::Arc};

pub(crate) use kind::Kind;
pub(crate) use rows::{Asked, Guessed};

use parking_lot::{Mutex, MutexGuard};

use super::{Found, Schemas, Snapshot, Table, find_plain};
use crate::Error;

/// The most tables remembered; beyond that the one unused for longest is forgotten.
const TABLES: usize = 1000;
/// The most columns remembered per table; further ones are generated only for the query that names them.
const COLUMNS: usize = 500;
/// The most columns remembered over all tables.
const ALL_COLUMNS: usize = 20_000;
/// The most characters in a name.
const NAME: usize = 128;

/// Catalog, schema and table.
pub(crate) type Path = [String; 3];

/// A column that queries asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Remembered {
    pub(crate) name: String,
    pub(crate) kind: Kind,
    /// Whether the type was inferred from use, not only from the name.
    pub(crate) sure: bool,
}

impl Remembered {
    pub(crate) fn new(name: impl Into<String>, kind: Kind, sure: bool) -> Self {
        Self { name: name.into(), kind, sure }
    }
}

/// The columns of a table of which no column was named.
pub(crate) fn defaults() -> Vec<Remembered> {
    let column = |name: &str, kind| Remembered::new(name, kind, false);
    vec![
        column("id", Kind::Long),
        column("name", Kind::Text),
        column("amount", Kind::Double),
        column("created_at", Kind::Timestamp),
    ]
}

/// Refuses a name that is too long to be remembered.
pub(crate) fn check_name(name: &str) -> Result<(), Error> {
    if name.chars().count() > NAME {
        return Err(Error::invalid(format!(
            "the name of a generated table or column has more than {NAME} characters"
        )));
    }
    Ok(())
}

/// Refuses more columns than a generated table may have in one query.
pub(crate) fn check_columns(table: &str, count: usize) -> Result<(), Error> {
    if count > COLUMNS {
        return Err(Error::invalid(format!(
            "more than {COLUMNS} columns of the generated table {table} in one query"
        )));
    }
    Ok(())
}

#[derive(Debug)]
struct Entry {
    path: Path,
    columns: Vec<Remembered>,
    asked: u64,
}

#[derive(Debug, Default)]
struct Inner {
    /// Tables by case-folded path.
    tables: HashMap<Path, Entry>,
    columns: usize,
    clock: u64,
}

/// The columns that queries used of generated tables so far.
#[derive(Debug, Default)]
pub(crate) struct Guesses {
    inner: Mutex<Inner>,
}

fn folded(path: &Path) -> Path {
    path.each_ref().map(|part| part.to_lowercase())
}

impl Guesses {
    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock()
    }

    /// The remembered columns of a table; `None` if no query named the table.
    pub(crate) fn columns(&self, path: &Path) -> Option<Vec<Remembered>> {
        self.lock().tables.get(&folded(path)).map(|entry| entry.columns.clone())
    }

    /// Remembers the columns that a query named.
    pub(crate) fn learn(&self, path: &Path, columns: &[Remembered]) {
        let mut inner = self.lock();
        inner.clock += 1;
        let (clock, key) = (inner.clock, folded(path));
        let entry = inner.tables.entry(key).or_insert_with(|| Entry {
            path: path.clone(),
            columns: Vec::new(),
            asked: clock,
        });
        entry.asked = clock;
        let before = entry.columns.len();
        for column in columns {
            let name = column.name.to_lowercase();
            let known = entry.columns.iter().position(|own| own.name.to_lowercase() == name);
            match known {
                Some(at) => {
                    let own = &mut entry.columns[at];
                    if column.sure && !own.sure {
                        (own.kind, own.sure) = (column.kind, true);
                    }
                }
                None if entry.columns.len() < COLUMNS => entry.columns.push(column.clone()),
                None => {}
            }
        }
        let added = entry.columns.len() - before;
        inner.columns += added;
        while inner.tables.len() > 1 && (inner.tables.len() > TABLES || inner.columns > ALL_COLUMNS) {
            let oldest = inner.tables.iter().min_by_key(|(_, entry)| entry.asked).map(|(key, _)| key.clone());
            let gone = oldest.and_then(|key| inner.tables.remove(&key));
            inner.columns -= gone.map_or(0, |entry| entry.columns.len());
        }
    }

    /// Adds the generated tables to the catalogs, for display.
    pub(crate) fn shown(&self, snapshot: Arc<Snapshot>) -> Arc<Snapshot> {
        let inner = self.lock();
        if inner.tables.is_empty() {
            return snapshot;
        }
        let mut all = Snapshot::clone(&snapshot);
        let plain = |name: &str, known: Vec<&str>| match find_plain(name, known) {
            Found::One(one) => one.to_owned(),
            _ => name.to_owned(),
        };
        for entry in inner.tables.values() {
            let [catalog, schema, table] = &entry.path;
            let catalog = plain(catalog, all.by_name.keys().map(String::as_str).collect());
            let schemas: &mut Schemas = all.by_name.entry(catalog).or_default();
            let schema = plain(schema, schemas.by_name.keys().map(String::as_str).collect());
            let tables = schemas.by_name.entry(schema).or_default();
            // A real table that was added since hides the generated one.
            let own = Table::Guessed(Arc::new(Guessed::remembered(table, &entry.columns)));
            tables.entry(table.clone()).or_insert_with(|| Arc::new(own));
        }
        Arc::new(all)
    }
}
