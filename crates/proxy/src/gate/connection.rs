//! What the gate remembers of a client's connection.

use std::sync::atomic::{AtomicU64, Ordering};

use switch::Notice;
use tracing::info;

use crate::telemetry::Line;

/// A client's connection.
#[derive(Debug, Default)]
pub(super) struct Connection {
    /// The last announcement that it was told of; 0 is none.
    told: AtomicU64,
    /// Where it is told what becomes of calls, if anybody wants to know.
    pub(super) line: Option<Line>,
}

impl Connection {
    pub(super) fn watched(line: Line) -> Self {
        Self { line: Some(line), ..Self::default() }
    }

    /// Logs the notice, unless this connection had it already.
    pub(super) fn tell(&self, notice: Notice) {
        if self.told.swap(notice.announcement, Ordering::Relaxed) != notice.announcement {
            info!("Notifying client about pending strategy change to: {}", notice.strategy);
        }
    }
}
