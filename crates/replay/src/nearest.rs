//! The nearest of several statements, for an error message.

use std::collections::HashMap;

/// The most characters of a statement that are compared.
const COMPARED: usize = 2000;
/// The most characters of a statement in a message.
const SHOWN: usize = 200;

/// The statement that shares most pairs of characters with `asked`.
pub(crate) fn nearest<'a>(asked: &str, known: &'a [String]) -> Option<&'a str> {
    let wanted = pairs(asked);
    let likeness = |other: &str| {
        let other = pairs(other);
        let shared: usize =
            wanted.iter().map(|(pair, count)| other.get(pair).map_or(0, |has| *has.min(count))).sum();
        let all = wanted.values().sum::<usize>() + other.values().sum::<usize>();
        // In millionths, so that it can be compared.
        (2_000_000 * shared).checked_div(all).unwrap_or(0)
    };
    known.iter().max_by_key(|known| likeness(known)).map(String::as_str)
}

fn pairs(text: &str) -> HashMap<(char, char), usize> {
    let lower: Vec<char> = text.chars().take(COMPARED).flat_map(char::to_lowercase).collect();
    let mut pairs = HashMap::new();
    for pair in lower.windows(2) {
        *pairs.entry((pair[0], pair[1])).or_default() += 1;
    }
    pairs
}

/// The beginning of a statement.
pub(crate) fn shown(statement: &str) -> String {
    match statement.char_indices().nth(SHOWN) {
        Some((at, _)) => format!("{}…", &statement[..at]),
        None => statement.to_owned(),
    }
}
