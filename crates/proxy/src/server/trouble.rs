//! Trouble that is made on purpose.

use http2::Reason;

/// What becomes of the stream or the connection that a call came on: as the call's error, or beside its
/// answer among the extensions.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Trouble {
    /// The stream is reset.
    #[error("the stream is reset on purpose: {0}")]
    Reset(Reason),
    /// The connection gets a GOAWAY: `NO_ERROR` lets its calls finish, any other code ends it.
    #[error("the connection is sent away on purpose: {0}")]
    GoAway(Reason),
    /// The connection is cut without a word.
    #[error("the connection is cut on purpose")]
    Disconnect,
}

impl Trouble {
    /// The trouble that an error tells of, if it does.
    pub(super) fn of(error: &(dyn std::error::Error + 'static)) -> Option<Self> {
        error.downcast_ref().copied()
    }
}
