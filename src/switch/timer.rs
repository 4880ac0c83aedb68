//! What moves the switch while nobody asks, and the log of its moves.

use std::fmt;

use tokio::{
    sync::mpsc::UnboundedReceiver,
    time::{Instant, sleep_until},
};
use tracing::{info, warn};

use super::{
    Switch,
    phase::{Phase, Transition},
    queries::Forgotten,
};

/// A transition, for those who keep a record of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Step {
    /// What happened.
    pub transition: Transition,
    /// The phase that it led to.
    pub phase: Phase,
    /// The epoch in which the work became headed for where it is headed now: one number per
    /// announcement, and per abort.
    pub announcement: u64,
    /// When.
    pub at: std::time::Instant,
    /// Queries that were taken off the record for it.
    pub abandoned: u64,
}

/// A transition to be logged, with what was taken off the record for it.
#[derive(Debug)]
pub(super) struct Event {
    pub(super) step: Step,
    pub(super) forgotten: Option<Forgotten>,
}

type Told = Box<dyn Fn(&Step) + Send>;

/// The switch's own clock: announces by the timer, keeps the deadlines, writes the log.
pub struct Timer {
    switch: Switch,
    events: UnboundedReceiver<Event>,
    told: Option<Told>,
}

impl Timer {
    pub(super) fn new(switch: Switch, events: UnboundedReceiver<Event>) -> Self {
        Self { switch, events, told: None }
    }

    /// Has `told` called with each step, in order and away from the requests.
    pub fn tell(mut self, told: impl Fn(&Step) + Send + 'static) -> Self {
        self.told = Some(Box::new(told));
        self
    }

    /// Runs for as long as it is polled.
    pub async fn run(mut self) {
        let rules = &self.switch.shared.rules;
        info!("Initial strategy: {}", rules.initial);
        if let Some(every) = rules.switch_every {
            info!("Strategy will switch every {} seconds", every.as_secs_f64());
        }
        loop {
            let wake = self.step();
            let changed = self.switch.shared.changed.notified();
            tokio::select! {
                () = sleep_until(wake.unwrap_or_else(Instant::now)), if wake.is_some() => {}
                () = changed => {}
                Some(event) = self.events.recv() => {
                    if let Some(told) = &self.told {
                        told(&event.step);
                    }
                    event.log();
                }
            }
        }
    }

    /// Does what is due, and says when to look again.
    fn step(&self) -> Option<Instant> {
        self.switch.change(|state, now| {
            if state.machine.timer_due().is_some_and(|due| due <= now) {
                state.machine.announce(now).expect("the timer waits for STABLE");
            }
        });
        let mut state = self.switch.lock();
        state.sleeps_until = state.wake(&self.switch.shared.rules);
        state.sleeps_until.map(Instant::from_std)
    }
}

impl Event {
    /// In the words that users grep for.
    fn log(self) {
        match self.step.transition {
            Transition::Announced { from, to } => info!("Strategy change pending: {from} -> {to}"),
            Transition::CutOver { from, to } => info!("Strategy switched from {from} to {to}"),
            Transition::Aborted { withdrawn } => {
                info!("Strategy change withdrawn: {withdrawn} -> {}", withdrawn.other());
            }
            Transition::Drained { old } => info!("Drained: no query left on {old}"),
            Transition::DrainTimedOut { old } => {
                let left = self.forgotten.as_ref().map_or(0, Forgotten::len);
                warn!("Drain timed out: {left} queries left on {old} are off the record");
                tokio::task::spawn_blocking(|| drop(self.forgotten));
            }
        }
    }
}

impl fmt::Debug for Timer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Timer").field("switch", &self.switch).finish_non_exhaustive()
    }
}
