//! What the gate remembers of a client's connection.

use std::sync::atomic::{AtomicU64, Ordering};

use switch::Notice;
use tracing::info;

/// A client's connection.
#[derive(Debug)]
pub(super) struct Connection<O> {
    /// The last announcement that it was told of; 0 is none.
    announced: AtomicU64,
    /// Where it is told what becomes of calls, if anybody wants to know.
    pub(super) observer: Option<O>,
}

impl<O> Connection<O> {
    pub(super) fn new(observer: Option<O>) -> Self {
        Self { announced: AtomicU64::default(), observer }
    }

    /// Logs the notice, unless this connection had it already.
    pub(super) fn announce(&self, notice: Notice) {
        if self.announced.swap(notice.announcement, Ordering::Relaxed) != notice.announcement {
            info!(strategy = %notice.strategy, epoch = notice.announcement, "Notifying client about pending strategy change to: {}", notice.strategy);
        }
    }
}
