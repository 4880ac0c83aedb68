//! A machine that follows another one at once is the same machine, over random histories.

use std::time::Instant;

use proptest::{
    prelude::{Just, ProptestConfig, any, prop, prop_oneof, proptest},
    strategy::Strategy as Generator,
};

use super::*;
use crate::{engines::Report, machine::Machine, phase::Admission};

/// One thing that happens.
#[derive(Clone, Debug)]
enum Happens {
    Arrive(CallKind, Strategy),
    /// A call is answered. The query of a begin comes on record with success.
    Answer {
        which: usize,
        with_success: bool,
    },
    End(usize),
    Hear(Strategy, bool),
    Order(TransitionKind),
    Wait(u64),
}

fn happens() -> impl Generator<Value = Happens> {
    let strategy = || prop::sample::select(&Strategy::ALL[..]);
    let kind = prop::sample::select(&[CallKind::LogIn, CallKind::Begin, CallKind::Neutral][..]);
    let which = 0..8usize;
    prop_oneof![
        6 => (kind, strategy()).prop_map(|(kind, strategy)| Happens::Arrive(kind, strategy)),
        5 => (which.clone(), prop::bool::weighted(0.8))
            .prop_map(|(which, with_success)| Happens::Answer { which, with_success }),
        3 => which.prop_map(Happens::End),
        2 => (strategy(), any::<bool>()).prop_map(|(strategy, is_healthy)| Happens::Hear(strategy, is_healthy)),
        4 => prop::sample::select(&TransitionKind::ALL[..4]).prop_map(Happens::Order),
        4 => (0..8_000u64).prop_map(Happens::Wait),
        1 => Just(Happens::Wait(60_000)),
    ]
}

/// One that makes the transitions, and one that follows.
struct Pair {
    first: Machine,
    second: Machine,
    now: Instant,
    calls: Vec<Admission>,
    /// Strategy and birth of each query on record.
    queries: Vec<(Strategy, u64)>,
}

impl Pair {
    /// The second one takes over what the first one did, and sees that all instances come along.
    fn follow(&mut self, now: Instant) {
        let course = *self.first.course();
        self.second.follow(course, now);
        for stage in [Stage::Open, Stage::Telling, Stage::Closing] {
            let joining = InstanceStatus::joining(String::new());
            let status = InstanceStatus { epoch: course.epoch, stage, ..joining };
            self.second.see(&[status.clone(), status], false, now);
        }
    }

    /// Each step that is due, at its own moment.
    fn advance(&mut self) {
        while let Some((due, ..)) = self.first.wish()
            && due <= self.now
        {
            self.first.advance(due);
            self.follow(due);
        }
    }

    fn both<T: PartialEq + std::fmt::Debug>(&mut self, act: impl Fn(&mut Machine, Instant) -> T) -> T {
        self.advance();
        let [first, second] = [&mut self.first, &mut self.second].map(|machine| act(machine, self.now));
        assert_eq!(first, second);
        first
    }

    fn live(&mut self, happens: Happens) {
        match happens {
            Happens::Arrive(kind, strategy) => {
                let begins = kind == CallKind::Begin;
                let judged = self.both(|machine, now| machine.judge(kind, strategy, begins, now));
                self.calls.extend(judged);
            }
            Happens::Answer { which, with_success } if !self.calls.is_empty() => {
                let call = self.calls.swap_remove(which % self.calls.len());
                let query =
                    call.birth.filter(|birth| with_success && self.first.remembers(call.strategy, *birth));
                self.queries.extend(query.map(|birth| (call.strategy, birth)));
                self.both(|machine, now| machine.finish(call, query.is_some(), with_success, now));
            }
            Happens::End(which) if !self.queries.is_empty() => {
                let (strategy, birth) = self.queries.swap_remove(which % self.queries.len());
                self.both(|machine, now| machine.end(strategy, birth, now));
            }
            Happens::Hear(strategy, is_healthy) => {
                let asked = self.now;
                self.both(|machine, now| machine.hear(strategy, Report { is_healthy, asked }, now));
            }
            Happens::Order(kind) => {
                self.advance();
                if self.first.order(kind, Actor::Operator, self.now).is_ok() {
                    self.follow(self.now);
                }
            }
            Happens::Wait(time) => self.now += millis(time),
            Happens::Answer { .. } | Happens::End(_) => {}
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2_000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_machine_that_follows_is_the_same(
        history in prop::collection::vec(happens(), 1..120),
        grace in 0..4u64,
        has_engines in any::<bool>(),
        fails_over in any::<bool>(),
    ) {
        let rules = Rules {
            grace: secs(grace),
            drain_timeout: Some(secs(30)),
            failover: fails_over.then(|| secs(3)),
            ..Rules::default()
        };
        let now = Instant::now();
        let [first, second] = [(); 2].map(|()| {
            let machine = Machine::new(rules.clone(), now);
            if has_engines { machine.with_engines(now) } else { machine }
        });
        let mut pair = Pair { first, second, now, calls: vec![], queries: vec![] };
        for event in history {
            pair.live(event);
            pair.advance();
            assert_eq!(pair.first.course(), pair.second.course());
            assert_eq!(pair.first.wish(), pair.second.wish());
            assert_eq!(pair.first.timer_due(), pair.second.timer_due());
            for strategy in Strategy::ALL {
                assert_eq!(pair.first.queries(strategy), pair.second.queries(strategy));
                assert_eq!(pair.first.is_served(strategy), pair.second.is_served(strategy));
            }
        }
    }
}
