//! What the machine knows of an engine's health, and when it learned that.

use std::time::Instant;

/// What an engine, once asked, turned out to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Report {
    /// Whether it is healthy.
    pub(super) is_healthy: bool,
    /// When it was asked. The answer of an engine that hangs comes later.
    pub(super) asked: Instant,
}

/// The health of an engine, as far as known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum EngineHealth {
    /// Not asked yet.
    Unknown { since: Instant },
    /// All its answers since then were good. The last one was to a question that was `asked` then, and came when
    /// it was `known`.
    Healthy { since: Instant, asked: Instant, known: Instant },
    /// Not healthy since it was asked then, as was `known` at that time.
    Unhealthy { since: Instant, known: Instant },
}

impl EngineHealth {
    pub(super) fn unknown(since: Instant) -> Self {
        Self::Unknown { since }
    }

    /// Takes in what was heard of it by `now`.
    pub(super) fn hear(&mut self, report: Report, now: Instant) {
        *self = match (*self, report.is_healthy) {
            (Self::Unhealthy { .. }, false) => return,
            (Self::Healthy { asked, .. }, true) if report.asked <= asked => return,
            (Self::Healthy { since, .. }, true) => Self::Healthy { since, asked: report.asked, known: now },
            (_, true) => Self::Healthy { since: now, asked: report.asked, known: now },
            // Asked before it was last found healthy: it has become unhealthy since.
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

    /// Since when the present answer, or the lack of one, holds.
    pub(super) fn not_healthy_since(self) -> Instant {
        match self {
            Self::Unknown { since } | Self::Healthy { since, .. } | Self::Unhealthy { since, .. } => since,
        }
    }

    /// When it became known to be as it is.
    pub(super) fn known(self) -> Instant {
        match self {
            Self::Unknown { since }
            | Self::Healthy { known: since, .. }
            | Self::Unhealthy { known: since, .. } => since,
        }
    }
}
