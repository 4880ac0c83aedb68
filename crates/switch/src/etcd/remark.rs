//! Remarks about instances, for the log and as events.

use serde_json::{Map, Value, json};

/// How much a remark matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Weight {
    /// Something went as it should.
    Info,
    /// It may need somebody.
    Warn,
    /// Clients feel it.
    Error,
}

/// A line of the log, and an event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Remark {
    /// How much it matters.
    pub weight: Weight,
    /// The kind of the event, for machines.
    pub kind: &'static str,
    /// The epoch that it is about.
    pub epoch: u64,
    /// The line.
    pub message: String,
    /// The instance that it is about, if it is about one.
    pub instance: Option<String>,
    /// More fields of the event.
    pub details: Map<String, Value>,
}

impl Remark {
    pub(super) fn new(weight: Weight, kind: &'static str, epoch: u64, message: impl Into<String>) -> Self {
        Self { weight, kind, epoch, message: message.into(), instance: None, details: Map::new() }
    }

    pub(super) fn of(mut self, name: &str, lease: i64) -> Self {
        self.instance = Some(name.to_owned());
        // `id` is the event's own.
        self.with("instance", json!(name)).with("instance_id", json!(id(lease)))
    }

    pub(super) fn with(mut self, field: &str, value: Value) -> Self {
        self.details.insert(field.to_owned(), value);
        self
    }
}

/// An instance's id, for people and in keys.
pub(super) fn id(lease: i64) -> String {
    format!("{lease:016x}")
}
