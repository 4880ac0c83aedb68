//! The state behind the switch's lock: the machine, and the reports of its transitions.

use std::time::Instant;

use protocol::Strategy;
use tokio::sync::mpsc::UnboundedSender;
use tracing::warn;

use super::{
    LastRefusal, Left, Shared, Snapshot,
    engines::Report,
    event_log::{EventLog, NewEvent},
    machine::Machine,
    phase::{Actor, Phase, Transition},
    phase_name::PhaseName,
    queries::{Queries, Query},
    rules::Rules,
    state_writer::StateWriter,
    timer::{Asking, Event, Step},
};

/// More than one, so that the record shrinks while it is in use; few, so that no request waits.
const EXPIRED_PER_CHANGE: usize = 4;

/// The most bytes of a query id. Engines use UUIDs; a longer id names no query.
pub(super) const LONGEST_ID: usize = 256;

#[derive(Debug)]
pub(super) struct State {
    pub(super) machine: Machine,
    /// No query on record was last used before this time.
    oldest_request: Option<Instant>,
    forgotten: u64,
    /// Transitions for the log, in order. They are written where no request waits for it.
    events: UnboundedSender<Event>,
    /// When the timer wakes up; it need not hear of later deadlines.
    pub(super) sleeps_until: Option<Instant>,
    /// The progress of the timer's announcement.
    pub(super) asking: Asking,
    /// The event log.
    pub(super) event_log: EventLog,
    /// The id of the last event from this switch.
    pub(super) noted: Option<u64>,
    /// When the pending engine has to be asked, so that the cutover can go on.
    question: Option<Instant>,
    /// Per strategy: ends the calls that wait for an abandoned engine.
    pub(super) left: [Left; 2],
    /// Per strategy: the problem of its engine, as far as is known.
    pub(super) problems: [Option<String>; 2],
    /// Writes the state to its file.
    pub(super) state_writer: Option<StateWriter>,
    /// When the present phase began.
    pub(super) entered: Instant,
    pub(super) last_refusal: Option<LastRefusal>,
    /// The next transition is made here, not by another instance.
    pub(super) is_own: bool,
    /// When the last transition that was followed was proposed, in milliseconds since 1970.
    pub(super) proposed_at: Option<u64>,
}

impl State {
    pub(super) fn new(
        machine: Machine,
        now: Instant,
        events: UnboundedSender<Event>,
        event_log: EventLog,
        state_writer: Option<StateWriter>,
    ) -> Self {
        Self {
            machine,
            oldest_request: None,
            forgotten: 0,
            events,
            sleeps_until: None,
            asking: Asking::Nobody,
            event_log,
            noted: None,
            question: None,
            left: Default::default(),
            problems: Default::default(),
            state_writer,
            entered: now,
            last_refusal: None,
            is_own: true,
            proposed_at: None,
        }
    }

    pub(super) fn snapshot(&self) -> Snapshot {
        Snapshot {
            phase: self.machine.phase(),
            epoch: self.machine.epoch(),
            queries: Strategy::ALL.map(|strategy| self.machine.queries(strategy)),
            requests: Strategy::ALL.map(|strategy| self.machine.requests(strategy)),
            forgotten: self.forgotten,
        }
    }

    /// Adds a query to the record, if it may still be there. Returns whether it is.
    pub(super) fn record(&mut self, queries: &Queries, id: &str, query: Query, now: Instant) -> bool {
        // A request whose message was unreadable names none.
        let is_id = (1..=LONGEST_ID).contains(&id.len());
        let is_remembered = is_id && self.machine.remembers(query.strategy, query.birth);
        if is_remembered {
            self.oldest_request.get_or_insert(now);
            if let Some(before) = queries.insert(id, query, now) {
                self.machine.forget(before.strategy, before.birth, now);
            }
        }
        is_remembered
    }

    /// Reports what the machine did, and forgets a few expired queries.
    pub(super) fn settle(&mut self, shared: &Shared, now: Instant) {
        let Shared { queries, heading, .. } = shared;
        let &Rules { query_ttl, max_queries, .. } = self.machine.rules();
        // With other instances queries leave the record in etcd first.
        let expiries = if self.machine.is_shared() { 0 } else { EXPIRED_PER_CHANGE };
        for _ in 0..expiries {
            let is_over = self.oldest_request.is_some_and(|at| at + query_ttl <= now);
            if !is_over && queries.len() <= max_queries {
                break;
            }
            let expired = queries.expire(max_queries, query_ttl, now);
            self.oldest_request = queries.oldest_request();
            let Some(query) = expired else { break };
            self.machine.forget(query.strategy, query.birth, now);
        }
        let transitions = self.machine.take_transitions();
        let before = self.machine.epoch() - transitions.len() as u64;
        let has_moved = !transitions.is_empty();
        for (epoch, (transition, by)) in (before + 1..).zip(transitions) {
            let course = self.machine.course();
            if course.heading != heading.get().1 {
                heading.set(course.headed_for(), course.heading, self.machine.is_silent());
            }
            let is_timed_out = matches!(transition, Transition::DrainTimedOut { .. });
            let forgotten = match transition {
                Transition::DrainTimedOut { old } if !self.machine.is_shared() => Some(queries.forget(old)),
                _ => None,
            };
            let left = match &forgotten {
                Some(forgotten) => forgotten.len(),
                None if is_timed_out => self.machine.held(),
                None => 0,
            };
            let abandoned = left as u64;
            self.forgotten += abandoned;
            self.enter(transition, now);
            let cutover = self.machine.rules().cutover;
            let note = NewEvent::transition(transition, epoch, left, cutover, by);
            let proposed_at = self.proposed_at.filter(|_| self.machine.is_shared());
            self.noted = Some(self.event_log.note(NewEvent { proposed_at, ..note }));
            if let Some(strategy) = self.left_at(transition, by) {
                self.leave(strategy);
            }
            let (phase, announcement) = (self.machine.phase(), heading.get().1);
            let is_own = !self.machine.is_shared() || self.is_own;
            let step = Step { transition, by, phase, announcement, at: now, abandoned, is_own };
            // The receiver is gone only if nothing runs the timer: then there is no log either.
            let _ = self.events.send(Event { step, forgotten });
        }
        if has_moved {
            self.keep(now);
        }
        // Of several instances one may have missed an announcement.
        if self.machine.is_shared() {
            let (phase, active) = (self.machine.course().phase, self.machine.course().active);
            self.come_back(active);
            if phase == PhaseName::Announced {
                self.come_back(active.other());
            }
        }
        if let Some(old) = self.leaves().filter(|(_, due)| *due <= now).map(|(old, _)| old) {
            self.leave(old);
        }
        let question = self.machine.question_due();
        if has_moved || question != self.question {
            self.question = question;
            shared.moved.send_replace(());
        }
    }

