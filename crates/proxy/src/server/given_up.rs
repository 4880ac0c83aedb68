//! The code with which a client cancelled its call, for services that learn of it by being dropped.

use std::cell::Cell;

use http2::{Error, Reason};

thread_local! {
    static CODE: Cell<Reason> = const { Cell::new(Reason::CANCEL) };
}

/// Outlives the service that is dropped on cancellation. Nothing awaits in the meantime, so no other call on the
/// thread sees the code.
#[derive(Debug, Default)]
pub(super) struct GivenUp(());

impl GivenUp {
    /// Sets what [`code`] returns.
    pub(super) fn with(&self, code: Reason) {
        CODE.set(code);
    }
}

impl Drop for GivenUp {
    fn drop(&mut self) {
        CODE.set(Reason::CANCEL);
    }
}

/// The client's code, or CANCEL if it gave none. Call it in `drop`.
pub(crate) fn code() -> Reason {
    CODE.get()
}

/// The code of the client's RST_STREAM, if that is the error of its stream.
pub(super) fn reason(error: &Error) -> Reason {
    error.reason().filter(|_| error.is_reset()).unwrap_or(Reason::CANCEL)
}
