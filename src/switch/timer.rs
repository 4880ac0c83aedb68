//! What moves the switch while nobody asks, and the log of its moves.

use tokio::{
    sync::mpsc::UnboundedReceiver,
    time::{Instant, sleep_until},
};
use tracing::{info, warn};

use super::{Switch, phase::Transition, queries::Forgotten};

/// A transition to be logged, with what was taken off the record for it.
#[derive(Debug)]
pub(super) struct Event {
    pub(super) transition: Transition,
    pub(super) forgotten: Option<Forgotten>,
}

/// The switch's own clock: announces by the timer, keeps the deadlines, writes the log.
#[derive(Debug)]
pub struct Timer {
    switch: Switch,
    events: UnboundedReceiver<Event>,
}

impl Timer {
    pub(super) fn new(switch: Switch, events: UnboundedReceiver<Event>) -> Self {
        Self { switch, events }
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
                Some(event) = self.events.recv() => event.log(),
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
        let left = self.forgotten.as_ref().map_or(0, Forgotten::len);
        let told = self.transition.told(left);
        match self.transition {
            Transition::DrainTimedOut { .. } => {
                warn!("{told}");
                tokio::task::spawn_blocking(|| drop(self.forgotten));
            }
            _ => info!("{told}"),
        }
    }
}
