//! What a reload says of the settings, in words.

use admin::{Change, Reloaded};
use serde_json::{Map, Value, json};

use crate::cli::Setting;

/// What has become of a setting.
pub(super) fn change(before: &Setting, now: &Setting) -> Change {
    Change { name: now.name.to_owned(), from: before.text(), to: now.text() }
}

/// All of it in a sentence.
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

/// What the event log keeps of it.
pub(super) fn details(reloaded: &Reloaded) -> Map<String, Value> {
    Map::from_iter([
        ("taken_over".to_owned(), json!(reloaded.taken_over)),
        ("read_again".to_owned(), json!(reloaded.read_again)),
        ("needs_restart".to_owned(), json!(reloaded.needs_restart)),
    ])
}
