//! The switch as the timer and operators move it: before an engine is announced, it is asked whether it is
//! well. Joins the switch, which knows of no engines, and the engines, which know of no switch.

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::SystemTime,
};

use tracing::warn;

use crate::{
    switch::{Denied, Phase, Stale, Switch, Timer, Transition, Unfit},
    upstream::{EngineState, Health, Unwell},
};

/// The handle. A clone operates the same switch.
#[derive(Clone, Debug)]
pub struct Operator {
    switch: Switch,
    /// `None` where there are no engines to ask.
    health: Option<Health>,
    last_refusal: Arc<Mutex<Option<LastRefusal>>>,
}

/// Why an announcement does not begin.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// It doesn't fit the phase.
    #[error(transparent)]
    Unfit(Unfit),
    /// It comes too late.
    #[error(transparent)]
    Stale(Stale),
    /// The engine that was to be announced isn't well.
    #[error(transparent)]
    Engine(Unwell),
}

/// An announcement that an engine kept from beginning.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LastRefusal {
    /// When that was.
    pub time: SystemTime,
    /// What was wrong with the engine.
    pub reason: String,
}

impl From<Denied> for Refusal {
    fn from(denied: Denied) -> Self {
        match denied {
            Denied::Unfit(unfit) => Self::Unfit(unfit),
            Denied::Stale(stale) => Self::Stale(stale),
        }
    }
}

impl Operator {
    /// Operates `switch`, and asks `health` before announcing.
    pub fn new(switch: Switch, health: Option<Health>) -> Self {
        Self { switch, health, last_refusal: Arc::default() }
    }

    /// Runs the switch's timer, which announces in this way too.
    pub async fn run(self, timer: Timer) {
        let this = &self;
        let announce = |epoch| async move {
            let begun = this.announce(Some(epoch)).await;
            !matches!(begun, Err(Refusal::Engine(_)))
        };
        timer.run(announce).await;
    }

    /// Announces the other strategy, if its engine is well (2 s at most) and the state is still that of
    /// `expected_epoch`, or else that of this call.
    pub async fn announce(&self, expected_epoch: Option<u64>) -> Result<Transition, Refusal> {
        let seen = self.switch.snapshot();
        let epoch = expected_epoch.unwrap_or(seen.epoch);
        // What the switch denies anyway is no reason to ask.
        if let Phase::Stable { active } = seen.phase
            && epoch == seen.epoch
            && let Some(health) = &self.health
            && let Err(unwell) = health.ask(active.other()).await
        {
            self.refuse(&unwell);
            return Err(Refusal::Engine(unwell));
        }
        let begun = self.switch.announce_if(epoch)?;
        *self.refusal() = None;
        Ok(begun)
    }

    /// The switch itself.
    pub fn switch(&self) -> &Switch {
        &self.switch
    }

    /// The last announcement that an engine kept from beginning, if none has begun since.
    pub fn last_refusal(&self) -> Option<LastRefusal> {
        self.refusal().clone()
    }

    /// How the engines are. None with the built-in one.
    pub fn engines(&self) -> Vec<EngineState> {
        self.health.as_ref().map(Health::engines).unwrap_or_default()
    }

    fn refuse(&self, unwell: &Unwell) {
        let reason = unwell.to_string();
        let time = SystemTime::now();
        let before = self.refusal().replace(LastRefusal { time, reason: reason.clone() });
        if before.is_none_or(|before| before.reason != reason) {
            warn!("Strategy change does not begin: {reason}");
        }
    }

    fn refusal(&self) -> MutexGuard<'_, Option<LastRefusal>> {
        self.last_refusal.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests;
