//! How a name finds what it means: exactly where it is quoted, whatever its case where it isn't.

use std::collections::BTreeSet;

use datafusion::sql::sqlparser::ast::Ident;

/// What a name stands for among some.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Found<'a> {
    Nothing,
    One(&'a str),
    /// Several that differ only in case.
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

/// A name of a request, which is not SQL: exact, or else whatever its case.
pub(crate) fn find_plain<'a>(name: &str, known: impl IntoIterator<Item = &'a str> + Clone) -> Found<'a> {
    match find(&quoted(name), known.clone()) {
        Found::Nothing => find(&Ident::new(name), known),
        found => found,
    }
}

/// A name that means exactly itself.
pub(crate) fn quoted(name: &str) -> Ident {
    Ident::with_quote('"', name)
}
