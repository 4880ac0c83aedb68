//! What came of a reload, for operators.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use utoipa::ToSchema;

use crate::cli::Setting;

/// What came of reading the settings again.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Reloaded {
    /// All of it in a sentence.
    #[schema(example = "switch-every is 5s now, it was 120s")]
    pub done: String,
    /// The event that tells of it.
    pub event: u64,
    /// Settings that have changed, and hold.
    pub taken_over: Vec<Change>,
    /// Files of certificates and keys that are used as they are now.
    pub read_again: Vec<String>,
    /// Settings that have changed, and hold after a restart.
    pub needs_restart: Vec<Change>,
    /// Settings that are as they were.
    pub unchanged: Vec<String>,
}

/// A setting that has changed. What is not set is `nothing`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Change {
    /// The flag, without its dashes.
    #[schema(example = "switch-every")]
    pub name: String,
    /// What teal ran by.
    #[schema(example = "120s")]
    pub from: String,
    /// What the settings say now.
    #[schema(example = "5s")]
    pub to: String,
}

impl Change {
    pub(super) fn new(before: &Setting, now: &Setting) -> Self {
        Self { name: now.name.to_owned(), from: before.text(), to: now.text() }
    }
}

impl Reloaded {
    /// All of it in a sentence.
    pub(super) fn told(&self) -> String {
        let taken = |Change { name, from, to }: &Change| format!("{name} is {to} now, it was {from}");
        let waits =
            |Change { name, from, to }: &Change| format!("{name} is still {from}: {to} needs a restart");
        let mut parts: Vec<String> = self.taken_over.iter().map(taken).collect();
        parts.extend(self.needs_restart.iter().map(waits));
        if parts.is_empty() {
            parts.push("no setting has changed".to_owned());
        }
        if !self.read_again.is_empty() {
            parts.push(format!("{}: read again", self.read_again.join(", ")));
        }
        parts.join("; ")
    }

    /// What the journal keeps of it.
    pub(super) fn details(&self) -> Map<String, Value> {
        Map::from_iter([
            ("taken_over".to_owned(), json!(self.taken_over)),
            ("read_again".to_owned(), json!(self.read_again)),
            ("needs_restart".to_owned(), json!(self.needs_restart)),
        ])
    }
}
