//! `teal check`: the effective settings, and the origin of each.

use clap::Args;
use serde_json::{Map, Value, json};

use super::{
    Serve,
    effective::{Effective, Origin, Setting},
};

/// The flags of `teal check`.
#[derive(Debug, Args)]
pub struct Check {
    /// The settings to check.
    #[command(flatten)]
    pub serve: Serve,
    /// Print the settings as JSON
    #[arg(long)]
    pub json: bool,
}

/// The column where comments begin, if there is room.
const COLUMN: usize = 44;

/// Renders an equivalent configuration file. Unset settings are comments, because some may not be set beside others.
pub fn toml(effective: &Effective) -> String {
    let mut text = "# The settings of teal serve, and the origin of each.\n".to_owned();
    for setting in effective.iter() {
        let name = setting.name;
        let line = match (&setting.origin, setting.values.is_empty()) {
            (_, true) => format!("# {name} ="),
            (Origin::Default, _) => format!("# {name} = {}", value(setting)),
            _ => format!("{name} = {}", value(setting)),
        };
        text.push_str(&format!("{line:COLUMN$} # {}\n", origin(setting)));
    }
    text
}

/// Renders the settings as JSON: by name, each with its value and origin.
pub fn json(effective: &Effective) -> String {
    let settings = effective.iter().map(|setting| {
        let value = match &setting.values[..] {
            [] => Value::Null,
            values if setting.repeats() => json!(values),
            [value, ..] => json!(value),
        };
        let mut told = Map::from_iter([("value".to_owned(), value)]);
        let word = match &setting.origin {
            Origin::Flag => "flag",
            Origin::Environment => "environment",
            Origin::File(at) => {
                told.insert("file".to_owned(), json!(at.file));
                told.insert("line".to_owned(), json!(at.line));
                told.insert("column".to_owned(), json!(at.column));
                "file"
            }
            Origin::Scenario => "scenario",
            Origin::Default => "default",
        };
        told.insert("origin".to_owned(), json!(word));
        (setting.name.to_owned(), Value::Object(told))
    });
    let settings = Value::Object(settings.collect());
    format!("{settings:#}\n")
}

fn origin(setting: &Setting) -> String {
    match &setting.origin {
        Origin::Flag => "flag".to_owned(),
        Origin::Environment => format!("environment ({})", super::environment(setting.name)),
        Origin::File(at) => format!("{}:{}", at.file.escape_debug(), at.line),
        Origin::Scenario => "scenario".to_owned(),
        Origin::Default if setting.values.is_empty() => "not set".to_owned(),
        Origin::Default => "default".to_owned(),
    }
}

fn value(setting: &Setting) -> toml::Value {
    let text = |value: &String| toml::Value::String(value.clone());
    match &setting.values[..] {
        [value] if !setting.repeats() => text(value),
        values => toml::Value::Array(values.iter().map(text).collect()),
    }
}
