//! The textual form of a rule, `key=value,…`, and the syntax of its values.

use std::{fmt::Write as _, time::Duration};

use globset::{GlobBuilder, GlobMatcher};

/// The rule is invalid, or could never take effect.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{key}: '{value}': {expected}")]
pub struct BadRule {
    /// The key at fault.
    pub key: String,
    /// The value of that key.
    pub value: String,
    /// The expected value, or why the rule could never take effect.
    pub expected: String,
}

impl BadRule {
    /// Creates an error: `key` has `value` instead of what was `expected`.
    pub fn new(key: &str, value: &str, expected: impl Into<String>) -> Self {
        Self { key: key.to_owned(), value: value.to_owned(), expected: expected.into() }
    }
}

/// Splits a rule into keys and values, in order. A key without `=` has an empty value. A value with a comma, or with
/// blanks at its ends, is enclosed in double quotes, with `\"` and `\\` inside.
pub fn pairs(text: &str) -> Result<Vec<(String, String)>, BadRule> {
    let mut pairs = Vec::new();
    let mut rest = text.trim();
    while !rest.is_empty() {
        let end = rest.find(['=', ',']).unwrap_or(rest.len());
        let key = rest[..end].trim().to_owned();
        if key.is_empty() {
            return Err(BadRule::new("rule", text, "expected key=value,… and found a part without a key"));
        }
        rest = &rest[end..];
        let value = match rest.strip_prefix('=') {
            None => String::new(),
            Some(after) => {
                let (value, after) =
                    value(after.trim_start()).map_err(|why| BadRule::new(&key, after, why))?;
                rest = after;
                value
            }
        };
        pairs.push((key, value));
        rest = rest.strip_prefix(',').unwrap_or(rest).trim_start();
    }
    Ok(pairs)
}

/// Splits off a value. The rest is empty or starts with a comma.
fn value(text: &str) -> Result<(String, &str), &'static str> {
    let Some(quoted) = text.strip_prefix('"') else {
        let (value, rest) = text.split_at(text.find(',').unwrap_or(text.len()));
        return Ok((value.trim_end().to_owned(), rest));
    };
    let mut value = String::new();
    let mut chars = quoted.char_indices();
    while let Some((at, char)) = chars.next() {
        match char {
            '"' => {
                let rest = quoted[at + 1..].trim_start();
                let is_end = rest.is_empty() || rest.starts_with(',');
                return if is_end {
                    Ok((value, rest))
                } else {
                    Err("expected a comma after the closing quote")
                };
            }
            '\\' => match chars.next() {
                Some((_, char @ ('"' | '\\'))) => value.push(char),
                // Other backslashes are kept, so that regular expressions need no second escape.
                Some((_, char)) => value.extend(['\\', char]),
                None => break,
            },
            char => value.push(char),
        }
    }
    Err("expected a closing quote")
}

/// Formats pairs as a text that parses to the same pairs.
pub fn text(pairs: &[(String, String)]) -> String {
    let mut text = String::new();
    for (key, value) in pairs {
        let comma = if text.is_empty() { "" } else { "," };
        let needs_quotes = value.contains([',', '"']) || value.trim() != value;
        _ = match (value.as_str(), needs_quotes) {
            ("", _) => write!(text, "{comma}{key}"),
            (value, false) => write!(text, "{comma}{key}={value}"),
            (value, true) => {
                write!(text, "{comma}{key}=\"{}\"", value.replace('\\', "\\\\").replace('"', "\\\""))
            }
        };
    }
    text
}

/// The longest duration. Longer ones are mistakes, and would overflow the clock.
const LONGEST: Duration = Duration::from_secs(24 * 3600);

/// Parses a duration such as `1500ms` or `2m 30s`. The error says what was expected.
pub fn duration(text: &str) -> Result<Duration, String> {
    let expected = "expected a duration such as 200ms or 2s";
    let duration = humantime::parse_duration(text.trim()).map_err(|error| format!("{expected} ({error})"))?;
    if duration > LONGEST { Err(format!("{expected} (at most a day)")) } else { Ok(duration) }
}

pub(super) fn count(text: &str) -> Result<u64, String> {
    let count = text.trim().parse().ok().filter(|count| *count > 0);
    count.ok_or_else(|| "expected a whole number above 0".to_owned())
}

/// Parses a number of bytes: `512`, `10KiB`, `1MB`.
pub(super) fn bytes(text: &str) -> Option<u64> {
    let text = text.trim();
    let unit = text.find(|char: char| !char.is_ascii_digit()).unwrap_or(text.len());
    let scale = match text[unit..].trim() {
        "" | "B" => 1,
        "kB" | "KB" => 1000,
        "KiB" => 1 << 10,
        "MB" => 1_000_000,
        "MiB" => 1 << 20,
        _ => return None,
    };
    text[..unit].parse::<u64>().ok()?.checked_mul(scale)
}

pub(crate) fn glob(text: &str) -> Result<GlobMatcher, String> {
    if text.is_empty() {
        return Err("expected a value, or a pattern with * and ?".to_owned());
    }
    let glob = GlobBuilder::new(text).literal_separator(false).build();
    glob.map(|glob| glob.compile_matcher()).map_err(|error| format!("expected a pattern ({})", error.kind()))
}

/// Accepts a key without value, or with a value that means on.
pub(super) fn flag(text: &str) -> Result<(), String> {
    match text {
        "" | "true" | "on" => Ok(()),
        _ => Err("expected no value".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pair(key: &str, value: &str) -> (String, String) {
        (key.to_owned(), value.to_owned())
    }

    #[test]
    fn pairs_are_read_and_written() {
        for (text, expected, written) in [
            ("", vec![], ""),
            ("hang", vec![pair("hang", "")], "hang"),
            (
                " method = a* , delay=1s,",
                vec![pair("method", "a*"), pair("delay", "1s")],
                "method=a*,delay=1s",
            ),
            (
                r#"sql="a{1,3}\d",hang"#,
                vec![pair("sql", r"a{1,3}\d"), pair("hang", "")],
                r#"sql="a{1,3}\\d",hang"#,
            ),
            (r#"message="say \"x\" \\""#, vec![pair("message", r#"say "x" \"#)], r#"message="say \"x\" \\""#),
            ("sql=a=b", vec![pair("sql", "a=b")], "sql=a=b"),
        ] {
            let read = pairs(text).unwrap();
            assert_eq!(read, expected, "{text}");
            assert_eq!(super::text(&read), written, "{text}");
            assert_eq!(pairs(written).unwrap(), expected, "{written}");
        }
    }

    #[test]
    fn sizes_have_units() {
        for (text, expected) in [
            ("0", Some(0)),
            ("512 B", Some(512)),
            ("10KiB", Some(10240)),
            ("2MB", Some(2_000_000)),
            ("5 cats", None),
            ("-1", None),
            ("", None),
        ] {
            assert_eq!(bytes(text), expected, "{text}");
        }
    }
}
