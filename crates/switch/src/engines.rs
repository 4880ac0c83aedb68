//! The machine's knowledge of an engine's health, and how old it is.

use std::time::Instant;

/// The result of a health check.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Report {
    /// Whether it is healthy.
    pub(super) is_healthy: bool,
    /// When the engine was asked. The response of one that hangs comes later.
    pub(super) asked: Instant,
}

/// The health of an engine, as far as is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum EngineHealth {
    /// Not asked yet.
    Unknown { since: Instant },
    /// Healthy in all responses since then. The last check was sent at `asked`, and its response came at
    /// `known`.
    Healthy { since: Instant, asked: Instant, known: Instant },
    /// Unhealthy since the check sent at that time, whose result came at `known`.
    Unhealthy { since: Instant, known: Instant },
}

impl EngineHealth {
    pub(super) fn unknown(since: Instant) -> Self {
        Self::Unknown { since }
    }

    /// Applies a result that came at `now`.
    pub(super) fn hear(&mut self, report: Report, now: Instant) {
        *self = match (*self, report.is_healthy) {
            (Self::Unhealthy { .. }, false) => return,
            (Self::Healthy { asked, .. }, true) if report.asked <= asked => return,
            (Self::Healthy { since, .. }, true) => Self::Healthy { since, asked: report.asked, known: now },
            (_, true) => Self::Healthy { since: now, asked: report.asked, known: now },
            // Sent before it was last found healthy: it has become unhealthy since.
            (Self::Healthy { since, .. }, false) => {
                Self::Unhealthy { since: report.asked.max(since), known: now }
            }
            (Self::Unknown { .. }, false) => Self::Unhealthy { since: report.asked, known: now },
        };
    }

    pub(super) fn is_healthy(self) -> bool {
        self.healthy_since().is_some()
    }

    pub(super) fn healthy_since(self) -> Option<Instant> {
        match self {
            Self::Healthy { since, .. } => Some(since),
            Self::Unknown { .. } | Self::Unhealthy { .. } => None,
        }
    }

    /// Since when it is unhealthy, and when that became known.
    pub(super) fn unhealthy(self) -> Option<(Instant, Instant)> {
        match self {
            Self::Unhealthy { since, known } => Some((since, known)),
            Self::Unknown { .. } | Self::Healthy { .. } => None,
        }
    }

    /// Since when the present response, or the lack of one, holds.
    pub(super) fn not_healthy_since(self) -> Instant {
        match self {
            Self::Unknown { since } | Self::Healthy { since, .. } | Self::Unhealthy { since, .. } => since,
        }
    }

    /// When its present health became known.
    pub(super) fn known(self) -> Instant {
        match self {
            Self::Unknown { since }
            | Self::Healthy { known: since, .. }
            | Self::Unhealthy { known: since, .. } => since,
        }
    }
}
