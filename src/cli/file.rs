//! Reads the configuration file, and converts it to command line arguments.

use std::{ffi::OsString, fmt, fs, ops::Range, path::Path};

use clap::{Arg, ArgAction};
use toml::{
    Spanned,
    de::{DeTable, DeValue},
};

use super::{effective::flags, names};

/// A position in a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// The file name as the user gave it.
    pub file: String,
    /// The line, from 1.
    pub line: usize,
    /// The column in characters, from 1.
    pub column: usize,
}

/// A flag with a value; a repeated flag has several entries.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Entry {
    /// The flag, without its dashes.
    pub(super) flag: &'static str,
    pub(super) value: String,
    pub(super) at: Place,
}

impl Entry {
    /// The entry as a command line argument.
    pub(super) fn argument(&self) -> OsString {
        format!("--{}={}", self.flag, self.value).into()
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { file, line, column } = self;
        write!(f, "{}:{line}:{column}", file.escape_debug())
    }
}

/// Reads the entries of a file, in order. The error is one line.
pub(super) fn read(path: &Path) -> Result<Vec<Entry>, String> {
    let file = path.display().to_string();
    let text = fs::read_to_string(path)
        .map_err(|error| format!("{}: '{file}': expected a readable file ({error})", names("--config")))?;
    let source = Source { file: &file, text: &text };
    let table = DeTable::parse(&text).map_err(|error| {
        format!("{}: expected TOML: {}", source.at(error.span().unwrap_or_default()), error.message())
    })?;
    let mut keys: Vec<_> = table.get_ref().iter().collect();
    keys.sort_by_key(|(key, _)| key.span().start);
    let mut entries = Vec::new();
    for (key, value) in keys {
        let is_named = |arg: &&Arg| arg.get_long() == Some(&**key.get_ref());
        match flags().find(is_named).and_then(|arg| Some((arg, arg.get_long()?))) {
            Some((arg, flag)) => source.entries(arg, flag, value, &mut entries)?,
            None => {
                let expected = "expected a flag of teal serve, without its dashes";
                return Err(source.blame(key.get_ref(), key.span(), value, expected));
            }
        }
    }
    Ok(entries)
}

/// The file being read.
struct Source<'a> {
    file: &'a str,
    text: &'a str,
}

impl Source<'_> {
    /// Adds the values of one flag.
    fn entries(
        &self,
        arg: &Arg,
        flag: &'static str,
        value: &Spanned<DeValue<'_>>,
        entries: &mut Vec<Entry>,
    ) -> Result<(), String> {
        let repeats = matches!(arg.get_action(), ArgAction::Append);
        let elements = match value.get_ref() {
            DeValue::Array(elements) if repeats => elements.iter().collect(),
            _ => vec![value],
        };
        for element in elements {
            let text = written(arg, element.get_ref())
                .ok_or_else(|| self.blame(flag, element.span(), element, &expected(arg)))?;
            entries.push(Entry { flag, value: text, at: self.at(element.span()) });
        }
        Ok(())
    }

    /// A one-line error about an invalid value.
    fn blame(&self, key: &str, at: Range<usize>, value: &Spanned<DeValue<'_>>, expected: &str) -> String {
        let found = match value.get_ref() {
            DeValue::Table(_) => "a table",
            DeValue::Array(_) => "an array",
            _ => self.text.get(value.span()).unwrap_or_default(),
        };
        let quoted = found.trim_matches(['"', '\'']).escape_debug();
        format!("{} in {}: '{quoted}': {expected}", key.escape_debug(), self.at(at))
    }

    fn at(&self, span: Range<usize>) -> Place {
        let before = self.text.get(..span.start).unwrap_or(self.text);
        let line = before.matches('\n').count() + 1;
        let column = before.rsplit('\n').next().unwrap_or_default().chars().count() + 1;
        Place { file: self.file.to_owned(), line, column }
    }
}

/// Formats a value for the command line; `None` if the flag has no values of this type.
fn written(arg: &Arg, value: &DeValue<'_>) -> Option<String> {
    match value {
        DeValue::String(text) => Some(text.to_string()),
        DeValue::Integer(_) | DeValue::Float(_) if is_number(arg) => number(value),
        DeValue::Boolean(is_on) if is_switch(arg) => Some(if *is_on { "on" } else { "off" }.to_owned()),
        DeValue::Table(table) if is_rule(arg) => {
            let mut pairs = Vec::new();
            flatten("", table, &mut pairs)?;
            Some(pairs.join(","))
        }
        _ => None,
    }
}

/// The expected type.
fn expected(arg: &Arg) -> String {
    let alone = match value_name(arg) {
        "N" => "a whole number",
        "SIZE" => "a number, or a string such as \"512MiB\"",
        "DURATION" => "a string such as \"120s\"",
        "on|off" => "true, false, \"on\" or \"off\"",
        "SIZE|off" => "true, false, a number, or a string such as \"16KiB\"",
        _ if is_rule(arg) => "a string or a table",
        _ => "a string",
    };
    let or_array = if matches!(arg.get_action(), ArgAction::Append) { ", or an array of them" } else { "" };
    format!("expected {alone}{or_array}")
}

fn value_name(arg: &Arg) -> &str {
    arg.get_value_names().and_then(|names| names.first()).map_or("", |name| name.as_str())
}

fn is_number(arg: &Arg) -> bool {
    matches!(value_name(arg), "N" | "SIZE" | "SIZE|off" | "DURATION")
}

fn is_switch(arg: &Arg) -> bool {
    matches!(value_name(arg), "on|off" | "ADDR|off" | "SIZE|off")
}

/// Returns whether values consist of keys and values.
fn is_rule(arg: &Arg) -> bool {
    value_name(arg).starts_with("KEY=VALUE")
}

/// Formats a number in decimal.
fn number(value: &DeValue<'_>) -> Option<String> {
    match value {
        DeValue::Integer(number) => {
            i128::from_str_radix(number.as_str(), number.radix()).ok().map(|number| number.to_string())
        }
        DeValue::Float(number) => Some(number.as_str().to_owned()),
        _ => None,
    }
}

/// Collects `key="value"` from a table and its nested tables; a true value becomes a key alone.
fn flatten(within: &str, table: &DeTable<'_>, pairs: &mut Vec<String>) -> Option<()> {
    let mut keys: Vec<_> = table.iter().collect();
    keys.sort_by_key(|(key, _)| key.span().start);
    for (key, value) in keys {
        let key = format!("{within}{}", key.get_ref());
        match value.get_ref() {
            DeValue::String(text) => {
                let escaped = text.replace('\\', "\\\\").replace('"', "\\\"");
                pairs.push(format!("{key}=\"{escaped}\""));
            }
            DeValue::Boolean(true) => pairs.push(key),
            DeValue::Boolean(false) => {}
            DeValue::Table(inner) => flatten(&format!("{key}."), inner, pairs)?,
            number_like => pairs.push(format!("{key}={}", number(number_like)?)),
        }
    }
    Some(())
}
