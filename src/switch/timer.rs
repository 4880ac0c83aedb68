//! What moves the switch while nobody asks, and the log of its moves.

use std::{pin::pin, time::Duration};

use futures::future::OptionFuture;
use tokio::{
    sync::mpsc::UnboundedReceiver,
    time::{Instant, sleep_until},
};
use tracing::{info, warn};

use super::{Switch, phase::Transition, queries::Forgotten};

/// From one attempt to announce to the next.
const AGAIN: Duration = Duration::from_secs(5);

/// What has become of the announcement that the timer wants.
#[derive(Clone, Copy, Debug)]
pub(super) enum Asking {
    /// None is under way.
    Nobody,
    /// One is.
    Now,
    /// The last one could not begin: the next is tried then.
    From(std::time::Instant),
}

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

    /// Runs for as long as it is polled. When an announcement is due, `announce` makes it, if the epoch is
    /// still the one that it gets; where that turns out false, it is tried again after 5 s.
    pub async fn run<F, A>(mut self, announce: F)
    where
        F: Fn(u64) -> A,
        A: Future<Output = bool>,
    {
        let rules = &self.switch.shared.rules;
        info!("Initial strategy: {}", rules.initial);
        if let Some(every) = rules.switch_every {
            info!("Strategy will switch every {} seconds", every.as_secs_f64());
        }
        let mut announced = pin!(OptionFuture::from(None));
        loop {
            if self.gives_up() {
                announced.set(None.into());
            }
            if let Some(epoch) = self.ask() {
                let (asked, announcing) = (Instant::now(), announce(epoch));
                announced.set(Some(async move { (announcing.await, asked) }).into());
            }
            let wake = self.sleep();
            let changed = self.switch.shared.changed.notified();
            tokio::select! {
                () = sleep_until(wake.unwrap_or_else(Instant::now)), if wake.is_some() => {}
                () = changed => {}
                Some(event) = self.events.recv() => event.log(),
                Some((is_done, asked)) = &mut announced => {
                    announced.set(None.into());
                    self.asked(is_done, asked);
                }
            }
        }
    }

    /// Keeps the deadlines. The epoch, if it is time to announce in it.
    fn ask(&self) -> Option<u64> {
        self.switch.change(|state, now| {
            state.announcement_due().filter(|due| *due <= now)?;
            state.asking = Asking::Now;
            Some(state.machine.epoch())
        })
    }

    /// Whether the announcement that is under way is wanted no longer: the timer was paused, say.
    fn gives_up(&self) -> bool {
        self.switch.change(|state, _| {
            let gives_up = matches!(state.asking, Asking::Now) && state.machine.timer_due().is_none();
            if gives_up {
                state.asking = Asking::Nobody;
            }
            gives_up
        })
    }

    fn asked(&self, is_done: bool, at: Instant) {
        self.switch.lock().asking =
            if is_done { Asking::Nobody } else { Asking::From((at + AGAIN).into_std()) };
    }

    /// When to look again, if nothing else happens.
    fn sleep(&self) -> Option<Instant> {
        let mut state = self.switch.lock();
        state.sleeps_until = state.wake(&self.switch.shared.rules);
        state.sleeps_until.map(Instant::from_std)
    }
}

impl Event {
    /// In the words that users grep for.
    fn log(self) {
        match self.transition {
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
