//! Name lookup: quoted names match exactly, unquoted names without regard to case.

use std::collections::BTreeSet;

use datafusion::sql::sqlparser::ast::Ident;

/// The result of a lookup.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Found<'a> {
    Nothing,
    One(&'a str),
    /// Several names that differ only in case.
    Several(Vec<&'a str>),
}

/// Looks `name` up among `known`.
pub(crate) fn find<'a>(name: &Ident, known: impl IntoIterator<Item = &'a str>) -> Found<'a> {
    let exact = name.quote_style.is_some();
    let folded = name.value.to_lowercase();
    let matches = |known: &&str| if exact { **known == name.value } else { known.to_lowercase() == folded };
    let found: BTreeSet<&str> = known.into_iter().filter(matches).collect();
    match found.len() {
        0 => Found::Nothing,
        1 => found.first().map_or(Found::Nothing, |one| Found::One(one)),
        _ => Found::Several(found.into_iter().collect()),
    }
}

/// Looks up a name from a request, not from SQL: exactly, or else without regard to case.
pub(crate) fn find_plain<'a>(name: &str, known: impl IntoIterator<Item = &'a str> + Clone) -> Found<'a> {
    match find(&quoted(name), known.clone()) {
        Found::Nothing => find(&Ident::new(name), known),
        found => found,
    }
}

/// A quoted name, which matches exactly.
pub(crate) fn quoted(name: &str) -> Ident {
    Ident::with_quote('"', name)
}
