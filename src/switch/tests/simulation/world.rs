//! What is true in the simulated world: which queries are on record, what the switch did, who called.

use std::{
    cell::{Cell, RefCell},
    collections::HashMap,
};

use super::{engine::Engines, *};
use crate::{
    gate::{GateLayer, Mismatch},
    protocol::Protocol,
    rehearse::{Call, Does, Happened, Kind, Outcome, Promise, Seen, Stage, Story, check},
};

pub(super) struct World {
    pub(super) switch: Switch,
    pub(super) layer: GateLayer,
    rules: Rules,
    pub(super) engines: RefCell<Engines>,
    /// The engines' dice.
    pub(super) random: RefCell<SmallRng>,
    /// Queries on record.
    pub(super) on_record: RefCell<HashMap<String, Strategy>>,
    /// Calls that the network repeats.
    pub(super) twins: RefCell<JoinSet<()>>,
    /// Drains that were given up: the epoch that it led to, and of which strategy.
    given_up: RefCell<Vec<(u64, Strategy)>>,
    start: Instant,
    calls: RefCell<Vec<Call>>,
    story: RefCell<Story>,
    last: Cell<Snapshot>,
    queries: Cell<u32>,
}

impl World {
    pub(super) fn new(switch: Switch, rules: Rules, random: SmallRng) -> Self {
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
        // Within one millisecond of paused time, what came first is not known.
        let story =
            Story { seen: vec![seen], happened: Vec::new(), is_strict, slack: 1_000, until: u64::MAX };
        Self {
            switch,
            layer,
            rules,
            engines: RefCell::default(),
            random: RefCell::new(random),
            on_record: RefCell::default(),
            twins: RefCell::default(),
            given_up: RefCell::default(),
            start: Instant::now(),
            calls: RefCell::default(),
            story: RefCell::new(story),
            last: Cell::new(first),
            queries: Cell::new(0),
        }
    }

    pub(super) fn is_strict(&self) -> bool {
        self.story.borrow().is_strict
    }

    /// Microseconds since the start.
    pub(super) fn now(&self) -> u64 {
        self.start.elapsed().as_micros() as u64
    }

    pub(super) fn next_query(&self) -> u32 {
        self.queries.replace(self.queries.get() + 1)
    }

    pub(super) fn call(&self, call: Call) {
        self.calls.borrow_mut().push(call);
    }

    /// Looks at the switch, and writes down what it did since the last look.
    pub(super) fn observe(&self) -> Snapshot {
        let (before, now) = (self.last.replace(self.switch.snapshot()), self.last.get());
        assert!(now.epoch >= before.epoch, "promise 4: epochs in order");
        let steps = (now.epoch - before.epoch) as usize;
        let mut place = (stage(before), before.phase.active());
        let path = path(place, (stage(now), now.phase.active()), steps, self.is_strict())
            .unwrap_or_else(|| panic!("promise 4: no {steps} transitions lead from {before:?} to {now:?}"));
        for (at, mut kind) in path.into_iter().enumerate() {
            let (active, epoch) = (place.1, before.epoch + at as u64 + 1);
            if kind == Kind::Drained && self.gave_up(active.other(), before, now) {
                kind = Kind::DrainTimedOut;
                self.on_record.borrow_mut().retain(|_, strategy| *strategy == active);
                self.given_up.borrow_mut().push((epoch, active.other()));
            }
            let (from, to) = match kind {
                Kind::Announced | Kind::CutOver => (Some(active), Some(active.other())),
                _ => (None, None),
            };
            self.story.borrow_mut().happened.push(Happened { at: self.now(), epoch, kind, from, to });
            place = after(place, kind, self.is_strict()).expect("it is on the path");
        }
        self.check_deadline(now);
        now
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
        assert!(deadline.is_none_or(|deadline| age <= deadline), "promise 5: {:?} for {age:?}", state.phase);
    }

