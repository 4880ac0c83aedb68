//! Which calls are retried, how often, and where: transparent retries as in gRPC (proposal A6).

use http2::Reason;

/// How often an unprocessed call is sent in total.
const SENDS: u32 = 3;

/// The outcome of a call's attempts so far.
#[derive(Debug, Default)]
pub(super) struct Retry {
    sent: u32,
    /// A connection was lost during an attempt.
    is_suspect: bool,
}

/// The kind of connection for a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Way {
    /// A shared connection.
    Shared,
    /// A connection of its own until the call is answered.
    Alone,
}

/// Returns whether the engine refused the call as the protocol provides. That is no sign of a problem with the call.
pub(super) fn is_orderly(error: &http2::Error) -> bool {
    match error.reason() {
        Some(Reason::NO_ERROR) => error.is_go_away(),
        Some(Reason::REFUSED_STREAM) => error.is_reset(),
        _ => false,
    }
}

impl Retry {
    /// Decides whether and where a call is retried after this error.
    ///
    /// The call itself may have made the engine end the connection. So after anything but an orderly refusal it is
    /// sent once more on a connection of its own, where it cannot harm others. The last attempt always is.
    pub(super) fn after(&mut self, error: &http2::Error) -> Option<Way> {
        self.sent += 1;
        let is_orderly = is_orderly(error);
        let was_suspect = self.is_suspect;
        self.is_suspect |= !is_orderly;
        if !error.is_unprocessed() || was_suspect || self.sent >= SENDS {
            return None;
        }
        let is_last = !is_orderly || self.sent + 1 == SENDS;
        Some(if is_last { Way::Alone } else { Way::Shared })
    }
}
