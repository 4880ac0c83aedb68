//! Faults that concern the switch: they change what the gate adds to a response.

use protocol::Strategy;

/// An extension of a response that tells the gate what to add, or to send instead.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ResponseOverride {
    /// Reject the request as one of the wrong strategy.
    Mismatch,
    /// Announce this strategy, whatever the switch is headed for.
    Notice(Strategy),
    /// Send the notice that is due twice.
    DuplicateNotice,
}
