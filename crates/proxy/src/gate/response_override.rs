//! What somebody behind the gate wants it to say: a fault that is about the switch.

use protocol::Strategy;

/// Among the extensions of an answer: what the gate is to say in its place, or beside it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ResponseOverride {
    /// That the request is of the wrong strategy.
    Mismatch,
    /// That the work is headed for this strategy, wherever it is headed.
    Notice(Strategy),
    /// The notice that is due, twice.
    DuplicateNotice,
}