    /// Whether a drain ended with queries left.
    fn gave_up(&self, old: Strategy, before: Snapshot, now: Snapshot) -> bool {
        let is_left = self.on_record.borrow().values().any(|strategy| *strategy == old);
        is_left || before.queries[old.index()] > 0 || now.forgotten > before.forgotten
    }

    /// Whether a drain of a strategy was given up after an epoch.
    pub(super) fn timed_out_since(&self, strategy: Strategy, epoch: u64) -> bool {
        self.given_up.borrow().iter().any(|(at, old)| *at > epoch && *old == strategy)
    }

    /// Promise 5: with everybody gone, every phase ends, and nothing is left.
    pub(super) async fn check_end(&self) {
        for _ in 0..40 {
            pass(secs(100)).await;
            self.observe();
        }
        let end = self.observe();
        assert!(matches!(end.phase, Phase::Stable { .. }), "promise 5: {:?} sticks", end.phase);
        assert_eq!((end.queries, end.requests), ([0, 0], [0, 0]), "promise 5: something is left");
    }

    /// What the checker says of it all.
    pub(super) fn judge(&self) -> Tally {
        let (calls, story) = (self.calls.borrow(), self.story.borrow());
        for verdict in check(&calls, Some(&story)) {
            let is_put_to_the_test =
                verdict.cases > 0 || verdict.promise == Promise::NothingSticks || calls.is_empty();
            assert!(verdict.broken == 0, "{verdict:?}\n{:#?}", story.happened);
            assert!(is_put_to_the_test || calls.len() < 20, "{verdict:?}");
        }
        let count = |is: fn(&Call) -> bool| calls.iter().filter(|call| is(call)).count() as u64;
        let is = |kind| move |happened: &&Happened| happened.kind == kind;
        Tally {
            clients: 0,
            calls: calls.len() as u64,
            refused: count(|call| call.outcome == Outcome::Refused),
            told: count(|call| call.notice.is_some()),
            transitions: story.happened.len() as u64,
            timed_out: story.happened.iter().filter(is(Kind::DrainTimedOut)).count() as u64,
        }
    }

    /// How the rules judge: the strategy of a request, and whether it is let in.
    pub(super) fn rule(
        &self,
        state: Snapshot,
        does: Does,
        of_query: Option<Strategy>,
        header: Option<Strategy>,
    ) -> (Strategy, bool) {
        let active = state.phase.active();
        let strategy = of_query.or(header).unwrap_or(active);
        let is_let_in = strategy == active
            || match state.phase {
                Phase::Stable { .. } => does == Does::End && !self.is_strict(),
                Phase::Announced { .. } => true,
                Phase::Draining { .. } => does != Does::Begin,
            };
        (strategy, is_let_in)
    }
}

fn stage(state: Snapshot) -> Stage {
    match state.phase {
        Phase::Stable { .. } => Stage::Stable,
        Phase::Announced { .. } => Stage::Announced,
        Phase::Draining { .. } => Stage::Draining,
    }
}

fn after((stage, active): (Stage, Strategy), kind: Kind, is_strict: bool) -> Option<(Stage, Strategy)> {
    let drain = if is_strict { Stage::Stable } else { Stage::Draining };
    Some(match (kind, stage) {
        (Kind::Announced, Stage::Stable | Stage::Draining) => (Stage::Announced, active),
        (Kind::CutOver, Stage::Announced) => (drain, active.other()),
        (Kind::Aborted, Stage::Announced) => (drain, active),
        (Kind::Drained | Kind::DrainTimedOut, Stage::Draining) => (Stage::Stable, active),
        _ => return None,
    })
}

/// The transitions that lead from one place to another in so many steps.
fn path(from: (Stage, Strategy), to: (Stage, Strategy), steps: usize, is_strict: bool) -> Option<Vec<Kind>> {
    if steps == 0 {
        return (from == to).then(Vec::new);
    }
    [Kind::CutOver, Kind::Drained, Kind::Announced, Kind::Aborted].into_iter().find_map(|kind| {
        let rest = path(after(from, kind, is_strict)?, to, steps - 1, is_strict)?;
        Some([vec![kind], rest].concat())
    })
}
