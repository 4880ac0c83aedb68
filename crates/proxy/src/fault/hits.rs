//! Names the faults that hit a call, for its observer. A response or an error passes through services that know nothing
//! of faults, within one poll on one thread; so the names wait beside it. That is cheaper than a look at the head of
//! each response.

use std::{cell::RefCell, sync::Arc};

use super::registry::ActiveFault;

thread_local! {
    static NAMES: RefCell<Vec<String>> = const { RefCell::new(Vec::new()) };
}

/// Leaves the names, just before the response or the error is returned.
pub(super) fn leave(hits: &[Arc<ActiveFault>]) {
    NAMES.set(hits.iter().map(|fault| fault.id.clone()).collect());
}

/// Takes the names, just after something was returned; none if no fault had a hand in it.
pub(crate) fn take() -> Vec<String> {
    NAMES.take()
}
