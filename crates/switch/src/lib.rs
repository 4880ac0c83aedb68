//! The switch: which strategy is served, and when that changes. One cloneable handle over the state machine and
//! the record of queries. It knows nothing of HTTP, gRPC or bytes.
//!
//! A switch is judged by requests, and moved by [commands](Command) and by its [timer](Timer):
//!
//! ```
//! # extern crate protocol as teal_protocol;
//! use teal_protocol::{CallKind, Strategy};
//! use teal_switch::{Actor, Arrival, Command, Header, Order, Rules, Switch};
//!
//! let (switch, _timer) = Switch::new(Rules { switch_every: None, ..Rules::default() });
//! let blue = Arrival { kind: CallKind::Begin, query: None, header: Header::Names(Strategy::Blue) };
//!
//! let call = switch.arrive(blue).expect("blue is active");
//! assert_eq!(call.notice(), None);
//!
//! switch.command(Command::Announce { to: None }, Order::by(Actor::Operator)).expect("it is stable");
//! let notice = call.notice().expect("green is announced");
//! assert_eq!(notice.strategy, Strategy::Green);
//!
//! switch.command(Command::Cutover { force: false }, Order::by(Actor::Operator)).expect("green is announced");
//! assert_eq!(switch.arrive(blue).expect_err("green is active").expected, Strategy::Green);
//! ```
//!
//! `examples/embed/` in teal's repository puts it before a gRPC server, and `docs/embedding.md` explains how.

mod closed;
mod command;
pub mod course;
mod engines;
pub mod etcd;
mod event_log;
mod in_flight;
pub mod instance;
mod left;
mod machine;
mod phase;
mod phase_name;
mod queries;
mod request_guard;
mod rules;
mod saved_state;
mod state;
mod state_writer;
mod target_strategy;
mod timer;
mod watch;

#[cfg(test)]
mod tests;

use std::{
    io,
    sync::{
        Arc, OnceLock,
        atomic::{self, AtomicU64, Ordering},
    },
    time::Duration,
};

use parking_lot::{Mutex, MutexGuard};
use protocol::{CallKind, Strategy};
use tokio::{
    sync::Notify,
    time::{Instant, timeout},
};

use self::{
    closed::Closed, in_flight::InFlight, machine::Machine, phase::Admission, queries::Queries, state::State,
    state_writer::StateWriter, target_strategy::TargetStrategy,
};
pub use self::{
    command::{Command, Done, LastRefusal, Order, Refusal, RefusalCode, View},
    event_log::{Event, EventLog, KEPT, KINDS, NewEvent},
    left::Left,
    machine::TimerView,
    phase::{Actor, InvalidTransition, Phase, StrategyMismatch, Transition},
    phase_name::PhaseName,
    queries::{OVERFULL, Query, QueryView},
    request_guard::{Effect, Notice, RequestGuard},
    rules::{Cutover, Rules},
    saved_state::{BadState, SavedState, StateFile},
    timer::{Step, Timer},
};

/// The value of a deadline that is not set.
const NEVER: u64 = u64::MAX;
/// The number of phases.
const PHASES: u64 = PhaseName::ALL.len() as u64;
/// The longest wait for the state to be written to its file.
const KEPT_WITHIN: Duration = Duration::from_secs(1);

/// The facts about a request that the switch judges it by.
#[derive(Clone, Copy, Debug)]
pub struct Arrival<'a> {
    /// The effect of its method on queries.
    pub kind: CallKind,
    /// The id of the query that it continues or ends, if it was readable. An unreadable id counts as not on record.
    pub query: Option<&'a str>,
    /// Its `strategy` header.
    pub header: Header,
}

/// The `strategy` header of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Header {
    /// There is none.
    Absent,
    /// It names a strategy.
    Names(Strategy),
    /// Its value is no strategy. Such a request is always rejected.
    Unknown,
}

impl Header {
    /// The strategy, if it names one.
    pub fn named(self) -> Option<Strategy> {
        match self {
            Self::Names(strategy) => Some(strategy),
            Self::Absent | Self::Unknown => None,
        }
    }
}

