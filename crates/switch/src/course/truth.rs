//! The course as instances share it: one JSON object, with the timer and the author of the last change.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::{Course, Proposer, TransitionKind};
use crate::{
    phase::{Actor, InvalidTransition},
    saved_state::SavedTimer,
};

/// Epochs above this are not read: they are packed with bits beside them, and count on.
const MAX_EPOCH: u64 = u64::MAX >> 8;

/// The value of `state` in the store. Fields that this version does not know are ignored.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Truth {
    /// The part that the rules read.
    #[serde(flatten)]
    pub course: Course,
    /// The timer.
    pub timer: TimerState,
    /// The author of the last change.
    #[serde(flatten)]
    pub stamp: Stamp,
}

/// The author of a change. No rule reads it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stamp {
    /// The name of the instance.
    pub by: String,
    /// The actor behind the change.
    pub why: Actor,
    /// Milliseconds since 1970, by the wall clock of the instance.
    pub at: u64,
}

/// The timer, in milliseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "TimerFields", into = "TimerFields")]
pub enum TimerState {
    /// It runs since this moment: milliseconds since 1970.
    Since(u64),
    /// It is paused, with this much left.
    Left(u64),
}

/// A value that is not the truth.
#[derive(Debug, thiserror::Error)]
pub enum BadTruth {
    /// Another program wrote it, or a newer version in another format.
    #[error("expected the state of a switch, as teal writes it ({0})")]
    Foreign(#[from] serde_json::Error),
    /// Its epochs contradict each other, or are too large.
    #[error(
        "expected epochs of which none is above {MAX_EPOCH}, or above the present one, {epoch}; found {found}"
    )]
    Epochs {
        /// The present epoch.
        epoch: u64,
        /// The largest one that is named.
        found: u64,
    },
}

#[derive(Serialize, Deserialize)]
struct TimerFields {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    since: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    left: Option<u64>,
}

impl Truth {
    /// Parses a value that [`Truth::text`] wrote, or a later version.
    pub fn read(text: &[u8]) -> Result<Self, BadTruth> {
        let truth: Self = serde_json::from_slice(text)?;
        let Course { epoch, heading, withheld, closed: [blue, green], .. } = truth.course;
        let found = epoch.max(heading).max(withheld).max(blue).max(green);
        if found > epoch.min(MAX_EPOCH) {
            return Err(BadTruth::Epochs { epoch, found });
        }
        Ok(truth)
    }

    /// The value to store.
    pub fn text(&self) -> String {
        serde_json::to_string(self).unwrap_or_default()
    }

    /// The truth after a transition. `every`: the proposer's `--switch-every`, zero if it has no timer.
    pub fn next(
        &self,
        kind: TransitionKind,
        proposer: Proposer,
        every: Duration,
        stamp: Stamp,
    ) -> Result<Self, InvalidTransition> {
        let course = self.course.next(kind, proposer)?;
        let timer = match self.timer {
            timer if !course.restarts_timer(&self.course) => timer,
            TimerState::Since(_) => TimerState::Since(stamp.at),
            TimerState::Left(_) => TimerState::Left(millis(every)),
        };
        Ok(Self { course, timer, stamp })
    }

    /// The truth after the timer was paused or resumed. The epoch stays, for this is no transition.
    pub fn with_timer(&self, timer: TimerState, stamp: Stamp) -> Self {
        Self { timer, stamp, ..*self }
    }
}

impl TimerState {
    /// The timer as an instance with this `--switch-every` writes it at `at`, in milliseconds since 1970.
    pub fn of(timer: SavedTimer, every: Duration, at: u64) -> Self {
        let left = timer.left.unwrap_or(every).min(every);
        if timer.paused {
            Self::Left(millis(left))
        } else {
            Self::Since(at.saturating_sub(millis(every - left)))
        }
    }

    /// The timer for an instance that joins at `at`. Clocks of two hosts may differ, so a running timer is taken to have
    /// started between 0 and `every` ago.
    pub fn joined(self, every: Duration, at: u64) -> SavedTimer {
        let (paused, left) = match self {
            Self::Since(since) => {
                (false, every.saturating_sub(Duration::from_millis(at.saturating_sub(since))))
            }
            Self::Left(left) => (true, every.min(Duration::from_millis(left))),
        };
        SavedTimer { paused, left: Some(left) }
    }
}

impl From<TimerState> for TimerFields {
    fn from(timer: TimerState) -> Self {
        match timer {
            TimerState::Since(since) => Self { since: Some(since), left: None },
            TimerState::Left(left) => Self { since: None, left: Some(left) },
        }
    }
}

impl TryFrom<TimerFields> for TimerState {
    type Error = &'static str;

    fn try_from(fields: TimerFields) -> Result<Self, Self::Error> {
        match (fields.since, fields.left) {
            (Some(since), None) => Ok(Self::Since(since)),
            (None, Some(left)) => Ok(Self::Left(left)),
            _ => Err("a timer has either since or left"),
        }
    }
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}
