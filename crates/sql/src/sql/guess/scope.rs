//! Where the columns that a statement names are: in relations whose columns are known, or in a made-up table.
//!
//! A name without a qualifier is looked up in the innermost query first. There it is a column of a relation
//! that is known to have it, or else of a made-up table: the one whose name it begins with (`customer_name`,
//! `customers`), whose initials it begins with (`c_name`, `ps_comment`), the only one that was asked for it
//! before, or the first in FROM. It is a column of an outer query if that has the table of its initials, or is
//! known to have it, and the tables of the inner one all have other initials.

use std::collections::HashSet;

use datafusion::sql::sqlparser::ast::Ident;

use super::evidence::Term;
use crate::catalog::{Found, find, quoted};

/// A relation of a FROM clause.
#[derive(Clone, Debug)]
pub(super) struct Relation {
    /// Its name with qualifiers, or its alias.
    pub(super) path: Vec<String>,
    pub(super) source: Source,
}

/// What a relation's columns are.
#[derive(Clone, Debug)]
pub(super) enum Source {
    /// A made-up table.
    Made(usize),
    /// Those that are known, and those of made-up tables that a `*` passes on.
    Columns { known: Vec<(String, Term)>, through: Vec<usize> },
}

impl Source {
    pub(super) fn known(&self, name: &Ident) -> Option<Term> {
        let Self::Columns { known, .. } = self else { return None };
        let Found::One(found) = find(name, known.iter().map(|(name, _)| name.as_str())) else { return None };
        known.iter().find(|(name, _)| name == found).map(|(_, term)| *term)
    }

    /// The made-up tables that may have a column.
    pub(super) fn made(&self) -> &[usize] {
        match self {
            Self::Made(table) => std::slice::from_ref(table),
            Self::Columns { through, .. } => through,
        }
    }
}

/// What one query sees.
#[derive(Clone, Debug, Default)]
pub(super) struct Scope {
    pub(super) relations: Vec<Relation>,
    /// Columns that USING made one.
    pub(super) merged: Vec<(String, Term)>,
    /// Names that the select list gives.
    pub(super) aliases: Vec<(String, Term)>,
    /// Where these come in: not at all, after columns, or before them.
    pub(super) order: Aliases,
}

/// When a name may be one that the select list gives.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) enum Aliases {
    #[default]
    Never,
    /// The select list, GROUP BY, HAVING, QUALIFY.
    Last,
    /// ORDER BY.
    First,
}

impl Scope {
    pub(super) fn alias(&self, name: &Ident) -> Option<Term> {
        named(&self.aliases, name)
    }

    pub(super) fn merged(&self, name: &Ident) -> Option<Term> {
        named(&self.merged, name)
    }

    /// The relations whose path ends with a qualifier.
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

/// The part of a column's name before the first `_`, where that is short.
pub(super) fn prefix(name: &str) -> Option<String> {
    let (prefix, rest) = name.split_once('_')?;
    ((1..=3).contains(&prefix.len()) && !rest.is_empty()).then(|| prefix.to_lowercase())
}

/// The initials by which a statement's columns go that are of a table: the longest prefix whose letters the
/// table's name has in this order, from its first one on.
pub(super) fn initials(table: &str, prefixes: &HashSet<String>) -> Option<String> {
    let table = table.to_lowercase();
    let within = |prefix: &&String| {
        let mut letters = table.chars();
        let first = prefix.chars().next();
        first == table.chars().next() && prefix.chars().all(|letter| letters.any(|own| own == letter))
    };
    prefixes.iter().filter(within).max_by_key(|prefix| (prefix.len(), (*prefix).clone())).cloned()
}

/// Whether a column's name begins with a table's, in the singular or the plural.
pub(super) fn begins_with(name: &str, table: &str) -> bool {
    let (name, table) = (name.to_lowercase(), table.to_lowercase());
    let singular = table.strip_suffix("ies").map(|stem| format!("{stem}y"));
    let singular = singular.unwrap_or_else(|| table.strip_suffix('s').unwrap_or(&table).to_owned());
    let after = |stem: &str| name.strip_prefix(stem).is_some_and(|rest| rest.starts_with('_'));
    after(&singular) || after(&table)
}

/// A relation's name and a column's, as they are spelled.
pub(super) fn spelled(path: &[String], name: &str) -> Vec<Ident> {
    path.iter().map(String::as_str).chain([name]).map(quoted).collect()
}
