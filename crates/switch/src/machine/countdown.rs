//! The timer's countdown to an announcement. `every` is the whole of it; `None` is never.

use std::time::{Duration, Instant};

use super::Machine;
use crate::{phase_name::PhaseName, saved_state::SavedTimer};

/// The activity of the timer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Countdown {
    Running { since: Instant },
    Paused { left: Duration },
}

/// The state of the timer, for operators.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TimerView {
    /// From a strategy becoming active to the announcement of the other one; `None` is never.
    pub every: Option<Duration>,
    /// The rest of that, while it is running down or paused.
    pub left: Option<Duration>,
    /// Whether it is frozen.
    pub is_paused: bool,
}

impl Countdown {
    /// Where an earlier run left off.
    pub(super) fn resumed(kept: SavedTimer, every: Option<Duration>, now: Instant) -> Option<Self> {
        let Some(every) = every else {
            return kept.paused.then_some(Self::Paused { left: Duration::ZERO });
        };
        let mut countdown = Self::Paused { left: kept.left.unwrap_or(every).min(every) };
        if !kept.paused {
            countdown.resume(Some(every), now);
        }
        Some(countdown)
    }

    /// The state that a later run continues from.
    pub(super) fn keep(self, every: Option<Duration>, now: Instant) -> SavedTimer {
        let (paused, left) = match self {
            Self::Paused { left } => (true, left),
            Self::Running { since } => (false, every.unwrap_or_default().saturating_sub(now - since)),
        };
        SavedTimer { paused, left: every.map(|_| left) }
    }

    pub(super) fn restart(&mut self, every: Option<Duration>, now: Instant) {
        *self = match self {
            Self::Running { .. } => Self::Running { since: now },
            Self::Paused { .. } => Self::Paused { left: every.unwrap_or_default() },
        };
    }

    /// Goes by another `every` from now on. What is spent of a paused one stays spent.
    pub(super) fn change(&mut self, before: Option<Duration>, every: Option<Duration>) {
        if let Self::Paused { left } = self {
            let spent = before.map_or(Duration::ZERO, |before| before - *left);
            *left = every.unwrap_or_default().saturating_sub(spent);
        }
    }

    /// False where it was paused already.
    pub(super) fn pause(&mut self, every: Option<Duration>, now: Instant) -> bool {
        let Self::Running { since } = *self else { return false };
        *self = Self::Paused { left: every.unwrap_or_default().saturating_sub(now - since) };
        true
    }

    /// False where it was not paused.
    pub(super) fn resume(&mut self, every: Option<Duration>, now: Instant) -> bool {
        let Self::Paused { left } = *self else { return false };
        // A clock that is younger than the part already spent cannot be set back: start anew then.
        let since = now.checked_sub(every.unwrap_or_default() - left).unwrap_or(now);
        *self = Self::Running { since };
        true
    }

    /// When it is over. `None` while it is paused.
    pub(super) fn due(self, every: Option<Duration>) -> Option<Instant> {
        match self {
            Self::Running { since } => Some(since + every?),
            Self::Paused { .. } => None,
        }
    }
}

impl Machine {
    /// When the timer wants an announcement. `None` while it waits for `STABLE`, is paused or off.
    pub(crate) fn timer_due(&self) -> Option<Instant> {
        if self.course.phase != PhaseName::Stable {
            return None;
        }
        self.countdown.due(self.rules.switch_every)
    }

    /// Whether it is time to announce the other strategy.
    pub(crate) fn is_timer_due(&self, now: Instant) -> bool {
        self.timer_due().is_some_and(|due| due <= now)
    }

    /// The state of the timer, for operators.
    pub(crate) fn timer_view(&self, now: Instant) -> TimerView {
        let every = self.rules.switch_every;
        let (left, is_paused) = match self.countdown {
            Countdown::Paused { left } => (every.map(|_| left), true),
            Countdown::Running { .. } => {
                (self.timer_due().map(|due| due.saturating_duration_since(now)), false)
            }
        };
        TimerView { every, left, is_paused }
    }

    /// Freezes what is left of the timer. False where it was paused already.
    pub(crate) fn pause_timer(&mut self, now: Instant) -> bool {
        self.countdown.pause(self.rules.switch_every, now)
    }

    /// Goes on with what was left of the timer. False where it was not paused.
    pub(crate) fn resume_timer(&mut self, now: Instant) -> bool {
        self.countdown.resume(self.rules.switch_every, now)
    }
}
