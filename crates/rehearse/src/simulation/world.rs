//! The ground truth of the simulated world: queries on record, events of the switch, calls.

use std::{
    cell::{Cell, RefCell},
    collections::{HashMap, HashSet},
};

use protocol::{CallKind, Protocol};
use proxy::gate::{GateLayer, Mismatch};
use switch::PhaseName;

use super::{
    engine::Engines,
    fates::{ANSWERS_WITHIN, Fates},
    *,
};
use crate::{Call, Kind, Outcome, Promise, Seen, Timeline, Transition, check, timeline::ENGINE_LEFT};

pub(super) struct World {
    pub(super) switch: Switch,
    pub(super) layer: GateLayer,
    rules: Rules,
    pub(super) engines: RefCell<Engines>,
    /// The fates of the engines.
    pub(super) fates: Rc<Fates>,
    /// The random generator of the engines.
    pub(super) random: RefCell<SmallRng>,
    /// Queries on record.
    pub(super) on_record: RefCell<HashMap<String, Strategy>>,
    /// Repeated calls.
    pub(super) twins: RefCell<JoinSet<()>>,
    /// Drains that timed out: the resulting epoch, and the strategy.
    given_up: RefCell<Vec<(u64, Strategy)>>,
    start: Instant,
    calls: RefCell<Vec<Call>>,
    timeline: RefCell<Timeline>,
    /// The last observed event of the switch.
    noted: Cell<u64>,
    last: Cell<Snapshot>,
    queries: Cell<u32>,
    /// The longest time without a successful begin, and the number of begins.
    waits: Cell<(Duration, u64)>,
}

impl World {
    pub(super) fn new(switch: Switch, rules: Rules, fates: Rc<Fates>, random: SmallRng) -> Self {
        let layer = GateLayer::new(switch.clone(), Protocol::default(), Mismatch::Both);
        let first = switch.snapshot();
        let seen = Seen {
            at: 0,
            stage: stage(first),
            active: first.phase.active(),
            epoch: first.epoch,
            ends_by: None,
        };
        let is_strict = rules.cutover == Cutover::Strict;
        // Within one millisecond of paused time the order is unknown.
        let timeline =
            Timeline { seen: vec![seen], is_strict, slack: 1_000, until: u64::MAX, ..Timeline::default() };
        Self {
            switch,
            layer,
            rules,
            engines: RefCell::default(),
            fates,
            random: RefCell::new(random),
            on_record: RefCell::default(),
            twins: RefCell::default(),
            given_up: RefCell::default(),
            start: Instant::now(),
            calls: RefCell::default(),
            timeline: RefCell::new(timeline),
            noted: Cell::default(),
            last: Cell::new(first),
            queries: Cell::new(0),
            waits: Cell::default(),
        }
    }

    pub(super) fn is_strict(&self) -> bool {
        self.timeline.borrow().is_strict
    }

    /// Returns whether queries may be forgotten because there are too many.
    pub(super) fn is_limited(&self) -> bool {
        self.rules.max_queries < 1_000
    }

    /// Microseconds since the start.
    pub(super) fn now(&self) -> u64 {
        self.start.elapsed().as_micros() as u64
    }

    pub(super) fn next_query(&self) -> u32 {
        self.queries.replace(self.queries.get() + 1)
    }

    /// Records how long a client was without service.
    pub(super) fn waited(&self, time: Duration) {
        let (longest, count) = self.waits.get();
        self.waits.set((longest.max(time), count + 1));
    }

    /// Fails, with the events that led to it.
    pub(super) fn fail_without_service(&self, longest: Duration) -> ! {
        let calls = self.calls.borrow();
        let last = calls.iter().filter(|call| call.client == u32::MAX).rev().take(8);
        let last = Vec::from_iter(last);
        let timeline = self.timeline.borrow();
        let transition = &timeline.transitions[timeline.transitions.len().saturating_sub(8)..];
        panic!("promise 7: nothing is begun for {longest:?}, {}: {last:#?}\n{transition:#?}", self.now());
    }

    pub(super) fn call(&self, call: Call) {
        self.calls.borrow_mut().push(call);
    }

    /// Observes the switch, and records its events since the last time.
    pub(super) fn observe(&self) -> Snapshot {
        // The last observed phase must end even without calls.
        self.check_deadline(self.last.get());
        let (before, now) = (self.last.replace(self.switch.snapshot()), self.last.get());
        let (mut place, mut epoch) = ((stage(before), before.phase.active()), before.epoch);
        for record in self.switch.event_log().after(self.noted.get(), KEPT) {
            self.noted.set(record.id);
            let NewEvent { kind, epoch: at, from, to, .. } = record.note;
            if kind == ENGINE_LEFT {
                self.timeline.borrow_mut().left.push(at);
            }
            let Some(kind) = Kind::named(kind) else { continue };
            epoch += 1;
            assert_eq!(at, epoch, "promise 4: epochs in order");
            place = after(place, kind, self.is_strict())
                .unwrap_or_else(|| panic!("promise 4: {kind:?} in {place:?}"));
            self.timeline.borrow_mut().transitions.push(Transition { at: self.now(), epoch, kind, from, to });
            self.settle(kind, epoch, from);
        }
        let there = ((stage(now), now.phase.active()), now.epoch);
        assert_eq!((place, epoch), there, "promise 4: {:#?}", self.timeline.borrow().transitions);
        if self.is_limited() {
            self.forget();
        }
        now
    }

