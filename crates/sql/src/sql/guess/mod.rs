//! Infers the columns of generated tables, and their types, from a statement.
//!
//! The statement is walked once, before name resolution. `query` and `from` walk its queries; `columns` and `scope`
//! find the relation of a column name; `exprs`, `operators`, `literals` and `calls` infer types from expressions;
//! `evidence` collects them. Names of generated columns are qualified, so that nothing is ambiguous later.

mod calls;
mod columns;
mod evidence;
mod exprs;
mod from;
mod inside;
mod literals;
mod operators;
mod query;
mod scope;

use std::{
    collections::{HashMap, HashSet},
    ops::ControlFlow,
    sync::Arc,
};

use datafusion::sql::sqlparser::ast::{Expr, Query, visit_expressions};

use super::lookup::Bindings;
use crate::{
    Error,
    catalog::{Asked, Guessed, Guesses, MadePath as Path, Remembered, defaults},
};
use evidence::{Classes, decided};
use scope::{Relation, Scope, initials, prefix};

/// The most queries and relations walked; the first part of a recursive WITH is walked twice.
const STEPS: usize = 10_000;

/// The columns that a statement used of one generated table.
pub(super) type Learned = (Path, Vec<Remembered>);

/// A generated table of the statement.
struct Made {
    path: Path,
    columns: Vec<Named>,
    /// The columns that earlier statements used.
    remembered: Option<Vec<Remembered>>,
    /// Whether a `*` selects all of it.
    all: bool,
    initials: Option<String>,
}

/// A column that the statement names.
struct Named {
    name: String,
    /// Its number among all columns.
    column: usize,
}

/// The walk through one statement.
struct Guesser<'a> {
    bindings: &'a Bindings,
    guesses: &'a Guesses,
    tables: Vec<Made>,
    by_path: HashMap<Path, usize>,
    /// The table of each column, and the index in it.
    columns: Vec<(usize, usize)>,
    classes: Classes,
    scopes: Vec<Scope>,
    /// Tables defined by WITH, innermost last.
    ctes: Vec<Relation>,
    lambdas: Vec<String>,
    prefixes: HashSet<String>,
    /// The number of queries and relations walked.
    steps: usize,
    /// Whether the next SELECT is in EXISTS, where the select list is ignored.
    exists: bool,
}

/// Gives the generated tables of a statement the columns that it names. Returns what to remember if the statement can
/// be planned.
pub(super) fn guess(
    guesses: &Guesses,
    query: &mut Query,
    bindings: &mut Bindings,
) -> Result<Vec<Learned>, Error> {
    if !bindings.values().any(|bound| bound.as_ref().is_ok_and(|bound| bound.made.is_some())) {
        return Ok(Vec::new());
    }
    let mut prefixes = HashSet::new();
    let _: ControlFlow<()> = visit_expressions(query, |expr| {
        let name = match expr {
            Expr::Identifier(name) => Some(name),
            Expr::CompoundIdentifier(parts) => parts.last(),
            _ => None,
        };
        prefixes.extend(name.and_then(|name| prefix(&name.value)));
        ControlFlow::Continue(())
    });
    let mut guesser = Guesser {
        bindings,
        guesses,
        tables: Vec::new(),
        by_path: HashMap::new(),
        columns: Vec::new(),
        classes: Classes::default(),
        scopes: Vec::new(),
        ctes: Vec::new(),
        lambdas: Vec::new(),
        prefixes,
        steps: 0,
        exists: false,
    };
    guesser.query(query)?;
    let tables = guesser.decide();
    let mut learned = Vec::with_capacity(tables.len());
    for (path, table, columns) in tables {
        let provider = Arc::new(table);
        let own = bindings.values_mut().filter_map(|bound| bound.as_mut().ok());
        for bound in own.filter(|bound| bound.made.as_ref() == Some(&path)) {
            bound.provider = provider.clone();
        }
        learned.push((path, columns));
    }
    Ok(learned)
}

impl Guesser<'_> {
    /// Counts a query or relation.
    fn step(&mut self) -> Result<(), Error> {
        self.steps += 1;
        if self.steps > STEPS {
            return Err(Error::invalid(format!(
                "more than {STEPS} queries and tables, with those inside WITH"
            )));
        }
        Ok(())
    }

    /// The generated table of a path; adds it if needed.
    fn made(&mut self, path: &Path) -> usize {
        if let Some(known) = self.by_path.get(path) {
            return *known;
        }
        let remembered = self.guesses.columns(path);
        let initials = initials(&path[2], &self.prefixes);
        self.tables.push(Made { path: path.clone(), columns: Vec::new(), remembered, all: false, initials });
        self.by_path.insert(path.clone(), self.tables.len() - 1);
        self.tables.len() - 1
    }

    /// Each table as the statement sees it, and what to remember of it.
    fn decide(&self) -> Vec<(Path, Guessed, Vec<Remembered>)> {
        let mut decided = Vec::with_capacity(self.tables.len());
        for table in &self.tables {
            let (mut asked, mut learned) = (Vec::new(), Vec::new());
            for named in &table.columns {
                let (column, remembered) = self.typed(named);
                asked.push(column);
                learned.push(remembered);
            }
            if table.all {
                let before = match &table.remembered {
                    Some(known) if !known.is_empty() => known.clone(),
                    _ => defaults(),
                };
                let named = |name: &str| asked.iter().any(|own| own.name.eq_ignore_ascii_case(name));
                let others: Vec<Remembered> =
                    before.iter().filter(|column| !named(&column.name)).cloned().collect();
                asked.extend(others.iter().map(Asked::plain));
                learned.extend(others);
                let place =
                    |name: &str| before.iter().position(|column| column.name.eq_ignore_ascii_case(name));
                asked.sort_by_key(|column| place(&column.name).unwrap_or(before.len()));
                learned.sort_by_key(|column| place(&column.name).unwrap_or(before.len()));
            }
            if asked.is_empty() {
                // No query can name this column; `count(*)` needs a table with one.
                let name = format!("rows of {}", table.path.join("."));
                asked.push(Asked::plain(&Remembered::new(name, crate::catalog::Kind::Long, false)));
            }
            decided.push((table.path.clone(), Guessed::new(&table.path[2], asked), learned));
        }
        decided
    }

    fn typed(&self, named: &Named) -> (Asked, Remembered) {
        let (mut remembered, mut names) = (Vec::new(), vec![named.name.as_str()]);
        for member in self.classes.members(named.column) {
            let (table, at) = self.columns[*member];
            let (table, name) = (&self.tables[table], self.tables[table].columns[at].name.as_str());
            let known = table.remembered.iter().flatten();
            remembered.extend(known.filter(|column| column.name.eq_ignore_ascii_case(name)).cloned());
            names.push(name);
        }
        let (kind, sure) = decided(self.classes.uses(named.column), &remembered, &names);
        let domain = names.iter().min().map(|name| name.to_lowercase()).unwrap_or_default();
        let examples = self.classes.examples(named.column).to_vec();
        let asked = Asked { name: named.name.clone(), kind, domain, examples };
        (asked, Remembered::new(&named.name, kind, sure))
    }
}
