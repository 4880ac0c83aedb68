//! Describes the result of a reload.

use admin::{Change, Reloaded};
use serde_json::{Map, Value, json};

use crate::cli::Setting;

/// Describes the change of a setting.
pub(super) fn change(before: &Setting, now: &Setting) -> Change {
    Change { name: now.name.to_owned(), from: before.text(), to: now.text() }
}

/// Summarizes a reload in one sentence.
pub(super) fn sentence(reloaded: &Reloaded) -> String {
    let taken = |Change { name, from, to }: &Change| format!("{name} is {to} now, it was {from}");
    let waits = |Change { name, from, to }: &Change| format!("{name} is still {from}: {to} needs a restart");
    let mut parts: Vec<String> = reloaded.taken_over.iter().map(taken).collect();
    parts.extend(reloaded.needs_restart.iter().map(waits));
    if parts.is_empty() {
        parts.push("no setting has changed".to_owned());
    }
    if !reloaded.read_again.is_empty() {
        parts.push(format!("{}: read again", reloaded.read_again.join(", ")));
    }
    parts.join("; ")
}

/// The details for the event log.
pub(super) fn details(reloaded: &Reloaded) -> Map<String, Value> {
    Map::from_iter([
        ("taken_over".to_owned(), json!(reloaded.taken_over)),
        ("read_again".to_owned(), json!(reloaded.read_again)),
        ("needs_restart".to_owned(), json!(reloaded.needs_restart)),
    ])
}