    /// Removes queries beyond the limit from the record.
    fn forget(&self) {
        let (queries, count) = self.switch.on_record(usize::MAX, None);
        assert!(count <= self.rules.max_queries, "promise 5: {count} queries on record");
        let kept: HashSet<String> = queries.into_iter().map(|query| query.id).collect();
        self.on_record.borrow_mut().retain(|id, _| kept.contains(id));
    }

    /// Applies the end of a drain to the queries of the old strategy.
    fn settle(&self, kind: Kind, epoch: u64, old: Option<Strategy>) {
        let Some(old) = old else { return };
        let mut on_record = self.on_record.borrow_mut();
        match kind {
            Kind::Drained => {
                assert!(on_record.values().all(|strategy| *strategy != old), "promise 1: {old} is drained")
            }
            Kind::DrainTimedOut => {
                on_record.retain(|_, strategy| *strategy != old);
                self.given_up.borrow_mut().push((epoch, old));
            }
            _ => {}
        }
    }

    /// Promise 5: no phase outlives its deadline.
    fn check_deadline(&self, state: Snapshot) {
        let (since, deadline) = match state.phase {
            Phase::Stable { .. } => return,
            Phase::Announced { since, .. } => {
                (since, self.rules.announce_timeout.map(|timeout| timeout.max(self.rules.notice)))
            }
            Phase::Draining { since, .. } => (since, self.rules.drain_timeout),
        };
        let age = Instant::now().into_std().saturating_duration_since(since);
        // The pending engine is checked before the cutover, and a check may be in progress when it is due.
        let asking = if self.switch.has_engines() { 2 * ANSWERS_WITHIN } else { Duration::ZERO };
        let is_over = deadline.is_some_and(|deadline| age > deadline + asking);
        assert!(!is_over, "promise 5: {:?} for {age:?}", state.phase);
    }

    /// Returns whether a drain of a strategy timed out after an epoch.
    pub(super) fn timed_out_since(&self, strategy: Strategy, epoch: u64) -> bool {
        self.given_up.borrow().iter().any(|(at, old)| *at > epoch && *old == strategy)
    }

    /// Promise 5: without clients, every phase ends and nothing is left.
    pub(super) async fn check_end(&self) {
        sleep(secs(4_000)).await;
        let end = self.observe();
        assert!(matches!(end.phase, Phase::Stable { .. }), "promise 5: {:?} sticks", end.phase);
        assert_eq!((end.queries, end.requests), ([0, 0], [0, 0]), "promise 5: something is left");
    }

    /// The verdict of the checker.
    pub(super) fn judge(&self) -> Tally {
        let (calls, timeline) = (self.calls.borrow(), self.timeline.borrow());
        // Promise 5 is tested here at each observation.
        let mut cases = u64::MAX;
        for verdict in check(&calls, Some(&timeline)) {
            // A forgotten query is judged by the header, whatever its strategy was.
            let is_of_queries =
                matches!(verdict.promise, Promise::NothingLost | Promise::OneColour | Promise::InOrder);
            assert!(
                verdict.broken == 0 || self.is_limited() && is_of_queries,
                "{verdict:?}\n{:#?}",
                timeline.transitions
            );
            if verdict.promise != Promise::NothingSticks {
                cases = cases.min(verdict.cases);
            }
        }
        let count = |is: fn(&Call) -> bool| calls.iter().filter(|call| is(call)).count() as u64;
        let is = |kind| move |transition: &&Transition| transition.kind == kind;
        Tally {
            clients: 0,
            cases,
            calls: calls.len() as u64,
            refused: count(|call| call.outcome == Outcome::Refused),
            told: count(|call| call.notice.is_some()),
            transitions: timeline.transitions.len() as u64,
            timed_out: timeline.transitions.iter().filter(is(Kind::DrainTimedOut)).count() as u64,
            left: timeline.left.len() as u64,
            waits: self.waits.get().1,
            longest: self.waits.get().0,
        }
    }

    /// Applies the rules: the strategy of a request, and whether it is admitted.
    pub(super) fn rule(
        &self,
        state: Snapshot,
        kind: CallKind,
        of_query: Option<Strategy>,
        header: Option<Strategy>,
    ) -> (Strategy, bool) {
        let active = state.phase.active();
        let strategy = of_query.or(header).unwrap_or(active);
        let is_let_in = strategy == active
            || match (state.phase, kind) {
                (_, CallKind::LogIn) if self.switch.has_left(strategy) => false,
                (Phase::Stable { .. }, _) => kind == CallKind::End && !self.is_strict(),
                (Phase::Announced { .. }, _) => true,
                (Phase::Draining { .. }, _) => kind != CallKind::Begin,
            };
        (strategy, is_let_in)
    }
}

fn stage(state: Snapshot) -> PhaseName {
    match state.phase {
        Phase::Stable { .. } => PhaseName::Stable,
        Phase::Announced { .. } => PhaseName::Announced,
        Phase::Draining { .. } => PhaseName::Draining,
    }
}

fn after(
    (stage, active): (PhaseName, Strategy),
    kind: Kind,
    is_strict: bool,
) -> Option<(PhaseName, Strategy)> {
    let drain = if is_strict { PhaseName::Stable } else { PhaseName::Draining };
    Some(match (kind, stage) {
        (Kind::Announced, PhaseName::Stable | PhaseName::Draining) => (PhaseName::Announced, active),
        (Kind::CutOver, PhaseName::Announced) => (drain, active.other()),
        (Kind::Aborted, PhaseName::Announced) => (drain, active),
        (Kind::Drained | Kind::DrainTimedOut, PhaseName::Draining) => (PhaseName::Stable, active),
        _ => return None,
    })
}