    /// Saves the present state, if there is a file for it.
    pub(super) fn keep(&self, now: Instant) {
        if let Some(state_writer) = &self.state_writer {
            state_writer.keep(self.machine.keep(now));
        }
    }

    /// Applies an engine's response to a health check, with its problem.
    pub(super) fn hear(&mut self, strategy: Strategy, report: Report, problem: Option<String>, now: Instant) {
        self.problems[strategy.index()] = problem;
        if report.is_healthy {
            self.come_back(strategy);
        }
        self.machine.hear(strategy, report, now);
    }

    /// The problem of a strategy's engine.
    pub(super) fn problem(&self, strategy: Strategy) -> String {
        let known = self.problems[strategy.index()].clone();
        known.unwrap_or_else(|| format!("the engine of {strategy} is not known to be healthy"))
    }

    /// The strategy whose engine is abandoned at a transition, because of its health.
    fn left_at(&mut self, transition: Transition, by: Actor) -> Option<Strategy> {
        match transition {
            Transition::CutOver { from: left, .. } | Transition::Aborted { withdrawn: left } => {
                // Of several instances this one may see it otherwise: then nobody waits in vain here.
                let is_well = self.machine.is_shared() && self.machine.is_healthy(left);
                (by == Actor::Health && !is_well).then_some(left)
            }
            Transition::Announced { to, .. } => {
                self.come_back(to);
                None
            }
            Transition::Drained { .. } | Transition::DrainTimedOut { .. } => None,
        }
    }

    /// Ends the calls that wait for the engine of a strategy to log in or to begin a query.
    fn leave(&mut self, strategy: Strategy) {
        let problem = self.problem(strategy);
        let message = format!("Nobody waits for the engine of {strategy} any longer: {problem}");
        warn!("{message}");
        let details = [("by", Actor::Health.as_str()), ("strategy", strategy.as_str())];
        let details = details.map(|(name, value)| (name.to_owned(), value.into())).into_iter().collect();
        let epoch = self.machine.epoch();
        self.event_log.note(NewEvent { kind: "engine_left", epoch, message, details, ..NewEvent::default() });
        self.left[strategy.index()].leave(problem);
    }

    /// The engine that is abandoned next, if nothing else happens, and when.
    fn leaves(&self) -> Option<(Strategy, Instant)> {
        self.machine.leaves().filter(|(old, _)| !self.left[old.index()].is_left())
    }

    /// Lets calls wait for the engine again.
    fn come_back(&mut self, strategy: Strategy) {
        let left = &mut self.left[strategy.index()];
        if left.is_left() {
            *left = Left::default();
        }
    }

    /// Records when the machine's present phase began.
    fn enter(&mut self, transition: Transition, now: Instant) {
        self.entered = match self.machine.phase() {
            Phase::Stable { .. } => now,
            Phase::Announced { since, .. } | Phase::Draining { since, .. } => since,
        };
        if matches!(transition, Transition::Announced { .. }) {
            self.last_refusal = None;
        }
    }

    /// When the timer has to look again, if nothing else happens.
    pub(super) fn wake(&self) -> Option<Instant> {
        let expiry = self.oldest_request.map(|at| at + self.machine.rules().query_ttl);
        let leaves = self.leaves().map(|(_, due)| due);
        [self.machine.deadline(), self.announcement_due(), leaves, expiry].into_iter().flatten().min()
    }

    /// When the timer asks for an announcement.
    pub(super) fn announcement_due(&self) -> Option<Instant> {
        let due = self.machine.timer_due()?;
        // Where there are others it is one of the wishes, for which the engine has to be asked.
        if self.machine.is_shared() && !self.machine.has_engines() {
            return None;
        }
        match self.asking {
            Asking::Nobody => Some(due),
            Asking::Now => None,
            Asking::From(again) => Some(due.max(again)),
        }
    }
}
