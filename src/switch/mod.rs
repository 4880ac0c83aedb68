//! The switch: who may talk to which colour, when. One cloneable handle over the state machine and
//! the queries on record; knows nothing of HTTP, gRPC or bytes.

mod heading;
mod machine;
mod pass;
mod phase;
mod queries;
mod rules;
mod timer;

#[cfg(test)]
mod tests;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError, atomic};

use tokio::{sync::Notify, time::Instant};

use self::{
    heading::Heading,
    machine::Machine,
    phase::Does,
    queries::{Queries, Query},
    timer::{Asking, Event},
};
pub use self::{
    pass::{Notice, Pass},
    phase::{Denied, Phase, Refused, Stale, Transition, Unfit},
    rules::{Cutover, Rules},
    timer::Timer,
};
use crate::strategy::Strategy;

/// More than one, so that the record shrinks while it is in use; few, so that no request waits.
const EXPIRED_PER_CHANGE: usize = 4;

/// Bytes of a query id. Engines give out UUIDs; what is longer is nobody's query.
const LONGEST_ID: usize = 256;

/// What the switch has to know about a request.
#[derive(Clone, Copy, Debug)]
pub struct Arrival<'a> {
    /// What its method does.
    pub action: Action<'a>,
    /// What its header says.
    pub header: Header,
}

/// What a call does to queries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action<'a> {
    /// Opens a session.
    LogIn,
    /// Begins a query, which its answer may name.
    Begin,
    /// Continues the query of that id.
    Continue(&'a str),
    /// Ends the query of that id.
    End(&'a str),
    /// Nothing to queries.
    Neutral,
}

/// What a request's header says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Header {
    /// Nothing.
    Absent,
    /// A strategy.
    Names(Strategy),
    /// Something that is no strategy: never let in.
    Unknown,
}

/// What can be seen of the switch at one moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Snapshot {
    /// The phase.
    pub phase: Phase,
    /// How many transitions there have been.
    pub epoch: u64,
    /// Queries per strategy: on record, or begun and not yet answered.
    pub queries: [u64; 2],
    /// Requests in progress per strategy.
    pub requests: [u64; 2],
    /// Queries that drains have left behind at their timeout, since the start.
    pub forgotten: u64,
}

/// The handle. A clone is the same switch.
#[derive(Clone, Debug)]
pub struct Switch {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    state: Mutex<State>,
    heading: Heading,
    /// Something happened that may bring a deadline forward.
    changed: Notify,
    rules: Rules,
}

#[derive(Debug)]
struct State {
    machine: Machine,
    queries: Queries,
    forgotten: u64,
    /// For the log, in order, written where nobody waits for it.
    events: tokio::sync::mpsc::UnboundedSender<Event>,
    /// What the timer waits for; it need not hear of anything later.
    sleeps_until: Option<std::time::Instant>,
    /// What has become of the announcement that the timer wants.
    asking: Asking,
}

impl Switch {
    /// A switch in `STABLE`, and the timer that [drives](Timer::run) it.
    pub fn new(rules: Rules) -> (Self, Timer) {
        let (events, log) = tokio::sync::mpsc::unbounded_channel();
        let shared = Shared {
            heading: Heading::new(rules.initial, 0),
            state: Mutex::new(State {
                machine: Machine::new(rules.clone(), Instant::now().into_std()),
                queries: Queries::default(),
                forgotten: 0,
                events,
                sleeps_until: None,
                asking: Asking::Nobody,
            }),
            changed: Notify::new(),
            rules,
        };
        let switch = Self { shared: Arc::new(shared) };
        (switch.clone(), Timer::new(switch, log))
    }

    /// Judges a request at its arrival.
    pub fn arrive(&self, arrival: Arrival<'_>) -> Result<Pass, Refused> {
        self.change(|state, now| {
            if arrival.header == Header::Unknown {
                return Err(Refused { expected: state.machine.phase().active() });
            }
            let id = match arrival.action {
                Action::Continue(id) | Action::End(id) => Some(id),
                Action::LogIn | Action::Begin | Action::Neutral => None,
            };
            let query = id.and_then(|id| state.queries.arrive(id, now));
            let strategy = match (query, arrival.header) {
                (Some(query), _) => query.strategy,
                (None, Header::Names(strategy)) => strategy,
                (None, _) => state.machine.phase().active(),
            };
            let does = match arrival.action {
                Action::LogIn => Does::LogIn,
                Action::Begin => Does::Begin,
                Action::Continue(_) if query.is_some() => Does::Continue,
                Action::Continue(_) => Does::ContinueUnseen,
                Action::End(_) => Does::End,
                Action::Neutral => Does::Neutral,
            };
            let judged = state.machine.judge(does, strategy, now);
            if let (Err(_), Some(id)) = (&judged, id) {
                state.queries.leave(id, now);
            }
            let ticket = judged?;
            Ok(Pass::new(self.clone(), ticket, does, id))
        })
    }