/// The visible state of the switch at one moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Snapshot {
    /// The phase.
    pub phase: Phase,
    /// The number of transitions so far.
    pub epoch: u64,
    /// Queries per strategy: on record, or begun and not answered yet.
    pub queries: [u64; 2],
    /// Requests in progress per strategy.
    pub requests: [u64; 2],
    /// Queries that drains abandoned at their timeout, since the start.
    pub forgotten: u64,
}

/// A phase and its epoch: the epoch, and the phase in the last place.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Moment(u64);

/// A handle to the switch. Clones share it.
#[derive(Clone, Debug)]
pub struct Switch {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    state: Mutex<State>,
    /// By [`Strategy::index`]. Shut while the lock is held.
    in_flight: [InFlight; 2],
    /// Queries are added and removed under the lock only; with several instances by the copy of the record, under its.
    queries: Arc<Queries>,
    /// Queries that are off the record and on the table still.
    closed: Closed,
    heading: TargetStrategy,
    /// The phase and the epoch, in one number.
    moment: AtomicU64,
    start: std::time::Instant,
    /// What the instances share, if there are several.
    store: OnceLock<etcd::Handle>,
    /// When the state next changes by itself, in nanoseconds since `start`. With several instances: the end of the lease.
    due: AtomicU64,
    /// Notified when a deadline may have moved forward.
    changed: Notify,
    /// Notified when another engine may have to be asked, or at another time.
    moved: tokio::sync::watch::Sender<()>,
    has_engines: bool,
    /// Other instances are to be joined before anything is let in.
    is_shared: bool,
    event_log: EventLog,
}

/// The surroundings that a switch starts with, besides its rules.
#[derive(Clone, Debug, Default)]
pub struct Start {
    /// Each strategy has its own engine, whose health counts.
    pub has_engines: bool,
    /// It is to be [shared](Switch::share) with other instances before the first request.
    pub is_shared: bool,
    /// The file that keeps the state, and the state found in it.
    pub state: Option<(StateFile, Option<SavedState>)>,
}

impl Switch {
    /// Creates a switch in `STABLE` with one engine, and the timer that [drives](Timer::run) it.
    pub fn new(rules: Rules) -> (Self, Timer) {
        Self::build(rules, Start::default(), None, |_| Ok(None)).expect("nothing is written")
    }

    /// Creates a switch that continues from a saved state, and the timer that [drives](Timer::run) it. Fails if
    /// its state cannot be written.
    pub fn start(rules: Rules, mut start: Start) -> io::Result<(Self, Timer)> {
        let (file, kept) = start.state.take().map_or((None, None), |(file, kept)| (Some(file), kept));
        Self::build(rules, start, kept, |kept| file.map(|file| StateWriter::start(file, kept)).transpose())
    }

    fn build(
        rules: Rules,
        Start { has_engines, is_shared, .. }: Start,
        kept: Option<SavedState>,
        state_writer: impl FnOnce(SavedState) -> io::Result<Option<StateWriter>>,
    ) -> io::Result<(Self, Timer)> {
        let (events, log) = tokio::sync::mpsc::unbounded_channel();
        let (start, event_log) = (Instant::now().into_std(), EventLog::default());
        let mut machine = Machine::new(rules, start);
        if has_engines {
            machine = machine.with_engines(start);
        }
        if let Some(kept) = kept {
            machine = machine.resume(kept, start);
        }
        let state_writer = state_writer(machine.keep(start))?;
        let heading = TargetStrategy::new(machine.course().headed_for(), machine.course().heading);
        let moment = AtomicU64::new(moment(&machine));
        let shared = Shared {
            state: Mutex::new(State::new(machine, start, events, event_log.clone(), state_writer)),
            in_flight: Default::default(),
            queries: Arc::default(),
            closed: Default::default(),
            heading,
            moment,
            start,
            store: OnceLock::new(),
            due: AtomicU64::new(NEVER),
            changed: Notify::new(),
            moved: tokio::sync::watch::channel(()).0,
            has_engines,
            is_shared,
            event_log,
        };
        let switch = Self { shared: Arc::new(shared) };
        Ok((switch.clone(), Timer::new(switch, log)))
    }

