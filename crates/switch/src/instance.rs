//! How far each live instance is with a switch, and the conditions on all of them before a transition. Pure: no clock,
//! no lock, no I/O. A single instance meets each condition at once.

mod agreement;
mod stage;

use std::time::{Duration, Instant};

use protocol::Strategy;
use serde::{Deserialize, Serialize};

pub use self::{
    agreement::{Obstacle, abort_due, failover_due, obstacle},
    stage::Stage,
};
use super::{course::Course, phase_name::PhaseName};

/// The value of `instances/<lease>` in the store: how far a live instance is with a switch. Fields that this version does
/// not know are ignored.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct InstanceStatus {
    /// Its name, for people.
    pub name: String,
    /// The epoch of its view; 0 before it has followed anything.
    pub epoch: u64,
    /// Its stage with the heading of that epoch.
    pub stage: Stage,
    /// In that epoch, the old strategy has been idle on it for the whole grace.
    pub quiet: bool,
    /// The engines that are unhealthy as seen from it.
    #[serde(default, skip_serializing_if = "Unhealthy::is_empty")]
    pub unhealthy: Unhealthy,
}

/// How long each engine had been unhealthy when this was written, in whole seconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Unhealthy {
    /// The engine of blue.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub blue: Option<u64>,
    /// The engine of green.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub green: Option<u64>,
}

impl InstanceStatus {
    /// An instance that is live but has no view yet, and so lets nothing in.
    pub fn joining(name: String) -> Self {
        Self { name, epoch: 0, stage: Stage::Open, quiet: false, unhealthy: Unhealthy::default() }
    }

    /// Whether it has followed the heading of `course`, and so lets in the strategy that the heading names.
    pub fn has_followed(&self, course: &Course) -> bool {
        self.epoch >= course.heading
    }

    /// Whether it tells clients the heading of `course`. False in a later epoch, which may have another heading.
    pub fn tells(&self, course: &Course) -> bool {
        (course.heading..=course.epoch).contains(&self.epoch) && self.stage >= Stage::Telling
    }

    /// Whether it has reported, in this epoch, that it rejects what the phase rejects.
    pub fn is_closing(&self, course: &Course) -> bool {
        self.epoch == course.epoch && self.stage == Stage::Closing
    }

    /// Whether it has reported, in this epoch, that the old strategy is idle on it.
    pub fn is_quiet(&self, course: &Course) -> bool {
        self.epoch == course.epoch && self.quiet
    }

    /// Whether it must retract its report of quiet before it lets in a call of `strategy`. Otherwise the others might end
    /// the drain during the call.
    pub fn retracts_quiet(&self, course: &Course, strategy: Strategy) -> bool {
        self.quiet && course.phase == PhaseName::Draining && strategy != course.active
    }

    /// Whether another status says the same. How long an engine has been unhealthy follows from when that was written.
    pub fn says_the_same(&self, other: &Self) -> bool {
        let sees = |status: &Self| Strategy::ALL.map(|strategy| status.unhealthy.of(strategy).is_some());
        let unhealthy = other.unhealthy;
        sees(self) == sees(other) && Self { unhealthy, ..self.clone() } == *other
    }

    /// Since when the engines are unhealthy, by the clock of an instance that first saw this status at `seen`.
    pub fn unwell(&self, seen: Instant) -> Unwell {
        Unwell(Strategy::ALL.map(|strategy| self.unhealthy_since(strategy, seen)))
    }

    /// Since when an engine is unhealthy, by the clock of an instance that first saw this status at `seen`.
    pub fn unhealthy_since(&self, strategy: Strategy, seen: Instant) -> Option<Instant> {
        let seconds = self.unhealthy.of(strategy)?;
        // The clock may have started later than that.
        Some(seen.checked_sub(Duration::from_secs(seconds)).unwrap_or(seen))
    }
}

/// By [`Strategy::index`]: since when each engine is unhealthy as seen from one instance, by the clock of who reads this.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Unwell(pub [Option<Instant>; 2]);

impl Unwell {
    /// The engine of a strategy.
    pub fn of(&self, strategy: Strategy) -> Option<Instant> {
        self.0[strategy.index()]
    }
}

impl Unhealthy {
    /// As it is written at `now`.
    pub fn at(unwell: Unwell, now: Instant) -> Self {
        let of = |strategy| Some(now.saturating_duration_since(unwell.of(strategy)?).as_secs());
        Self { blue: of(Strategy::Blue), green: of(Strategy::Green) }
    }

    /// The engine of a strategy.
    pub fn of(self, strategy: Strategy) -> Option<u64> {
        match strategy {
            Strategy::Blue => self.blue,
            Strategy::Green => self.green,
        }
    }

    fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}
