//! What somebody behind the gate wants it to say: a fault that is about the switch.

use bytes::Bytes;
use protocol::Strategy;

/// Among the extensions of an answer: what the gate is to say in its place, or beside it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    /// That the request is of the wrong strategy.
    Mismatch,
    /// That the work is headed for this strategy, wherever it is headed.
    Notice(Strategy),
    /// The notice that is due, twice.
    DuplicateNotice,
}

impl Order {
    /// The field of a notice, as often as it is to be said.
    pub(super) fn repeat(order: Option<Self>, field: &Bytes) -> Bytes {
        match order {
            Some(Self::DuplicateNotice) => [field.as_ref(), field.as_ref()].concat().into(),
            _ => field.clone(),
        }
    }
}