    /// Resolves once the present state is in its file, if there is one, or writing has failed. Waits 1 s at most, so
    /// that a disk that hangs stops nothing.
    pub async fn kept(&self) {
        let state_writer = self.lock().state_writer.clone();
        if let Some(state_writer) = state_writer {
            _ = timeout(KEPT_WITHIN, state_writer.flush()).await;
        }
    }

    /// Judges a request at its arrival.
    pub fn arrive(&self, arrival: Arrival<'_>) -> Result<RequestGuard, StrategyMismatch> {
        if let Some(pass) = self.pass_by(arrival) {
            return Ok(pass);
        }
        let queries = &self.shared.queries;
        self.change(|state, now| {
            if arrival.header == Header::Unknown {
                return Err(StrategyMismatch { expected: state.machine.phase().active() });
            }
            let (kind, id) = (arrival.kind, arrival.query);
            let query = id.and_then(|id| queries.arrive(id, now, |_| true)).map(|touched| touched.query);
            let strategy = match (query, arrival.header) {
                (Some(query), _) => query.strategy,
                (None, Header::Names(strategy)) => strategy,
                (None, _) => state.machine.phase().active(),
            };
            // A query that continues and is not on record counts as one while this request is in progress.
            let counts_query = kind == CallKind::Begin || kind == CallKind::Continue && query.is_none();
            let active = state.machine.phase().active();
            let judged =
                if kind == CallKind::LogIn && strategy != active && state.left[strategy.index()].is_left() {
                    // Its engine was abandoned as unhealthy: logins have to go to the other strategy.
                    Err(StrategyMismatch { expected: active })
                } else {
                    state.machine.judge(kind, strategy, counts_query, now)
                };
            if let (Err(_), Some(id)) = (&judged, id) {
                queries.leave(id, now);
            }
            let admission = judged?;
            let waits = self.shared.has_engines && matches!(kind, CallKind::LogIn | CallKind::Begin);
            let left = waits.then(|| state.left[strategy.index()].clone());
            Ok(RequestGuard::new(self.clone(), admission, kind, id, left))
        })
    }

    /// Admits a request without the lock if it only has to be counted: it
    /// is no query, its strategy is served, and it triggers nothing.
    #[inline]
    fn pass_by(&self, arrival: Arrival<'_>) -> Option<RequestGuard> {
        let Shared { in_flight, .. } = &*self.shared;
        let in_flight = |strategy: Strategy| &in_flight[strategy.index()];
        let is_counted = match arrival.kind {
            CallKind::Begin => true,
            CallKind::Continue | CallKind::End => arrival.query.is_none(),
            CallKind::LogIn | CallKind::Neutral => false,
        };
        if arrival.header == Header::Unknown || is_counted || self.is_due() {
            return None;
        }
        // It may have to learn that its engine is abandoned.
        if self.shared.has_engines && arrival.kind == CallKind::LogIn {
            return None;
        }
        let id = arrival.query;
        let strategy = match (id, arrival.header) {
            (Some(id), _) => return self.pass_query(arrival.kind, id),
            // A login to the pending strategy adopts it.
            (None, Header::Names(strategy)) if arrival.kind == CallKind::LogIn => {
                in_flight(strategy).enter_active().then_some(strategy)?
            }
            (None, Header::Names(strategy)) => in_flight(strategy).enter().then_some(strategy)?,
            (None, _) => Strategy::ALL.into_iter().find(|strategy| in_flight(*strategy).enter_active())?,
        };
        let admission = Admission { strategy, birth: None, adopts: None };
        Some(RequestGuard::new(self.clone(), admission, arrival.kind, id, None))
    }

    /// Admits a request about a query on record without the lock, if its strategy is served.
    fn pass_query(&self, kind: CallKind, id: &str) -> Option<RequestGuard> {
        let Shared { in_flight, queries, closed, store, .. } = &*self.shared;
        let is_closed = |query: Query| closed.contains(query.strategy, query.birth);
        let let_in = |query: Query| !is_closed(query) && in_flight[query.strategy.index()].enter();
        let touched = queries.arrive(id, Instant::now().into_std(), let_in)?;
        let admission = Admission { strategy: touched.query.strategy, birth: None, adopts: None };
        let guard = RequestGuard::new(self.clone(), admission, kind, Some(id), None);
        let Some(store) = store.get() else { return Some(guard) };
        store.put_again_if_due(Some(id), Some(touched));
        let guard = guard.on_table();
        // What closes it may have come between the look and the turnstile. Then the request is judged under the lock.
        (!is_closed(touched.query)).then_some(guard)
    }

