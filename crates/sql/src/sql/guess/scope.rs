//! Scopes for inference: relations with known columns, and generated tables.
//!
//! An unqualified name is looked up in the innermost query first. There it is a column of a relation that is known to
//! have it, or else of a generated table: the one whose name it begins with (`customer_name`, `customers`), the one
//! whose initials it begins with (`c_name`, `ps_comment`), the only one that was asked for it before, or the first in
//! FROM. It belongs to an outer query if that has the table of its initials, or is known to have it, and the tables
//! of the inner query all have other initials.

use std::collections::HashSet;

use datafusion::sql::sqlparser::ast::Ident;

use super::evidence::Term;
use crate::catalog::{Found, find, quoted};

/// A relation of a FROM clause.
#[derive(Clone, Debug)]
pub(super) struct Relation {
    /// The qualified name, or the alias.
    pub(super) path: Vec<String>,
    pub(super) source: Source,
}

/// The columns of a relation.
#[derive(Clone, Debug)]
pub(super) enum Source {
    /// A generated table.
    Made(usize),
    /// Known columns, and those of generated tables that a `*` passes on.
    Columns { known: Vec<(String, Term)>, through: Vec<usize> },
}

impl Source {
    pub(super) fn known(&self, name: &Ident) -> Option<Term> {
        let Self::Columns { known, .. } = self else { return None };
        let Found::One(found) = find(name, known.iter().map(|(name, _)| name.as_str())) else { return None };
        known.iter().find(|(name, _)| name == found).map(|(_, term)| *term)
    }

    /// The generated tables that may have a column.
    pub(super) fn made(&self) -> &[usize] {
        match self {
            Self::Made(table) => std::slice::from_ref(table),
            Self::Columns { through, .. } => through,
        }
    }
}

/// The names that one query can see.
#[derive(Clone, Debug, Default)]
pub(super) struct Scope {
    pub(super) relations: Vec<Relation>,
    /// Columns merged by USING.
    pub(super) merged: Vec<(String, Term)>,
    /// The aliases of the select list.
    pub(super) aliases: Vec<(String, Term)>,
    /// The priority of aliases: none, after columns, or before them.
    pub(super) order: Aliases,
}

/// The priority of aliases.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) enum Aliases {
    #[default]
    Never,
    /// After columns: in the select list, GROUP BY, HAVING, QUALIFY.
    Last,
    /// Before columns: in ORDER BY.
    First,
}

impl Scope {
    pub(super) fn alias(&self, name: &Ident) -> Option<Term> {
        named(&self.aliases, name)
    }

    pub(super) fn merged(&self, name: &Ident) -> Option<Term> {
        named(&self.merged, name)
    }

    /// The relation whose path ends with a qualifier.
    pub(super) fn qualified(&self, qualifier: &[Ident]) -> Option<usize> {
        self.relations.iter().position(|relation| {
            let Some(start) = relation.path.len().checked_sub(qualifier.len()) else { return false };
            let tail = &relation.path[start..];
            !tail.is_empty()
                && tail
                    .iter()
                    .zip(qualifier)
                    .all(|(name, part)| find(part, [name.as_str()]) != Found::Nothing)
        })
    }
}

fn named(names: &[(String, Term)], name: &Ident) -> Option<Term> {
    names.iter().find(|(own, _)| find(name, [own.as_str()]) != Found::Nothing).map(|(_, term)| *term)
}

/// The part of a column's name before the first `_`, if it is short.
pub(super) fn prefix(name: &str) -> Option<String> {
    let (prefix, rest) = name.split_once('_')?;
    ((1..=3).contains(&prefix.len()) && !rest.is_empty()).then(|| prefix.to_lowercase())
}

/// The prefix that marks columns of a table: the longest whose letters occur in the table's name in this order,
/// starting with its first letter.
pub(super) fn initials(table: &str, prefixes: &HashSet<String>) -> Option<String> {
    let table = table.to_lowercase();
    let within = |prefix: &&String| {
        let mut letters = table.chars();
        let first = prefix.chars().next();
        first == table.chars().next() && prefix.chars().all(|letter| letters.any(|own| own == letter))
    };
    prefixes.iter().filter(within).max_by_key(|prefix| (prefix.len(), (*prefix).clone())).cloned()
}

/// Returns whether a column's name begins with a table's name, in singular or plural.
pub(super) fn begins_with(name: &str, table: &str) -> bool {
    let (name, table) = (name.to_lowercase(), table.to_lowercase());
    let singular = table.strip_suffix("ies").map(|stem| format!("{stem}y"));
    let singular = singular.unwrap_or_else(|| table.strip_suffix('s').unwrap_or(&table).to_owned());
    let after = |stem: &str| name.strip_prefix(stem).is_some_and(|rest| rest.starts_with('_'));
    after(&singular) || after(&table)
}

/// The qualified name of a column.
pub(super) fn spelled(path: &[String], name: &str) -> Vec<Ident> {
    path.iter().map(String::as_str).chain([name]).map(quoted).collect()
}
