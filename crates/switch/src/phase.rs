//! The words of `docs/design/switching.md`: phases, what a call does, transitions.

use std::time::Instant;

use protocol::Strategy;
use serde::{Deserialize, Serialize};

use super::{phase_name::PhaseName, rules::Cutover};

/// The phase, with its strategies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// One strategy is served.
    Stable {
        /// The strategy that is served.
        active: Strategy,
    },
    /// Both are served; the other one is announced.
    Announced {
        /// The strategy that new work still belongs to.
        active: Strategy,
        /// When the other one was announced.
        since: Instant,
    },
    /// New work belongs to `active`; the other strategy's queries run to their end.
    Draining {
        /// The strategy that new work belongs to.
        active: Strategy,
        /// When the cutover or abort happened.
        since: Instant,
    },
}

impl Phase {
    /// The strategy that new work belongs to.
    pub fn active(self) -> Strategy {
        match self {
            Self::Stable { active } | Self::Announced { active, .. } | Self::Draining { active, .. } => {
                active
            }
        }
    }

    /// The strategy that the work is headed for: the pending one while there is one.
    pub fn headed_for(self) -> Strategy {
        match self {
            Self::Announced { active, .. } => active.other(),
            Self::Stable { active } | Self::Draining { active, .. } => active,
        }
    }

    /// Its name.
    pub fn name(self) -> PhaseName {
        match self {
            Self::Stable { .. } => PhaseName::Stable,
            Self::Announced { .. } => PhaseName::Announced,
            Self::Draining { .. } => PhaseName::Draining,
        }
    }
}

/// An admitted request, until it is answered or given up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Admission {
    /// The strategy that it was admitted under.
    pub(super) strategy: Strategy,
    /// The epoch at its arrival, if a query is counted for it: the birth of that query.
    pub(super) birth: Option<u64>,
    /// The epoch at its arrival, if a successful response adopts the announcement of that time.
    pub(super) adopts: Option<u64>,
}

/// The actor of a transition.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Actor {
    /// The rules: an adoption, a timeout, the end of a drain.
    Teal,
    /// The timer.
    Timer,
    /// An operator.
    Operator,
    /// The scenario that is played.
    Scenario,
    /// The health of an engine.
    Health,
}

impl Actor {
    /// The name in events and in the log.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Teal => "teal",
            Self::Timer => "timer",
            Self::Operator => "operator",
            Self::Scenario => "scenario",
            Self::Health => "health",
        }
    }
}

/// The strategy of a request is not served.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StrategyMismatch {
    /// The strategy to retry with.
    pub expected: Strategy,
}

/// A command that does not fit the phase.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("cannot {verb} in phase {phase}: expected {expected}")]
pub struct InvalidTransition {
    /// The command.
    pub verb: &'static str,
    /// The phase that it met.
    pub phase: PhaseName,
    /// The phase that it requires.
    pub expected: PhaseName,
}

/// A transition from one phase to the next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Transition {
    /// `to` is announced.
    Announced {
        /// The active strategy.
        from: Strategy,
        /// The pending one.
        to: Strategy,
    },
    /// `to` is active.
    CutOver {
        /// The old strategy.
        from: Strategy,
        /// The active one.
        to: Strategy,
    },
    /// The announcement of `withdrawn` was aborted.
    Aborted {
        /// The strategy that was pending.
        withdrawn: Strategy,
    },
    /// `old` has no queries left.
    Drained {
        /// The strategy that was drained.
        old: Strategy,
    },
    /// The drain of `old` timed out: its queries are off the record.
    DrainTimedOut {
        /// The strategy that was drained.
        old: Strategy,
    },
}

impl Transition {
    /// The name of the phase that it leads to.
    pub(super) fn phase(self, cutover: Cutover) -> PhaseName {
        match (self, cutover) {
            (Self::Announced { .. }, _) => PhaseName::Announced,
            (Self::CutOver { .. } | Self::Aborted { .. }, Cutover::Drain) => PhaseName::Draining,
            (Self::CutOver { .. } | Self::Aborted { .. }, Cutover::Strict)
            | (Self::Drained { .. } | Self::DrainTimedOut { .. }, _) => PhaseName::Stable,
        }
    }

    /// The log line that users search for. `left`: the queries that a timeout takes off the record.
    pub(super) fn message(self, left: usize) -> String {
        match self {
            Self::Announced { from, to } => format!("Strategy change pending: {from} -> {to}"),
            Self::CutOver { from, to } => format!("Strategy switched from {from} to {to}"),
            Self::Aborted { withdrawn } => {
                format!("Strategy change withdrawn: {withdrawn} -> {}", withdrawn.other())
            }
            Self::Drained { old } => format!("Drained: no query left on {old}"),
            Self::DrainTimedOut { old } => {
                format!("Drain timed out: {left} queries left on {old} are off the record")
            }
        }
    }
}
