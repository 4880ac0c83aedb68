//! Injected faults of streams and connections.

use http2::Reason;

/// An injected fault of the stream or the connection of a call. It is either the error of the call, or an extension
/// of its response.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InjectedFault {
    /// The stream is reset.
    #[error("the stream is reset on purpose: {0}")]
    Reset(Reason),
    /// The connection gets a GOAWAY: `NO_ERROR` lets its calls finish, any other code ends it.
    #[error("the connection gets a GOAWAY on purpose: {0}")]
    GoAway(Reason),
    /// The connection is closed without a GOAWAY.
    #[error("the connection is cut on purpose")]
    Disconnect,
}

impl InjectedFault {
    /// The injected fault that an error carries, if any.
    pub(super) fn of(error: &(dyn std::error::Error + 'static)) -> Option<Self> {
        error.downcast_ref().copied()
    }
}
