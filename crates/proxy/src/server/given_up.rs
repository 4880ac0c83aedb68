//! With which code a client gave up its call, for whoever learns of that by being dropped.

use std::cell::Cell;

use http2::{Error, Reason};

thread_local! {
    static CODE: Cell<Reason> = const { Cell::new(Reason::CANCEL) };
}

/// Lives for longer than what is dropped because a call was given up. Nothing is awaited meanwhile, so no
/// other call on the thread takes the code for its own.
#[derive(Debug, Default)]
pub(super) struct GivenUp(());

impl GivenUp {
    /// From now on [`code`] is this one.
    pub(super) fn with(&self, code: Reason) {
        CODE.set(code);
    }
}

impl Drop for GivenUp {
    fn drop(&mut self) {
        CODE.set(Reason::CANCEL);
    }
}

/// To be asked in `drop`: the client's own code, or CANCEL where it gave none.
pub(crate) fn code() -> Reason {
    CODE.get()
}

/// The code with which a client gave up, where that is the error of its stream.
pub(super) fn reason(error: &Error) -> Reason {
    error.reason().filter(|_| error.is_reset()).unwrap_or(Reason::CANCEL)
}
