//! What the rules read of an instance, and what all of them have to agree on before a step is taken. Pure: one instance
//! alone agrees with itself at once.

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

/// The value of `instances/<lease>` in the store: how far a live instance is. Fields that this version does not know are
/// ignored.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct InstanceStatus {
    /// What people call it.
    pub name: String,
    /// The epoch of its view; 0 before it has followed anything.
    pub epoch: u64,
    /// How far it is with the heading of that epoch.
    pub stage: Stage,
    /// The old strategy was silent on it for the whole grace, in that epoch.
    pub quiet: bool,
    /// The engines that it sees as unhealthy.
    #[serde(default, skip_serializing_if = "Unhealthy::is_empty")]
    pub unhealthy: Unhealthy,
}

/// For how many whole seconds each engine had been unhealthy as this was written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Unhealthy {
    /// That of blue.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub blue: Option<u64>,
    /// That of green.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub green: Option<u64>,
}

impl InstanceStatus {
    /// An instance that is live and has not followed anything: it lets nobody in.
    pub fn joining(name: String) -> Self {
        Self { name, epoch: 0, stage: Stage::Open, quiet: false, unhealthy: Unhealthy::default() }
    }

    /// Whether it lets in what the heading of `course` names.
    pub fn has_followed(&self, course: &Course) -> bool {
        self.epoch >= course.heading
    }

    /// Whether it tells clients that heading. What it tells in a later epoch is not known.
    pub fn tells(&self, course: &Course) -> bool {
        (course.heading..=course.epoch).contains(&self.epoch) && self.stage >= Stage::Telling
    }

    /// Whether it judges by the table of phases, and has said so in this epoch.
    pub fn is_closing(&self, course: &Course) -> bool {
        self.epoch == course.epoch && self.stage == Stage::Closing
    }

    /// Whether nothing of the old strategy goes on there, and it has said so in this epoch.
    pub fn is_quiet(&self, course: &Course) -> bool {
        self.epoch == course.epoch && self.quiet
    }

    /// Whether it has to take its report of quiet back before it lets in a call of that strategy: the others may end
    /// the drain on it.
    pub fn retracts_quiet(&self, course: &Course, strategy: Strategy) -> bool {
        self.quiet && course.phase == PhaseName::Draining && strategy != course.active
    }

    /// Since when an engine is unhealthy, by the clock of somebody who saw this status at `seen`.
    pub fn unhealthy_since(&self, strategy: Strategy, seen: Instant) -> Option<Instant> {
        let seconds = self.unhealthy.of(strategy)?;
        // A clock that is younger than that cannot be set back.
        Some(seen.checked_sub(Duration::from_secs(seconds)).unwrap_or(seen))
    }
}

impl Unhealthy {
    /// That of a strategy.
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
