//! The timer: moves the switch at its deadlines, and logs its transitions.

use std::{fmt, pin::pin, time::Duration};

use futures::future::OptionFuture;
use protocol::Strategy;
use tokio::{
    sync::{mpsc::UnboundedReceiver, watch::Receiver},
    time::{Instant, sleep_until},
};
use tracing::{info, warn};

use super::{
    Actor, Command, Order, Switch,
    phase::{Phase, Transition},
    queries::Forgotten,
    watch,
};

/// The interval between two attempts to announce.
const AGAIN: Duration = Duration::from_secs(5);

/// A transition, for those who record it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Step {
    /// The transition.
    pub transition: Transition,
    /// The actor that made it.
    pub by: Actor,
    /// The phase that it led to.
    pub phase: Phase,
    /// The epoch of the last change of heading: one number per
    /// announcement, and per abort.
    pub announcement: u64,
    /// The time of the transition.
    pub at: std::time::Instant,
    /// The number of queries that it took off the record.
    pub abandoned: u64,
    /// This instance made it. Where there are others, each of them hears of it.
    pub is_own: bool,
}

/// The progress of the timer's announcement.
#[derive(Clone, Copy, Debug)]
pub(super) enum Asking {
    /// None is in progress.
    Nobody,
    /// The engine is being asked.
    Now,
    /// The engine was unhealthy: the next attempt is at this time.
    From(std::time::Instant),
}

/// A transition for the log, with the queries that it took off the record.
#[derive(Debug)]
pub(super) struct Event {
    pub(super) step: Step,
    pub(super) forgotten: Option<Forgotten>,
}

type StepObserver = Box<dyn Fn(&Step) + Send>;

/// The switch's own clock: announces by the timer, keeps the deadlines, writes the log.
pub struct Timer {
    switch: Switch,
    events: UnboundedReceiver<Event>,
    observer: Option<StepObserver>,
    alarm: Option<Receiver<()>>,
}

impl Timer {
    pub(super) fn new(switch: Switch, events: UnboundedReceiver<Event>) -> Self {
        Self { switch, events, observer: None, alarm: None }
    }

    /// Calls `observer` with each step, in order, away from the requests.
    pub fn observed_by(mut self, observer: impl Fn(&Step) + Send + 'static) -> Self {
        self.observer = Some(Box::new(observer));
        self
    }

    /// Asks the engines at once when `alarm` changes, which means that a connection to one has failed.
    pub fn alarmed_by(mut self, alarm: Receiver<()>) -> Self {
        self.alarm = Some(alarm);
        self
    }

    /// Runs for as long as it is polled. When an announcement is due, `check` asks the engine of
    /// that strategy; if it is unhealthy, the timer retries after 5 s. The announcement is made only if nothing
    /// else has moved the switch meanwhile. While health matters, `check` is called every second.
    pub async fn run<F, A>(self, check: F)
    where
        F: Fn(Strategy) -> A,
        A: Future<Output = Result<(), String>>,
    {
        let (switch, alarm) = (self.switch.clone(), self.alarm.clone());
        tokio::join!(self.drive(&check), watch::run(&switch, &check, alarm.as_ref()));
    }

    async fn drive<F, A>(mut self, check: &F)
    where
        F: Fn(Strategy) -> A,
        A: Future<Output = Result<(), String>>,
    {
        let rules = self.switch.rules();
        info!("Initial strategy: {}", self.switch.snapshot().phase.active());
        if let Some(every) = rules.switch_every {
            info!("Strategy will switch every {} seconds", every.as_secs_f64());
        }
        let mut checked = pin!(OptionFuture::from(None));
        loop {
            if self.gives_up() {
                checked.set(None.into());
            }
            if let Some((epoch, to)) = self.ask() {
                let (asked, checking) = (Instant::now(), check(to));
                checked.set(Some(async move { (checking.await, epoch, asked) }).into());
            }
            let wake = self.sleep();
            let changed = self.switch.shared.changed.notified();
            tokio::select! {
                () = sleep_until(wake.unwrap_or_else(Instant::now)), if wake.is_some() => {}
                () = changed => {}
                Some(event) = self.events.recv() => {
                    if let Some(observe) = &self.observer {
                        observe(&event.step);
                    }
                    event.log();
                }
                Some((is_well, epoch, asked)) = &mut checked => {
                    checked.set(None.into());
                    self.announce(is_well, epoch, asked);
                }
            }
        }
    }

    /// Handles deadlines. Returns the epoch and the strategy to ask, if it is time to announce.
    fn ask(&self) -> Option<(u64, Strategy)> {
        self.switch.change(|state, now| {
            state.announcement_due().filter(|due| *due <= now)?;
            state.asking = Asking::Now;
            Some((state.machine.epoch(), state.machine.phase().active().other()))
        })
    }

    /// Returns whether the announcement in progress is no longer wanted: because the timer was paused, for example.
    fn gives_up(&self) -> bool {
        self.switch.change(|state, now| {
            let gives_up = matches!(state.asking, Asking::Now) && !state.machine.is_timer_due(now);
            if gives_up {
                state.asking = Asking::Nobody;
            }
            gives_up
        })
    }

    /// Announces, if the engine is healthy and the state is still the one that it was asked for.
    fn announce(&self, is_well: Result<(), String>, epoch: u64, asked: Instant) {
        let is_shared = self.switch.store().is_some();
        let asking = match is_well {
            Ok(()) if !is_shared => Asking::Nobody,
            _ => Asking::From((asked + AGAIN).into_std()),
        };
        self.switch.change(|state, _| state.asking = asking);
        if is_shared {
            self.wish(is_well, epoch, asked);
            return;
        }
        // If it is refused, nothing is lost: the timer retries.
        let order = Order::by(Actor::Timer).at(epoch).found(asked.into_std(), is_well);
        _ = self.switch.command(Command::Announce { to: None }, order);
    }

    /// Of several instances one announces, if its engine is healthy. It is one of the wishes from now on.
    fn wish(&self, is_well: Result<(), String>, epoch: u64, asked: Instant) {
        let (command, order) = (Command::Announce { to: None }, Order::by(Actor::Timer));
        self.switch.change(|state, now| {
            let named = command.names(state.machine.phase()).filter(|_| state.machine.epoch() == epoch);
            let Some(named) = named else { return };
            if let Err(refusal) = state.ask(command, named, &order.found(asked.into_std(), is_well), now) {
                state.refused(command, &refusal, Actor::Timer);
            }
        });
        self.switch.tell_driver();
    }

    /// When to look again, if nothing else happens.
    fn sleep(&self) -> Option<Instant> {
        let mut state = self.switch.lock();
        state.sleeps_until = state.wake();
        state.sleeps_until.map(Instant::from_std)
    }
}

impl Event {
    /// Logs the transition in the words that users search for.
    fn log(self) {
        let left = self.forgotten.as_ref().map_or(0, Forgotten::len);
        let (message, by) = (self.step.transition.message(left), self.step.by.as_str());
        let (phase, strategy) = (self.step.phase.name(), self.step.phase.headed_for());
        match self.step.transition {
            Transition::DrainTimedOut { .. } => {
                warn!(%phase, %strategy, by, "{message}");
                tokio::task::spawn_blocking(|| drop(self.forgotten));
            }
            _ => info!(%phase, %strategy, by, "{message}"),
        }
        // A line of its own: users compare the one before word for word.
        if self.step.by != Actor::Teal {
            info!(by, "Strategy change ordered by: {by}");
        }
    }
}

impl fmt::Debug for Timer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Timer").field("switch", &self.switch).finish_non_exhaustive()
    }
}
