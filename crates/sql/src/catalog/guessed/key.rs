//! Which columns of generated tables are keys. Keys have numbers that match in joins.

/// Words that end like keys but are not.
const NO_KEYS: [&str; 12] =
    ["aid", "avoid", "bid", "covid", "fluid", "grid", "guid", "hybrid", "solid", "uuid", "valid", "void"];

/// Returns whether a column's name is that of a key: `id`, `customer_id`, `customerId`, `o_custkey`.
pub(super) fn is_key(name: &str) -> bool {
    let lower = name.to_lowercase();
    let named = |lower: &str| {
        lower.ends_with("id") && lower.len() > 3 && !NO_KEYS.iter().any(|no| lower.ends_with(no))
    };
    lower == "id" || named(&lower) || stem(&lower).is_some_and(|stem| !stem.is_empty())
}

/// Returns whether a key is the primary key of its table, and so unique per row: `id`, or `customer_id` and
/// `c_custkey` of `customers`.
pub(super) fn is_own_key(table: &str, name: &str) -> bool {
    let (table, lower) = (table.to_lowercase(), name.to_lowercase());
    if lower == "id" {
        return true;
    }
    let Some(stem) = stem(&lower).or_else(|| lower.strip_suffix("id")) else { return false };
    let stem = match stem.split_once('_') {
        Some((prefix, rest)) if prefix.len() <= 3 && !rest.is_empty() => rest,
        _ => stem,
    };
    stem.len() >= 3 && table.starts_with(stem)
}

fn stem(lower: &str) -> Option<&str> {
    ["_id", "_key", "key", "_sk"].iter().find_map(|ending| lower.strip_suffix(ending))
}
