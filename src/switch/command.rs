//! The door for operators: commands, decided in one step with the state that they meet.

use std::time::{Duration, Instant};

use chrono::{DateTime, Utc};
use serde_json::Map;
use tracing::warn;

use super::{
    Cutover, Snapshot, State, Switch,
    journal::{Journal, Note},
    machine::TimerView,
    phase::{Phase, Transition},
    queries::QueryView,
};
use crate::strategy::Strategy;

/// What an operator orders.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Command {
    /// Announce the other strategy; `to` says which one is meant.
    Announce {
        /// The one to announce.
        to: Option<Strategy>,
    },
    /// Make the pending strategy the active one.
    Cutover,
    /// Withdraw the announcement.
    Abort,
    /// Announce the old strategy again.
    Rollback,
    /// Freeze what is left of the timer.
    PauseTimer,
    /// Go on with what was left of the timer.
    ResumeTimer,
}

/// A command that was carried out.
#[derive(Clone, Debug)]
pub struct Done {
    /// One sentence.
    pub what: String,
    /// The event that it caused, if it changed anything.
    pub event: Option<u64>,
    /// The state right after it.
    pub view: View,
}

/// A command that was not.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{why}")]
pub struct Refusal {
    /// What kind of reason there is.
    pub code: RefusalCode,
    /// The reason, which names the phase.
    pub why: String,
    /// The phase that the command met.
    pub phase: &'static str,
    /// The epoch that the command met.
    pub epoch: u64,
}

/// Why a command is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RefusalCode {
    /// It does not fit the phase.
    Unfit,
    /// It was meant for a state that is no more.
    Stale,
    /// An engine is not well.
    Engine,
}

/// Why an announcement did not begin.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LastRefusal {
    /// When it was asked for.
    pub time: DateTime<Utc>,
    /// The reason.
    pub why: String,
}

/// All that operators see of the switch, at one moment.
#[derive(Clone, Debug)]
pub struct View {
    /// The phase, and what is going on in it.
    pub now: Snapshot,
    /// How long the phase has lasted.
    pub age: Duration,
    /// How long until the phase ends by itself, as far as is known now: by the timer's announcement, by
    /// the cutover, by the end of the drain.
    pub ends_in: Option<Duration>,
    /// What the timer is doing.
    pub timer: TimerView,
    /// Why the last announcement that was asked for did not begin.
    pub last_refusal: Option<LastRefusal>,
    /// What becomes of the old strategy's queries.
    pub cutover: Cutover,
}

impl Switch {
    /// Carries a command out, unless it doesn't fit, or the state has moved on from the epoch `seen`.
    pub fn command(&self, command: Command, seen: Option<u64>) -> Result<Done, Refusal> {
        let shared = &*self.shared;
        let ordered = self.change(|state, now| {
            state.noted = None;
            let ordered = match seen.filter(|seen| *seen != state.machine.epoch()) {
                Some(seen) => Err(state.stale(seen)),
                None => {
                    state.is_ordered = true;
                    let ordered = state.obey(command, now);
                    state.settle(shared, now);
                    state.is_ordered = false;
                    ordered
                }
            };
            match ordered {
                Ok(what) => Ok(Done { what, event: state.noted, view: state.view(now) }),
                Err(refusal) => {
                    state.note_refusal(command.name(), &refusal);
                    Err(refusal)
                }
            }
        });
        // The timer may be about to do what is no longer wanted.
        shared.changed.notify_one();
        ordered
    }

    /// An announcement that an operator has ordered does not begin, because an engine is not well.
    pub fn refuse_engine(&self, why: impl Into<String>) -> Refusal {
        self.refuse(why.into(), true)
    }

    /// The same for the timer. It tries again and again: a reason that stays the same is noted once.
    pub(super) fn refuse_timer(&self, why: String) {
        self.refuse(why, false);
    }

    fn refuse(&self, problem: String, is_ordered: bool) -> Refusal {
        self.change(|state, _| {
            let why = format!("cannot announce in phase {}: {problem}", state.machine.phase().name());
            let refusal = state.refusal(RefusalCode::Engine, why);
            let last = LastRefusal { time: Utc::now(), why: refusal.why.clone() };
            let before = state.last_refusal.replace(last);
            let is_news = before.is_none_or(|before| before.why != refusal.why);
            if is_news {
                warn!("Strategy change does not begin: {problem}");
            }
            if is_news || is_ordered {
                state.note_refusal("switch", &refusal);
            }
            refusal
        })
    }

    /// What operators see.
    pub fn view(&self) -> View {
        self.change(|state, now| state.view(now))
    }

    /// Queries on record, the longest silent first, so many at most; and how many there are.
    pub fn on_record(&self, limit: usize, of: Option<Strategy>) -> (Vec<QueryView>, usize) {
        self.change(|_, now| self.shared.queries.list(limit, of, now))
    }

