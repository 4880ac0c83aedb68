//! The transitions: the phase that each one needs, and the course that it leads to.

use super::Course;
use crate::{
    phase::{InvalidTransition, Transition},
    phase_name::PhaseName,
    rules::Cutover,
};

/// A transition that somebody proposes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum TransitionKind {
    /// Announce the other strategy.
    Announce,
    /// Make the pending strategy the active one.
    CutOver,
    /// Withdraw the announcement.
    Abort,
    /// Announce the old strategy again.
    RollBack,
    /// End a drain of which nothing is left.
    Drain,
    /// End a drain that takes too long.
    TimeOutDrain,
}

/// The instance that proposes a transition, as far as the rules depend on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Proposer {
    /// Its setting of `--cutover`. An announcement or rollback takes it over.
    pub cutover: Cutover,
    /// It is the only instance, so a strict cutover leads straight to `STABLE`.
    pub is_alone: bool,
}

impl TransitionKind {
    /// All of them, in the order of a switch.
    pub const ALL: [Self; 6] =
        [Self::Announce, Self::CutOver, Self::Abort, Self::RollBack, Self::Drain, Self::TimeOutDrain];

    /// The only phase in which it is valid.
    pub fn starts_in(self) -> PhaseName {
        match self {
            Self::Announce => PhaseName::Stable,
            Self::CutOver | Self::Abort => PhaseName::Announced,
            Self::RollBack | Self::Drain | Self::TimeOutDrain => PhaseName::Draining,
        }
    }

    /// For the message of an [`InvalidTransition`].
    fn verb(self) -> &'static str {
        match self {
            Self::Announce => "announce",
            Self::CutOver => "cut over",
            Self::Abort => "abort",
            Self::RollBack => "roll back",
            Self::Drain => "end the drain",
            Self::TimeOutDrain => "give up the drain",
        }
    }

    /// The same, seen from the course that it led to.
    pub fn transition_to(self, course: &Course) -> Transition {
        let is_switched = self == Self::CutOver;
        let active = if is_switched { course.active.other() } else { course.active };
        self.transition(&Course { active, ..*course })
    }

    /// The transition with its strategies, made from `course`.
    pub fn transition(self, course: &Course) -> Transition {
        let (active, other) = (course.active, course.active.other());
        match self {
            Self::Announce | Self::RollBack => Transition::Announced { from: active, to: other },
            Self::CutOver => Transition::CutOver { from: active, to: other },
            Self::Abort => Transition::Aborted { withdrawn: other },
            Self::Drain => Transition::Drained { old: other },
            Self::TimeOutDrain => Transition::DrainTimedOut { old: other },
        }
    }
}

impl Course {
    /// The course after a transition. Fails if the transition does not fit the phase.
    pub fn next(&self, kind: TransitionKind, proposer: Proposer) -> Result<Self, InvalidTransition> {
        if self.phase != kind.starts_in() {
            return Err(InvalidTransition {
                verb: kind.verb(),
                phase: self.phase,
                expected: kind.starts_in(),
            });
        }
        let epoch = self.epoch + 1;
        let moved = Self { epoch, ..*self };
        let cutover = proposer.cutover;
        Ok(match kind {
            TransitionKind::Announce => {
                Self { phase: PhaseName::Announced, heading: epoch, withheld: 0, cutover, ..moved }
            }
            TransitionKind::RollBack => {
                Self { phase: PhaseName::Announced, heading: epoch, withheld: epoch, cutover, ..moved }
            }
            TransitionKind::CutOver => {
                Self { active: self.active.other(), ..moved }.draining(self.is_rollback(), proposer)
            }
            TransitionKind::Abort => Self { heading: epoch, ..moved }.draining(true, proposer),
            TransitionKind::Drain | TransitionKind::TimeOutDrain => moved.drained(),
        })
    }

    /// Drains the strategy that is not active. `withholds`: clients may still act on a withdrawn notice.
    fn draining(self, withholds: bool, proposer: Proposer) -> Self {
        if self.cutover == Cutover::Strict && proposer.is_alone {
            return Self { phase: PhaseName::Stable, withheld: 0, ..self };
        }
        let withheld = if withholds { self.epoch } else { 0 };
        Self { phase: PhaseName::Draining, withheld, ..self }
    }

    fn drained(self) -> Self {
        let mut closed = self.closed;
        // A strict cutover keeps the old strategy's queries on record, to reject calls about them.
        if self.cutover == Cutover::Drain {
            closed[self.active.other().index()] = self.epoch;
        }
        Self { phase: PhaseName::Stable, withheld: 0, closed, ..self }
    }

    /// Whether the timer restarts on the way from `before`: another strategy became active, or an announcement was
    /// withdrawn.
    pub fn restarts_timer(&self, before: &Self) -> bool {
        let is_withdrawn = self.heading != before.heading && self.phase != PhaseName::Announced;
        self.active != before.active || is_withdrawn
    }
}
