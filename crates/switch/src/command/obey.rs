//! How one instance carries out a command, in one step with the state that it meets.

use std::time::Instant;

use chrono::Utc;
use protocol::Strategy;
use serde_json::Map;
use tracing::warn;

use super::{Command, LastRefusal, Order, Refusal, RefusalCode, View};
use crate::{
    Cutover, State,
    course::TransitionKind,
    engines::Report,
    event_log::NewEvent,
    phase::{Actor, Phase, Transition},
};

impl State {
    /// Carries out a command, and returns its effect as a sentence.
    pub(super) fn obey(&mut self, command: Command, order: &Order, now: Instant) -> Result<String, Refusal> {
        let (phase, by) = (self.machine.phase(), order.by);
        if self.machine.is_shared() {
            // An order to several instances waits for them.
            let why = "expected an order that waits for the other instances".to_owned();
            return Err(self.refusal(RefusalCode::Waiting, why));
        }
        if by == Actor::Timer && !self.machine.is_timer_due(now) {
            return Err(
                self.refusal(RefusalCode::InvalidTransition, "the timer was set anew meanwhile".to_owned())
            );
        }
        if let Some(named) = command.names(phase) {
            self.ask(command, named, order, now)?;
        }
        let transition = match command {
            Command::Announce { to: Some(to) } if phase == (Phase::Stable { active: to }) => {
                let why = format!("cannot switch to {to} in phase STABLE: it is active already");
                return Err(self.refusal(RefusalCode::InvalidTransition, why));
            }
            Command::Announce { .. } => self.machine.order(TransitionKind::Announce, by, now),
            Command::Cutover { .. } => self.machine.order(TransitionKind::CutOver, by, now),
            Command::Abort => self.machine.order(TransitionKind::Abort, by, now),
            Command::Rollback => self.machine.order(TransitionKind::RollBack, by, now),
            Command::PauseTimer => return self.pause(now),
            Command::ResumeTimer => return self.resume(now),
        };
        match transition {
            Ok(transition) => Ok(told(transition, self.machine.rules().cutover)),
            Err(invalid_transition) => {
                Err(self.refusal(RefusalCode::InvalidTransition, invalid_transition.to_string()))
            }
        }
    }

    /// Checks the health of the engine that a command names.
    pub(crate) fn ask(
        &mut self,
        command: Command,
        named: Strategy,
        order: &Order,
        now: Instant,
    ) -> Result<(), Refusal> {
        let health = match order.health.clone() {
            Some((asked, health)) => {
                let report = Report { is_healthy: health.is_ok(), asked };
                self.hear(named, report, health.clone().err(), now);
                health
            }
            None if self.machine.is_healthy(named) => Ok(()),
            None => Err(self.problem(named)),
        };
        health.map_err(|problem| {
            let (verb, phase) = (command.verb(), self.machine.phase().name());
            let why = format!("cannot {verb} in phase {phase}: {problem}");
            self.refusal(RefusalCode::Engine, why)
        })
    }

    /// Records a refusal. The timer retries, so a reason that stays the same is recorded once.
    pub(crate) fn refused(&mut self, command: Command, refusal: &Refusal, by: Actor) {
        let mut is_news = by != Actor::Timer;
        let is_announcement = matches!(command, Command::Announce { .. } | Command::Rollback);
        if refusal.code == RefusalCode::Engine && is_announcement {
            let last = LastRefusal { time: Utc::now(), why: refusal.why.clone() };
            let before = self.last_refusal.replace(last);
            if before.is_none_or(|before| before.why != refusal.why) {
                is_news = true;
                let problem = refusal.why.split_once(": ").map_or("", |(_, problem)| problem);
                warn!("Strategy change does not begin: {problem}");
            }
        }
        if is_news {
            self.note_refusal(command.name(), refusal, by);
        }
    }

    pub(super) fn pause(&mut self, now: Instant) -> Result<String, Refusal> {
        self.needs_timer("pause")?;
        if !self.machine.pause_timer(now) {
            return Ok("the timer was paused already".to_owned());
        }
        self.note_timer("timer_paused", "The timer is paused");
        self.keep(now);
        let left = self.machine.timer_view(now).left.unwrap_or_default();
        Ok(format!("the timer is paused with {} s left", left.as_secs()))
    }

    pub(super) fn resume(&mut self, now: Instant) -> Result<String, Refusal> {
        self.needs_timer("resume")?;
        if !self.machine.resume_timer(now) {
            return Ok("the timer was running already".to_owned());
        }
        self.note_timer("timer_resumed", "The timer goes on");
        self.keep(now);
        Ok("the timer goes on".to_owned())
    }

    pub(super) fn needs_timer(&self, verb: &str) -> Result<(), Refusal> {
        if self.machine.rules().switch_every.is_some() {
            return Ok(());
        }
        let phase = self.machine.phase().name();
        let why = format!("cannot {verb} the timer in phase {phase}: there is none (--switch-every is 0)");
        Err(self.refusal(RefusalCode::InvalidTransition, why))
    }

    pub(super) fn stale(&self, seen: u64) -> Refusal {
        let (phase, epoch) = (self.machine.phase().name(), self.machine.epoch());
        let why = format!("the state has moved on: epoch {epoch} in phase {phase}, not epoch {seen}");
        self.refusal(RefusalCode::Stale, why)
    }

    pub(super) fn refusal(&self, code: RefusalCode, why: String) -> Refusal {
        Refusal { code, why, phase: self.machine.phase().name(), epoch: self.machine.epoch() }
    }

    pub(super) fn note_refusal(&self, command: &str, refusal: &Refusal, by: Actor) {
        let details = [("command", command), ("by", by.as_str())];
        let details = Map::from_iter(details.map(|(name, value)| (name.to_owned(), value.into())));
        let (epoch, message) = (refusal.epoch, refusal.why.clone());
        self.event_log.note(NewEvent { kind: "refused", epoch, message, details, ..NewEvent::default() });
    }

    pub(super) fn note_timer(&mut self, kind: &'static str, message: &str) {
        let (epoch, message) = (self.machine.epoch(), message.to_owned());
        self.noted = Some(self.event_log.note(NewEvent { kind, epoch, message, ..NewEvent::default() }));
    }

    pub(super) fn view(&self, now: Instant) -> View {
        // Others may have to be waited for: then it ends no earlier.
        let wishes = self.machine.is_shared().then(|| self.machine.wishes()).into_iter().flatten();
        let wished = wishes.map(|(due, ..)| due).min();
        let ends = wished.or(self.machine.deadline()).or(self.machine.timer_due());
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

/// The sentence about a transition for the operator who ordered it.
pub(super) fn told(transition: Transition, cutover: Cutover) -> String {
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
        other => other.message(0),
    }
}