    /// What has happened.
    pub fn journal(&self) -> &Journal {
        &self.shared.journal
    }
}

impl Command {
    /// As the command line and the API call it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Announce { .. } => "switch",
            Self::Cutover => "cutover",
            Self::Abort => "abort",
            Self::Rollback => "rollback",
            Self::PauseTimer => "timer pause",
            Self::ResumeTimer => "timer resume",
        }
    }
}

impl State {
    /// Carries a command out, and says in a sentence what it did.
    fn obey(&mut self, command: Command, now: Instant) -> Result<String, Refusal> {
        let phase = self.machine.phase();
        let transition = match command {
            Command::Announce { to: Some(to) } if phase == (Phase::Stable { active: to }) => {
                let why = format!("cannot switch to {to} in phase STABLE: it is active already");
                return Err(self.refusal(RefusalCode::Unfit, why));
            }
            Command::Announce { .. } => self.machine.announce(now),
            Command::Cutover => self.machine.cutover(now),
            Command::Abort => self.machine.abort(now),
            Command::Rollback => self.machine.rollback(now),
            Command::PauseTimer => return self.pause(now),
            Command::ResumeTimer => return self.resume(now),
        };
        match transition {
            Ok(transition) => Ok(told(transition, self.machine.rules().cutover)),
            Err(unfit) => Err(self.refusal(RefusalCode::Unfit, unfit.to_string())),
        }
    }

    fn pause(&mut self, now: Instant) -> Result<String, Refusal> {
        self.needs_timer("pause")?;
        if !self.machine.pause_timer(now) {
            return Ok("the timer was paused already".to_owned());
        }
        self.note_timer("timer_paused", "The timer is paused");
        let left = self.machine.timer_view(now).left.unwrap_or_default();
        Ok(format!("the timer is paused with {} s left", left.as_secs()))
    }

    fn resume(&mut self, now: Instant) -> Result<String, Refusal> {
        self.needs_timer("resume")?;
        if !self.machine.resume_timer(now) {
            return Ok("the timer was running already".to_owned());
        }
        self.note_timer("timer_resumed", "The timer goes on");
        Ok("the timer goes on".to_owned())
    }

    fn needs_timer(&self, verb: &str) -> Result<(), Refusal> {
        if self.machine.rules().switch_every.is_some() {
            return Ok(());
        }
        let phase = self.machine.phase().name();
        let why = format!("cannot {verb} the timer in phase {phase}: there is none (--switch-every is 0)");
        Err(self.refusal(RefusalCode::Unfit, why))
    }

    fn stale(&self, seen: u64) -> Refusal {
        let (phase, epoch) = (self.machine.phase().name(), self.machine.epoch());
        let why = format!("the state has moved on: epoch {epoch} in phase {phase}, not epoch {seen}");
        self.refusal(RefusalCode::Stale, why)
    }

    fn refusal(&self, code: RefusalCode, why: String) -> Refusal {
        Refusal { code, why, phase: self.machine.phase().name(), epoch: self.machine.epoch() }
    }

    fn note_refusal(&self, command: &str, refusal: &Refusal) {
        let details = Map::from_iter([("command".to_owned(), command.into())]);
        let (epoch, message) = (refusal.epoch, refusal.why.clone());
        self.journal.note(Note { kind: "refused", epoch, message, details, ..Note::default() });
    }

    fn note_timer(&mut self, kind: &'static str, message: &str) {
        let (epoch, message) = (self.machine.epoch(), message.to_owned());
        self.noted = Some(self.journal.note(Note { kind, epoch, message, ..Note::default() }));
    }

    fn view(&self, now: Instant) -> View {
        let ends = self.machine.deadline().or(self.machine.timer_due());
        View {
            now: self.snapshot(),
            age: now.saturating_duration_since(self.entered),
            ends_in: ends.map(|at| at.saturating_duration_since(now)),
            timer: self.machine.timer_view(now),
            last_refusal: self.last_refusal.clone(),
            cutover: self.machine.rules().cutover,
        }
    }
}

/// What an operator is told of a transition that he ordered.
fn told(transition: Transition, cutover: Cutover) -> String {
    match transition {
        Transition::Announced { from, to } => {
            format!("{to} is announced; {from} stays active until the cutover")
        }
        Transition::CutOver { from, to } if cutover == Cutover::Drain => {
            format!("{to} is active; {from} is being drained")
        }
        Transition::CutOver { from, to } => format!("{to} is active; {from} is refused"),
        Transition::Aborted { withdrawn } => {
            format!("the announcement of {withdrawn} is withdrawn; {} stays active", withdrawn.other())
        }
        // No command ends a drain.
        other => other.told(0),
    }
}