    /// Ends a request without the lock, if it only has to be counted.
    fn leave(&self, strategy: Strategy) -> bool {
        !self.is_due() && self.shared.in_flight[strategy.index()].leave()
    }

    /// Returns whether a deadline has passed and is not handled yet.
    fn is_due(&self) -> bool {
        let Shared { due, start, .. } = &*self.shared;
        let due = due.load(Ordering::Acquire);
        due != NEVER && due <= nanos(Instant::now().into_std() - *start)
    }

    /// The last announcement: where the switch is headed. Takes no lock.
    pub fn heading(&self) -> Notice {
        let (strategy, announcement) = self.shared.heading.get();
        Notice { strategy, announcement }
    }

    /// The phase and the epoch after the last transition that was made. Takes no lock, and makes none that is due.
    pub fn moment(&self) -> Moment {
        Moment(self.shared.moment.load(Ordering::Acquire))
    }

    /// Replaces the rules in one step. Deadlines that have passed by the new rules end now; a drain in
    /// progress is completed whatever `cutover` says. The initial strategy stays.
    pub fn set_rules(&self, rules: Rules) {
        if self.shared.store.get().is_some() {
            self.shared.queries.share(&rules);
        }
        self.change(|state, now| {
            state.machine.set_rules(rules, now);
            state.keep(now);
        });
        self.shared.moved.send_replace(());
        self.tell_driver();
        // It may be about to announce.
        self.shared.changed.notify_one();
    }

    /// The rules in force.
    pub fn rules(&self) -> Rules {
        self.lock().machine.rules().clone()
    }

    /// The present state.
    pub fn snapshot(&self) -> Snapshot {
        self.change(|state, _| state.snapshot())
    }

    /// Changes the state at one moment, after everything that was due before it.
    fn change<T>(&self, act: impl FnOnce(&mut State, std::time::Instant) -> T) -> T {
        let shared = &*self.shared;
        let mut state = self.lock();
        // No request comes or goes from here on, so the counts are complete and the change is one step.
        for strategy in Strategy::ALL {
            state.machine.count(strategy, shared.in_flight[strategy.index()].shut());
        }
        let now = Instant::now().into_std();
        state.machine.advance(now);
        state.settle(shared, now);
        let done = act(&mut state, now);
        state.settle(shared, now);
        shared.publish(&state.machine);
        if state.wake().is_some_and(|wake| state.sleeps_until.is_none_or(|until| wake < until)) {
            shared.changed.notify_one();
        }
        done
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.shared.state.lock()
    }
}

impl Shared {
    /// Opens the turnstiles that need not stay shut until the next change.
    fn publish(&self, machine: &Machine) {
        let deadline = match self.store.get() {
            None => machine.deadline(),
            Some(store) => {
                let course = machine.course();
                self.heading.set(course.headed_for(), course.heading, machine.is_silent());
                self.closed.set(course.closed);
                Some(store.deadline().at().into_std())
            }
        };
        self.moment.store(moment(machine), Ordering::Release);
        let due = deadline.map_or(NEVER, |deadline| nanos(deadline.saturating_duration_since(self.start)));
        self.due.store(due, Ordering::Release);
        for strategy in Strategy::ALL.into_iter().filter(|strategy| machine.is_served(*strategy)) {
            self.in_flight[strategy.index()].open(strategy == machine.phase().active());
        }
    }
}

fn moment(machine: &Machine) -> u64 {
    machine.epoch() * PHASES + machine.phase().name() as u64
}

impl Moment {
    /// The phase.
    pub fn phase(self) -> PhaseName {
        let phase = PhaseName::ALL.into_iter().find(|phase| *phase as u64 == self.0 % PHASES);
        phase.unwrap_or(PhaseName::Stable)
    }

    /// The epoch.
    pub fn epoch(self) -> u64 {
        self.0 / PHASES
    }
}

fn nanos(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(NEVER)
}
