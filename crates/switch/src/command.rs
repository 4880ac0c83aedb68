//! Commands: each is decided in one step with the state that it meets.

mod obey;
mod shared;

use std::time::{Duration, Instant};

use chrono::{DateTime, Utc};
use protocol::Strategy;

use super::{
    Cutover, Snapshot, Switch,
    course::TransitionKind,
    event_log::EventLog,
    machine::TimerView,
    phase::{Actor, Phase},
    phase_name::PhaseName,
    queries::QueryView,
};

/// How often a command is tried while other instances move the switch.
const TRIES: usize = 5;

/// A command to the switch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Command {
    /// Announce the other strategy; `to` says which one is meant.
    Announce {
        /// The strategy to announce.
        to: Option<Strategy>,
    },
    /// Make the pending strategy the active one.
    Cutover {
        /// Also if its engine is unhealthy.
        force: bool,
    },
    /// Withdraw the announcement.
    Abort,
    /// Announce the old strategy again.
    Rollback,
    /// Pause the timer.
    PauseTimer,
    /// Resume the timer with the time that was left.
    ResumeTimer,
}

/// The actor of a command, and the facts known when it was given.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Order {
    by: Actor,
    seen: Option<u64>,
    /// The response of the engine that the command names, and when it was asked.
    health: Option<(Instant, Result<(), String>)>,
}

impl Order {
    /// Creates an order without a health check.
    pub fn by(actor: Actor) -> Self {
        Self { by: actor, seen: None, health: None }
    }

    /// Limits it to the epoch `seen`: it is refused if the state has moved on.
    pub fn at(mut self, seen: u64) -> Self {
        self.seen = Some(seen);
        self
    }

    /// Adds the health of the engine that the command names, and when it was asked.
    pub fn found(mut self, asked: Instant, health: Result<(), String>) -> Self {
        self.health = Some((asked, health));
        self
    }
}

/// A command that was carried out.
#[derive(Clone, Debug)]
pub struct Done {
    /// The effect, in one sentence.
    pub what: String,
    /// The id of the event that it caused, if it changed anything.
    pub event: Option<u64>,
    /// The state right after it.
    pub view: View,
}

/// A command that was refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{why}")]
pub struct Refusal {
    /// The kind of reason.
    pub code: RefusalCode,
    /// The reason, which names the phase.
    pub why: String,
    /// The phase that the command met.
    pub phase: PhaseName,
    /// The epoch that the command met.
    pub epoch: u64,
}

/// Why a command is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RefusalCode {
    /// It does not fit the phase.
    InvalidTransition,
    /// It was limited to an earlier epoch.
    Stale,
    /// An engine is unhealthy.
    Engine,
    /// Another instance has not come along in time, or too many orders wait.
    Waiting,
    /// This instance has lost etcd.
    LostEtcd,
}

/// Why an announcement did not begin.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LastRefusal {
    /// When it was requested.
    pub time: DateTime<Utc>,
    /// The reason.
    pub why: String,
}

/// Everything that operators see of the switch, at one moment.
#[derive(Clone, Debug)]
pub struct View {
    /// The phase, and the activity in it.
    pub now: Snapshot,
    /// How long the phase has lasted.
    pub age: Duration,
    /// How long until the phase ends by itself, as far as is known: by the timer's announcement, by
    /// the cutover, or by the end of the drain.
    pub ends_in: Option<Duration>,
    /// The state of the timer.
    pub timer: TimerView,
    /// Why the last requested announcement did not begin.
    pub last_refusal: Option<LastRefusal>,
    /// The handling of the old strategy's queries.
    pub cutover: Cutover,
}

impl Switch {
    /// Carries out a command, unless it does not fit the phase, the state has moved on from the epoch that it names,
    /// or the engine that it names is unhealthy. Every command passes through here, whoever gives it.
    pub fn command(&self, command: Command, order: Order) -> Result<Done, Refusal> {
        let shared = &*self.shared;
        let ordered = self.change(|state, now| {
            state.noted = None;
            let ordered = match order.seen.filter(|seen| *seen != state.machine.epoch()) {
                Some(seen) => Err(state.stale(seen)),
                None => state.obey(command, &order, now),
            };
            state.settle(shared, now);
            match ordered {
                Ok(what) => Ok(Done { what, event: state.noted, view: state.view(now) }),
                Err(refusal) => {
                    state.refused(command, &refusal, order.by);
                    Err(refusal)
                }
            }
        });
        // The timer may be about to make an announcement that is no longer wanted.
        shared.changed.notify_one();
        ordered
    }

