//! Rewrites DataFusion's errors as sentences, without prefixes, traces, developer advice, and Rust values.

use datafusion::common::utils::datafusion_strsim::levenshtein;

const PREFIXES: [&str; 9] = [
    "Error during planning: ",
    "Execution error: ",
    "Arrow error: ",
    "SQL error: ",
    "Schema error: ",
    "External error: ",
    "Optimizer rule 'optimize_projections' failed",
    "This feature is not implemented: ",
    "Internal error: ",
];

/// Replacements for errors, by a part of their text.
const SAID: [(&str, &str); 8] = [
    (
        "the expression \"__correlated_sq_",
        "IN over an aggregate with GROUP BY and columns of the outer query is not supported beside OR",
    ),
    (
        "does not satisfy order requirements",
        "the planner does not support this combination of window functions",
    ),
    (
        "does not support logical expression OuterReferenceColumn",
        "a subquery or UNNEST in FROM can't refer to columns outside like this",
    ),
    (
        "does not support logical expression",
        "a subquery is not supported in this place, or with columns of the outer query used like this",
    ),
    (
        "In/Exist/SetComparison subquery can only be used in",
        "IN, EXISTS, ANY or ALL with a subquery is not supported in ORDER BY: select it under a name, and sort by that",
    ),
    (
        "Correlated scalar subquery can only be used in",
        "a subquery that refers to columns of the outer query is not supported in this place",
    ),
    ("Failed due to a difference in schemas", "the planner does not support this combination of expressions"),
    (
        "Correlated column is not allowed",
        "a column of the outer query is not supported in this place of a subquery",
    ),
];

/// Signs of Rust values in a text.
const RUST: [&str; 12] = [
    " { ",
    "{ ",
    "Some(",
    "None)",
    "None,",
    "Expr::",
    "DataType::",
    "Ident(",
    "Literal(",
    "Span(",
    "value: ",
    "Token",
];

/// Rewrites an error as a sentence.
pub(crate) fn clean(text: &str) -> String {
    let mut text = text.split("\n\nbacktrace:").next().unwrap_or_default().trim();
    if let Some((_, said)) = SAID.iter().find(|(part, _)| text.contains(part)) {
        return (*said).to_owned();
    }
    loop {
        let before = text;
        for prefix in PREFIXES {
            text = text.strip_prefix(prefix).unwrap_or(text).trim_start();
        }
        if before == text {
            break;
        }
    }
    let advice = "This issue was likely caused by a bug in DataFusion's code.";
    let text = text.split(advice).next().unwrap_or_default().trim_end().trim_end_matches('.');
    // Errors may quote other errors.
    let text = text.replace(PREFIXES[0], "");
    let text = unknown(&text).or_else(|| mismatch(&text)).unwrap_or(text);
    plain(&text)
}

/// `Invalid function 'x'.`, with a suggestion only if it is close.
fn unknown(text: &str) -> Option<String> {
    let (name, rest) = text.strip_prefix("Invalid function '")?.split_once('\'')?;
    let near = rest.split_once("Did you mean '").and_then(|(_, near)| near.strip_suffix("'?"));
    let length = name.chars().count();
    let close = |near: &&str| levenshtein(name, near) <= 1 + length / 8 && length > 3;
    let ours = crate::sql::known().map(|name| -> &str { name }).filter(close);
    let nearest = near.filter(close).into_iter().chain(ours).min_by_key(|near| levenshtein(name, near));
    let hint = nearest.map(|near| format!(": did you mean {near}?")).unwrap_or_default();
    Some(format!("there is no function {name}{hint}"))
}

/// Rewrites an error about arguments that a function does not accept.
fn mismatch(text: &str) -> Option<String> {
    const CALL: &str = "No function matches the given name and argument types '";
    if let Some((_, rest)) = text.split_once(CALL) {
        let call = rest.split_once("'. You might").map_or(rest, |(call, _)| call);
        return Some(format!("no function takes these arguments: {call}"));
    }
    let rest = text.strip_prefix("Function '")?;
    let (name, rest) = rest.split_once('\'')?;
    rest.starts_with(" failed to match any signature")
        .then(|| format!("{name}() does not take arguments of these types"))
}

/// Cuts a text before the first Rust value.
fn plain(text: &str) -> String {
    let Some(at) = RUST.iter().filter_map(|mark| text.find(mark)).min() else { return text.to_owned() };
    let before = text[..at].rsplit_once([' ', '(']).map_or("", |(before, _)| before);
    let before = before.trim_end_matches([' ', ':', ',', '(', '[', '.', '=']);
    if before.is_empty() {
        return "the statement has an expression that is not supported".to_owned();
    }
    format!("{before} …")
}
