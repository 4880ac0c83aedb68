//! Which calls are sent again, how often, and where: transparent retries as gRPC has them (proposal A6).

use http2::Reason;

/// How often a call is sent that the engine has not worked on.
const SENDS: u32 = 3;

/// What became of a call's attempts.
#[derive(Debug, Default)]
pub(super) struct Retry {
    sent: u32,
    /// A connection was lost under it.
    is_suspect: bool,
}

/// On which connection a call goes out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Way {
    /// One that others use too.
    Shared,
    /// One that no other call uses before this one is answered.
    Alone,
}

/// Whether the engine has refused the call as the protocol wants it: that says nothing of the call.
pub(super) fn is_orderly(error: &http2::Error) -> bool {
    match error.reason() {
        Some(Reason::NO_ERROR) => error.is_go_away(),
        Some(Reason::REFUSED_STREAM) => error.is_reset(),
        _ => false,
    }
}

impl Retry {
    /// Whether and where a call is sent again after this error.
    ///
    /// It may be the call itself that made the engine end the connection. So after anything but an orderly
    /// refusal it is sent once more, where it can hurt no other, and the last attempt always is.
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
