//! The promises of `docs/design/switching.md` over random histories.

use std::collections::HashMap;

use proptest::{
    prelude::{Just, ProptestConfig, prop, prop_oneof, proptest},
    strategy::Strategy as Generator,
};

use super::*;

/// One thing that happens.
#[derive(Clone, Debug)]
enum Happens {
    Begin(Header),
    AnswerBegin { which: usize, with_success: bool },
    Continue { which: usize, header: Header },
    End { which: usize, with_success: bool },
    LogIn(Header),
    Neutral(Header),
    Answer { which: usize },
    Wait(u64),
    Announce,
    Cutover,
    Abort,
    Rollback,
}

fn header() -> impl Generator<Value = Header> {
    prop_oneof![Just(BLUE), Just(GREEN), Just(Header::Absent)]
}

fn happens() -> impl Generator<Value = Happens> {
    let which = 0..8usize;
    prop_oneof![
        4 => header().prop_map(Happens::Begin),
        4 => (which.clone(), prop::bool::weighted(0.8))
            .prop_map(|(which, with_success)| Happens::AnswerBegin { which, with_success }),
        4 => (which.clone(), header()).prop_map(|(which, header)| Happens::Continue { which, header }),
        3 => (which.clone(), prop::bool::weighted(0.8))
            .prop_map(|(which, with_success)| Happens::End { which, with_success }),
        2 => header().prop_map(Happens::LogIn),
        2 => header().prop_map(Happens::Neutral),
        3 => which.prop_map(|which| Happens::Answer { which }),
        4 => (0..8_000u64).prop_map(Happens::Wait),
        2 => Just(Happens::Announce),
        1 => Just(Happens::Cutover),
        1 => Just(Happens::Abort),
        1 => Just(Happens::Rollback),
    ]
}

/// The world outside the switch: what clients hold, and what they may rely on.
struct World {
    switch: Switch,
    begins: Vec<Pass>,
    others: Vec<Pass>,
    /// Queries whose begin was answered, with the strategy they were begun under.
    queries: Vec<(String, Strategy)>,
    named: usize,
    epoch: u64,
}

impl World {
    /// A call arrives: only a begin may be refused while the phase isn't `STABLE`.
    fn arrive(&mut self, action: Kind<'_>, header: Header) -> Option<Pass> {
        let phase = self.switch.snapshot().phase;
        let result = self.switch.try_call(action, header);
        if result.is_err() {
            let is_stable = matches!(phase, Phase::Stable { .. });
            assert!(is_stable || action == BEGIN, "{action:?} refused in {phase:?}");
            assert!(header != Header::Absent, "a request without a header was refused in {phase:?}");
        }
        result.ok()
    }

    fn pick<T>(from: &[T], which: usize) -> Option<usize> {
        (!from.is_empty()).then(|| which % from.len())
    }

    async fn live(&mut self, happens: Happens) {
        match happens {
            Happens::Begin(header) => {
                let begun = self.arrive(BEGIN, header);
                self.begins.extend(begun);
            }
            Happens::AnswerBegin { which, with_success } => {
                let Some(at) = Self::pick(&self.begins, which) else { return };
                let mut begin = self.begins.swap_remove(at);
                self.named += 1;
                let id = format!("query-{}", self.named);
                begin.begun(&id);
                if with_success {
                    self.queries.push((id, begin.strategy()));
                }
                begin.answered(with_success);
            }
            Happens::Continue { which, header } => {
                let Some(at) = Self::pick(&self.queries, which) else { return };
                let (id, strategy) = self.queries[at].clone();
                let pass = self.arrive(continues(&id), header).expect("promise 1: no query is lost");
                assert_eq!(pass.strategy(), strategy, "promise 3: one strategy from begin to end");
                self.others.push(pass);
            }
            Happens::End { which, with_success } => {
                let Some(at) = Self::pick(&self.queries, which) else { return };
                let (id, strategy) = self.queries[at].clone();
                let pass = self.arrive(ends(&id), Header::Absent).expect("promise 1: no query is lost");
                assert_eq!(pass.strategy(), strategy, "promise 3: one strategy from begin to end");
                pass.answered(with_success);
                if with_success {
                    self.queries.swap_remove(at);
                }
            }
            Happens::LogIn(header) => {
                let pass = self.arrive(LOG_IN, header);
                self.others.extend(pass);
            }
            Happens::Neutral(header) => {
                let pass = self.arrive(NEUTRAL, header);
                self.others.extend(pass);
            }
            Happens::Answer { which } => {
                let Some(at) = Self::pick(&self.others, which) else { return };
                self.others.swap_remove(at).answered(true);
            }
            Happens::Wait(time) => pass(millis(time)).await,
            Happens::Announce => drop(self.switch.operate(Command::Announce { to: None })),
            Happens::Cutover => drop(self.switch.operate(Command::Cutover { force: false })),
            Happens::Abort => drop(self.switch.operate(Command::Abort)),
            Happens::Rollback => drop(self.switch.operate(Command::Rollback)),
        }
    }

    /// What holds at every moment.
    fn check(&mut self) {
        for pass in self.others.iter().chain(&self.begins) {
            let Some(notice) = pass.notice() else { continue };
            let told = Header::Names(notice.strategy);
            assert!(self.switch.is_let_in(LOG_IN, told), "promise 2: accepted before announced");
            break;
        }
        let now = self.switch.snapshot();
        assert!(now.epoch >= self.epoch, "promise 4: epochs in order");
        self.epoch = now.epoch;
        let mut expected = HashMap::new();
        for strategy in
            self.queries.iter().map(|(_, strategy)| *strategy).chain(self.begins.iter().map(Pass::strategy))
        {
            *expected.entry(strategy).or_insert(0) += 1;
        }
        for strategy in Strategy::ALL {
            let on_record = expected.get(&strategy).copied().unwrap_or_default();
            assert_eq!(now.queries[strategy.index()], on_record, "the record of {strategy}");
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2_000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_promises_hold(history in prop::collection::vec(happens(), 1..120), notice in 0..3u64, grace in 0..4u64) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
        runtime.block_on(async {
            let switch = switch(|rules| {
                rules.switch_every = Some(secs(7));
                rules.notice = secs(notice);
                rules.grace = secs(grace);
                rules.drain_timeout = None;
            });
            let mut world =
                World { switch, begins: vec![], others: vec![], queries: vec![], named: 0, epoch: 0 };
            for event in history {
                world.live(event).await;
                world.check();
            }
            // Promise 5: once nobody holds anything, every phase but STABLE ends.
            world.switch.operates(Command::PauseTimer);
            world.begins.clear();
            world.others.clear();
            for (id, _) in std::mem::take(&mut world.queries) {
                world.switch.end(&id);
            }
            for _ in 0..2 {
                pass(secs(70)).await;
            }
            let now = world.switch.snapshot();
            assert!(matches!(now.phase, Phase::Stable { .. }), "promise 5: {:?} sticks", now.phase);
            assert_eq!((now.queries, now.requests), ([0, 0], [0, 0]));
        });
    }
}
