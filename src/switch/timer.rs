//! What moves the switch while nobody asks, and the log of its moves.

use std::{fmt, pin::pin, time::Duration};

use futures::future::OptionFuture;
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
use crate::strategy::Strategy;

/// From one attempt to announce to the next.
const AGAIN: Duration = Duration::from_secs(5);

/// A transition, for those who keep a record of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Step {
    /// What happened.
    pub transition: Transition,
    /// Who made it.
    pub by: Actor,
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
    pub(super) step: Step,
    pub(super) forgotten: Option<Forgotten>,
}

type Told = Box<dyn Fn(&Step) + Send>;

/// The switch's own clock: announces by the timer, keeps the deadlines, writes the log.
pub struct Timer {
    switch: Switch,
    events: UnboundedReceiver<Event>,
    told: Option<Told>,
    alarm: Option<Receiver<()>>,
}

impl Timer {
    pub(super) fn new(switch: Switch, events: UnboundedReceiver<Event>) -> Self {
        Self { switch, events, told: None, alarm: None }
    }

    /// Has `told` called with each step, in order and away from the requests.
    pub fn tell(mut self, told: impl Fn(&Step) + Send + 'static) -> Self {
        self.told = Some(Box::new(told));
        self
    }

    /// Has the engines asked at once when `alarm` changes: when a connection to one has failed, that is.
    pub fn alarmed_by(mut self, alarm: Receiver<()>) -> Self {
        self.alarm = Some(alarm);
        self
    }

    /// Runs for as long as it is polled. When an announcement is due, `check` tells whether the engine of
    /// that strategy is well, or why not: then it is tried again after 5 s. It is made only if nothing
    /// else has moved the switch meanwhile. While health matters, `check` is asked every second.
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
                    if let Some(told) = &self.told {
                        told(&event.step);
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

    /// Keeps the deadlines. The epoch and whom to ask, if it is time to announce.
    fn ask(&self) -> Option<(u64, Strategy)> {
        self.switch.change(|state, now| {
            state.announcement_due().filter(|due| *due <= now)?;
            state.asking = Asking::Now;
            Some((state.machine.epoch(), state.machine.phase().active().other()))
        })
    }

    /// Whether the announcement that is under way is wanted no longer: the timer was paused, or set anew, say.
    fn gives_up(&self) -> bool {
        self.switch.change(|state, now| {
            let gives_up = matches!(state.asking, Asking::Now) && !state.machine.is_timer_due(now);
            if gives_up {
                state.asking = Asking::Nobody;
            }
            gives_up
        })
    }

    /// Announces, if the engine that was asked is well and the state is still the one it was asked for.
    fn announce(&self, is_well: Result<(), String>, epoch: u64, asked: Instant) {
        let asking = match is_well {
            Ok(()) => Asking::Nobody,
            Err(_) => Asking::From((asked + AGAIN).into_std()),
        };
        self.switch.change(|state, _| state.asking = asking);
        // Where it is refused nothing else is lost: the timer comes back to it.
        let order = Order::by(Actor::Timer).at(epoch).found(asked.into_std(), is_well);
        _ = self.switch.command(Command::Announce { to: None }, order);
    }

    /// When to look again, if nothing else happens.
    fn sleep(&self) -> Option<Instant> {
        let mut state = self.switch.lock();
        state.sleeps_until = state.wake();
        state.sleeps_until.map(Instant::from_std)
    }
}

impl Event {
    /// In the words that users grep for.
    fn log(self) {
        let left = self.forgotten.as_ref().map_or(0, Forgotten::len);
        let (told, by) = (self.step.transition.told(left), self.step.by.as_str());
        match self.step.transition {
            Transition::DrainTimedOut { .. } => {
                warn!("{told}");
                tokio::task::spawn_blocking(|| drop(self.forgotten));
            }
            _ => info!("{told}"),
        }
        // A line of its own: users compare the one before word for word.
        if self.step.by != Actor::Teal {
            info!("Strategy change ordered by: {by}");
        }
    }
}

impl fmt::Debug for Timer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Timer").field("switch", &self.switch).finish_non_exhaustive()
    }
}