    /// [Carries out a command](Switch::command) after asking the engine that it names with
    /// `ask`, if there is one. The response holds for the epoch in which the engine was asked. Where another instance has
    /// moved the switch meanwhile, the engine that the command names then is asked.
    pub async fn order<A>(
        &self,
        command: Command,
        by: Actor,
        seen: Option<u64>,
        ask: impl Fn(Strategy) -> A,
    ) -> Result<Done, Refusal>
    where
        A: Future<Output = Result<(), String>>,
    {
        if let Some(why) = self.unready() {
            return Err(self.change(|state, _| {
                let refusal = state.refusal(RefusalCode::LostEtcd, why);
                state.refused(command, &refusal, by);
                refusal
            }));
        }
        let mut tries = 0;
        loop {
            tries += 1;
            let now = self.snapshot();
            let mut order = Order { seen, ..Order::by(by) };
            if let Some(named) = command.names(now.phase).filter(|_| self.has_engines())
                && seen.is_none_or(|seen| seen == now.epoch)
            {
                let asked = tokio::time::Instant::now().into_std();
                order = order.at(now.epoch).found(asked, ask(named).await);
            }
            let Some(store) = self.store() else {
                let done = self.command(command, order)?;
                // The caller can rely on the state once the command is done.
                self.kept().await;
                return Ok(done);
            };
            if self.has_engines() && command.needs_health() {
                // This view may be old, and then another engine has to be asked, or one has to be asked at all.
                order = order.at(seen.unwrap_or(now.epoch));
            }
            let ordered = self.try_shared(store, command, &order).await;
            let is_old = matches!(&ordered, Err(refusal) if refusal.code == RefusalCode::Stale);
            if is_old && seen.is_none() && tries < TRIES {
                continue;
            }
            return self.answer_shared(command, by, ordered);
        }
    }

    /// The overview for operators.
    pub fn view(&self) -> View {
        self.change(|state, now| state.view(now))
    }

    /// The queries on record, the longest idle first, at most `limit`; and their number.
    pub fn on_record(&self, limit: usize, of: Option<Strategy>) -> (Vec<QueryView>, usize) {
        let closed = self.store().map(|_| &self.shared.closed);
        self.change(|_, now| self.shared.queries.list(limit, of, closed, now))
    }

    /// The event log.
    pub fn event_log(&self) -> &EventLog {
        &self.shared.event_log
    }
}

impl Command {
    /// The transition it asks for, and whether it is forced.
    fn transition(self) -> Option<(TransitionKind, bool)> {
        Some(match self {
            Self::Announce { .. } => (TransitionKind::Announce, false),
            Self::Cutover { force } => (TransitionKind::CutOver, force),
            Self::Abort => (TransitionKind::Abort, false),
            Self::Rollback => (TransitionKind::RollBack, false),
            Self::PauseTimer | Self::ResumeTimer => return None,
        })
    }

    /// The name in the command line and the API.
    pub fn name(self) -> &'static str {
        match self {
            Self::Announce { .. } => "switch",
            Self::Cutover { .. } => "cutover",
            Self::Abort => "abort",
            Self::Rollback => "rollback",
            Self::PauseTimer => "timer pause",
            Self::ResumeTimer => "timer resume",
        }
    }

    /// The strategy that it announces or cuts over to in this phase, if it fits: its engine has to be healthy.
    pub fn names(self, phase: Phase) -> Option<Strategy> {
        let other = phase.active().other();
        match (self, phase) {
            (Self::Announce { to }, Phase::Stable { .. }) => (to != Some(other.other())).then_some(other),
            (Self::Rollback, Phase::Draining { .. }) => Some(other),
            (Self::Cutover { force: false }, Phase::Announced { .. }) => Some(other),
            _ => None,
        }
    }

    /// Whether there is a phase in which it [names](Command::names) an engine.
    fn needs_health(self) -> bool {
        matches!(self, Self::Announce { .. } | Self::Rollback | Self::Cutover { force: false })
    }

    /// The verb for what it does to that strategy.
    fn verb(self) -> &'static str {
        match self {
            Self::Announce { .. } => "announce",
            Self::Cutover { .. } => "cut over",
            Self::Abort => "abort",
            Self::Rollback => "roll back",
            Self::PauseTimer => "pause the timer",
            Self::ResumeTimer => "resume the timer",
        }
    }
}
