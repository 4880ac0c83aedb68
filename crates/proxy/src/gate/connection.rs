//! The gate's state per client connection.

use std::sync::atomic::{AtomicU64, Ordering};

use switch::Notice;
use tracing::info;

/// A client's connection.
#[derive(Debug)]
pub(super) struct Connection<O> {
    /// The epoch of the last announcement that was logged for it; 0 means none.
    announced: AtomicU64,
    /// Observes its calls, if anything does.
    pub(super) observer: Option<O>,
}

impl<O> Connection<O> {
    pub(super) fn new(observer: Option<O>) -> Self {
        Self { announced: AtomicU64::default(), observer }
    }

    /// Logs the notice, once per announcement.
    pub(super) fn announce(&self, notice: Notice) {
        if self.announced.swap(notice.announcement, Ordering::Relaxed) != notice.announcement {
            info!(strategy = %notice.strategy, epoch = notice.announcement, "Notifying client about pending strategy change to: {}", notice.strategy);
        }
    }
}