    /// Announces the other strategy.
    pub fn announce(&self) -> Result<Transition, Unfit> {
        self.change(|state, now| state.machine.announce(now))
    }

    /// Announces the other strategy, if there have been so many transitions as when that was decided.
    pub fn announce_if(&self, expected: u64) -> Result<Transition, Denied> {
        self.change(|state, now| match state.machine.epoch() {
            epoch if epoch == expected => Ok(state.machine.announce(now)?),
            epoch => Err(Stale { expected, epoch }.into()),
        })
    }

    /// Makes the pending strategy the active one, however young the announcement is.
    pub fn cutover(&self) -> Result<Transition, Unfit> {
        self.change(|state, now| state.machine.cutover(now))
    }

    /// Withdraws the announcement, and drains what has adopted it.
    pub fn abort(&self) -> Result<Transition, Unfit> {
        self.change(|state, now| state.machine.abort(now))
    }

    /// Announces the old strategy again.
    pub fn rollback(&self) -> Result<Transition, Unfit> {
        self.change(|state, now| state.machine.rollback(now))
    }

    /// Freezes what is left of the timer. False where it was paused already.
    pub fn pause_timer(&self) -> bool {
        let is_done = self.change(|state, now| state.machine.pause_timer(now));
        // It may be about to announce.
        self.shared.changed.notify_one();
        is_done
    }

    /// Goes on with what was left of the timer. False where it was not paused.
    pub fn resume_timer(&self) -> bool {
        self.change(|state, now| state.machine.resume_timer(now))
    }

    /// The state as it is now.
    pub fn snapshot(&self) -> Snapshot {
        self.change(|state, _| Snapshot {
            phase: state.machine.phase(),
            epoch: state.machine.epoch(),
            queries: Strategy::ALL.map(|strategy| state.machine.queries(strategy)),
            requests: Strategy::ALL.map(|strategy| state.machine.requests(strategy)),
            forgotten: state.forgotten,
        })
    }

    /// Does one thing to the state, at one moment, with nothing due before it left undone.
    fn change<T>(&self, act: impl FnOnce(&mut State, std::time::Instant) -> T) -> T {
        let Shared { heading, rules, changed, .. } = &*self.shared;
        let mut state = self.lock();
        let now = Instant::now().into_std();
        state.machine.advance(now);
        state.settle(heading, rules, now);
        let done = act(&mut state, now);
        state.settle(heading, rules, now);
        if state.wake(rules).is_some_and(|wake| state.sleeps_until.is_none_or(|until| wake < until)) {
            changed.notify_one();
        }
        done
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // No code that holds the lock panics half-way through a change.
        self.shared.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// Puts a query on record, if it may still be there. Returns whether it is.
    fn record(&mut self, id: &str, query: Query, now: std::time::Instant) -> bool {
        // A request whose message could not be read names none.
        let is_id = (1..=LONGEST_ID).contains(&id.len());
        let is_remembered = is_id && self.machine.remembers(query.strategy, query.birth);
        if is_remembered && let Some(before) = self.queries.insert(id, query, now) {
            self.machine.forget(before.strategy, before.birth, now);
        }
        is_remembered
    }

    /// Makes known what the machine did, and forgets a few of the queries whose time is over.
    fn settle(&mut self, heading: &Heading, rules: &Rules, now: std::time::Instant) {
        for _ in 0..EXPIRED_PER_CHANGE {
            let Some(query) = self.queries.expire(rules.max_queries, rules.query_ttl, now) else { break };
            self.machine.forget(query.strategy, query.birth, now);
        }
        for transition in self.machine.take_transitions() {
            let headed_for = self.machine.phase().headed_for();
            if headed_for != heading.get().0 {
                heading.set(headed_for, self.machine.epoch());
            }
            let forgotten = match transition {
                Transition::DrainTimedOut { old } => Some(self.queries.forget(old)),
                _ => None,
            };
            self.forgotten += forgotten.as_ref().map_or(0, |forgotten| forgotten.len() as u64);
            // The receiver is gone only where nobody runs the timer: then there is no log either.
            let _ = self.events.send(Event { transition, forgotten });
        }
    }

    /// When the timer has to look again, if nothing else happens.
    fn wake(&self, rules: &Rules) -> Option<std::time::Instant> {
        let expiry = self.queries.oldest_request().map(|at| at + rules.query_ttl);
        [self.machine.deadline(), self.announcement_due(), expiry].into_iter().flatten().min()
    }

    /// When the timer asks for an announcement.
    fn announcement_due(&self) -> Option<std::time::Instant> {
        let due = self.machine.timer_due()?;
        match self.asking {
            Asking::Nobody => Some(due),
            Asking::Now => None,
            Asking::From(again) => Some(due.max(again)),
        }
    }
}
