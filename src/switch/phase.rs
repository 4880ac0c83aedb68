//! The words of `design/switching.md`: phases, what a call does, transitions.

use std::time::Instant;

use crate::strategy::Strategy;

/// Who is served, and where the work is headed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// One strategy is served.
    Stable {
        /// The one that is served.
        active: Strategy,
    },
    /// Both are served; the other one is announced.
    Announced {
        /// The one that new work still belongs to.
        active: Strategy,
        /// When it was announced.
        since: Instant,
    },
    /// New work belongs to `active`; the other one's queries run to their end.
    Draining {
        /// The one that new work belongs to.
        active: Strategy,
        /// When the cutover (or abort) was.
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

    /// `STABLE`, `ANNOUNCED` or `DRAINING`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Stable { .. } => "STABLE",
            Self::Announced { .. } => "ANNOUNCED",
            Self::Draining { .. } => "DRAINING",
        }
    }
}

/// What a call does to queries, as far as the judgement goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Does {
    /// Opens a session.
    LogIn,
    /// Begins a query.
    Begin,
    /// Continues a query that is on record.
    Continue,
    /// Continues a query that isn't: it counts as one while in progress.
    ContinueUnseen,
    /// Ends a query.
    End,
    /// Nothing to queries.
    Neutral,
}

/// A request that was let in, until it is answered or gone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Ticket {
    /// The strategy it was let in under.
    pub(super) strategy: Strategy,
    /// The epoch at its arrival: the birth of the query that it begins.
    pub(super) birth: u64,
    /// Whether a query is counted for it.
    pub(super) counts_query: bool,
}

/// A request's strategy isn't served.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Refused {
    /// The strategy to come back with.
    pub expected: Strategy,
}

/// A command that doesn't fit the phase.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("cannot {verb} in phase {phase}: expected {expected}")]
pub struct Unfit {
    /// The command.
    pub verb: &'static str,
    /// The phase that it met.
    pub phase: &'static str,
    /// The phase that it asks for.
    pub expected: &'static str,
}

/// The state isn't the one that a command was meant for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the state has moved on: expected epoch {expected}, found {epoch}")]
pub struct Stale {
    /// The epoch that the command was meant for.
    pub expected: u64,
    /// The present one.
    pub epoch: u64,
}

/// Why a command was not carried out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Denied {
    /// It doesn't fit the phase.
    #[error(transparent)]
    Unfit(#[from] Unfit),
    /// It comes too late.
    #[error(transparent)]
    Stale(#[from] Stale),
}

/// A step from one phase to the next.
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
    /// The announcement of `withdrawn` is taken back.
    Aborted {
        /// The strategy that was pending.
        withdrawn: Strategy,
    },
    /// Nothing is left of `old`.
    Drained {
        /// The strategy that was drained.
        old: Strategy,
    },
    /// The drain of `old` took too long: its queries are off the record.
    DrainTimedOut {
        /// The strategy that was drained.
        old: Strategy,
    },
}
