//! Ends calls that wait for an engine which teal has abandoned.

use std::{
    fmt,
    future::Future,
    pin::Pin,
    task::{Context, Poll},
};

use switch::Left;
use tokio_util::sync::WaitForCancellationFutureOwned;

/// Resolves when teal abandons the engine that a call waits for.
pub(super) struct Leaving(Pin<Box<WaitForCancellationFutureOwned>>);

impl Leaving {
    pub(super) fn of(left: &Left) -> Self {
        Self(Box::pin(left.wait()))
    }

    pub(super) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        self.0.as_mut().poll(cx)
    }
}

impl fmt::Debug for Leaving {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Leaving").finish_non_exhaustive()
    }
}
