//! The kinds of calls, by their effect on queries.

use serde::Serialize;

/// The effect of a call on queries.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum CallKind {
    /// Opens a session.
    LogIn,
    /// Begins a query; its response may name it.
    Begin,
    /// Continues the query that its request names.
    Continue,
    /// Ends the query that its request names.
    End,
    /// Does nothing to queries.
    Neutral,
}
