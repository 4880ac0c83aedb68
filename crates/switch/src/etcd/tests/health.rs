//! Real switches that share etcd, and engines that not all of them reach.

use std::time::Duration;

use futures::FutureExt;
use protocol::{
    CallKind,
    Strategy::{self, Blue, Green},
};
use teal_etcd::simulated::Etcd;
use tokio::time::{Instant, sleep};

use super::{
    store,
    switch::{Engines, Instance, rules, simulated},
};
use crate::{
    Actor, Command, PhaseName, RefusalCode, Rules, StrategyMismatch,
    etcd::{Board, Rejected},
};

const SECOND: Duration = Duration::from_secs(1);
const SOME_MS: Duration = Duration::from_millis(20);
const ANNOUNCE: Command = Command::Announce { to: None };
const CUTOVER: Command = Command::Cutover { force: false };

struct Bench {
    etcd: Etcd,
    engines: Vec<Engines>,
    all: Vec<Instance>,
}

impl Bench {
    async fn new(instances: usize, set: impl FnOnce(&mut Rules)) -> Self {
        let mut rules = Rules { unhealthy_abort: None, announce_timeout: None, ..rules() };
        set(&mut rules);
        let (etcd, mut engines, mut all) = (Etcd::new(3), Vec::new(), Vec::new());
        for number in 0..instances {
            let of = Engines::default();
            let store = simulated(&etcd, number % 3);
            all.push(Instance::between(store, &format!("web-{number}"), rules.clone(), &of).await);
            engines.push(of);
        }
        Self { etcd, engines, all }
    }

    async fn order(&self, at: usize, command: Command) -> Result<String, (RefusalCode, String)> {
        let engines = &self.engines[at];
        let ask = |strategy| engines.ask(strategy);
        let ordered = self.all[at].switch.order(command, Actor::Operator, None, ask).await;
        ordered.map(|done| done.what).map_err(|refusal| (refusal.code, refusal.why))
    }

    /// A client of this instance adopts the announcement.
    async fn adopt(&self, at: usize) {
        self.all[at].arrive(CallKind::LogIn, Some(Green), None).await.expect("it is let in").answered(true);
    }

    fn phase(&self) -> (PhaseName, Strategy) {
        let phase = self.all[0].phase();
        (phase.name(), phase.active())
    }

    async fn board(&self) -> Board {
        let client = self.etcd.client(self.etcd.settings());
        store(&client, "teal/").read().await.expect("it is read")
    }

    /// What an instance says of the engine of green, and in which revision.
    async fn says(&self, at: usize) -> (Option<u64>, i64) {
        let own = self.all[at].switch.store().and_then(|store| store.own()).expect("it is live");
        let kept = &self.board().await.instances[&own.lease];
        (kept.value.unhealthy.green, kept.modified)
    }

    /// By whom the last transition was made.
    async fn last_by(&self) -> Actor {
        self.board().await.truth.expect("it was created").value.stamp.why
    }
}

#[tokio::test(start_paused = true)]
async fn unhealthy_engine_is_published_once() {
    let bench = Bench::new(2, |_| {}).await;
    bench.order(0, ANNOUNCE).await.expect("green is healthy");
    sleep(SOME_MS * 10).await;
    assert_eq!(bench.says(1).await.0, None, "it has been asked since the announcement");
    bench.engines[1].set(Green, false);
    sleep(SECOND * 2).await;
    let said = bench.says(1).await;
    assert_eq!(said.0, Some(0));
    sleep(SECOND * 10).await;
    assert_eq!(bench.says(1).await, said, "not every second anew");
    assert_eq!((bench.says(0).await.0, bench.all[1].switch.unwell_here_alone()), (None, Some(Green)));
    bench.engines[1].set(Green, true);
    sleep(SECOND * 2).await;
    assert_eq!(bench.says(1).await.0, None);
}

/// An operator's, too, unless it is forced.
#[tokio::test(start_paused = true)]
async fn cutover_needs_all_to_see_it_healthy() {
    let bench = Bench::new(3, |_| {}).await;
    bench.order(0, ANNOUNCE).await.expect("green is healthy");
    bench.engines[2].set(Green, false);
    sleep(SECOND * 2).await;
    bench.adopt(0).await;
    sleep(SECOND * 10).await;
    assert_eq!(bench.phase(), (PhaseName::Announced, Blue));
    let (code, why) = bench.order(1, CUTOVER).await.expect_err("one cannot reach it");
    assert_eq!(
        (code, why.as_str()),
        (RefusalCode::Engine, "instance web-2 sees the engine of green unhealthy")
    );
    bench.engines[2].set(Green, true);
    bench.all[0].until(PhaseName::Draining, Green).await;
    assert_eq!(bench.last_by().await, Actor::Teal, "what had been due is done");
}

#[tokio::test(start_paused = true)]
async fn forced_cutover_asks_nobody() {
    let bench = Bench::new(2, |_| {}).await;
    bench.order(0, ANNOUNCE).await.expect("green is healthy");
    bench.engines.iter().for_each(|engines| engines.set(Green, false));
    sleep(SECOND * 2).await;
    bench.order(1, CUTOVER).await.expect_err("it is unhealthy");
    bench.order(1, Command::Cutover { force: true }).await.expect("it is forced");
    bench.all[0].until(PhaseName::Draining, Green).await;
}

#[tokio::test(start_paused = true)]
async fn more_than_half_abort_an_announcement() {
    let bench =
        Bench::new(3, |rules| (rules.unhealthy_abort, rules.grace) = (Some(SECOND * 5), SECOND * 30)).await;
    bench.order(0, ANNOUNCE).await.expect("green is healthy");
    bench.engines[0].set(Green, false);
    sleep(SECOND * 20).await;
    assert_eq!(bench.phase(), (PhaseName::Announced, Blue), "it is one of three");
    bench.engines[2].set(Green, false);
    sleep(SECOND * 5).await;
    assert_eq!(bench.phase(), (PhaseName::Announced, Blue));
    sleep(SECOND * 3).await;
    assert_eq!((bench.phase().1, bench.last_by().await), (Blue, Actor::Health));
    assert_ne!(bench.phase().0, PhaseName::Announced);
}

#[tokio::test(start_paused = true)]
async fn announce_timeout_aborts_where_one_sees_it_unhealthy() {
    let bench =
        Bench::new(3, |rules| (rules.announce_timeout, rules.grace) = (Some(SECOND * 20), SECOND * 30)).await;
    bench.order(0, ANNOUNCE).await.expect("green is healthy");
    bench.engines[1].set(Green, false);
    sleep(SECOND * 19).await;
    assert_eq!(bench.phase(), (PhaseName::Announced, Blue));
    sleep(SECOND * 3).await;
    assert_eq!((bench.phase().1, bench.last_by().await), (Blue, Actor::Health));
    assert_ne!(bench.phase().0, PhaseName::Announced);
}

/// An engine that was well for a moment begins its time anew, for the others too.
#[tokio::test(start_paused = true)]
async fn recovery_between_two_puts_is_told() {
    let bench = Bench::new(2, |rules| rules.unhealthy_abort = Some(SECOND * 60)).await;
    bench.order(0, ANNOUNCE).await.expect("green is healthy");
    bench.engines.iter().for_each(|engines| engines.set(Green, false));
    sleep(SECOND * 50).await;
    let said = bench.says(1).await;
    let now = Instant::now();
    bench.all[1].switch.hear(Green, Ok(()), now);
    bench.all[1].switch.hear(Green, Err("it is dead".to_owned()), now);
    sleep(SECOND * 20).await;
    assert_ne!(bench.says(1).await.1, said.1);
    assert_eq!(bench.phase(), (PhaseName::Announced, Blue));
    sleep(SECOND * 43).await;
    assert_ne!(bench.phase().0, PhaseName::Announced);
}

#[tokio::test(start_paused = true)]
async fn failover_is_for_more_than_half() {
    let bench = Bench::new(3, |rules| rules.failover = Some(SECOND * 3)).await;
    sleep(SECOND * 2).await;
    bench.engines[0].set(Blue, false);
    sleep(SECOND * 20).await;
    assert_eq!(bench.phase(), (PhaseName::Stable, Blue), "it is one of three");
    bench.engines[1].set(Green, false);
    sleep(SECOND * 2).await;
    bench.engines[2].set(Blue, false);
    sleep(SECOND * 20).await;
    assert_eq!(bench.phase(), (PhaseName::Stable, Blue), "one does not reach green");
    bench.engines[1].set(Green, true);
    bench.all[0].until(PhaseName::Draining, Green).await;
    assert_eq!((bench.last_by().await, bench.all[0].switch.snapshot().epoch), (Actor::Health, 3));
}

/// The timer's announcement asks the engine first, and again later.
#[tokio::test(start_paused = true)]
async fn timer_announces_healthy_engines_alone() {
    let bench = Bench::new(2, |rules| rules.switch_every = Some(SECOND * 10)).await;
    bench.engines.iter().for_each(|engines| engines.set(Green, false));
    sleep(SECOND * 18).await;
    assert_eq!(bench.phase(), (PhaseName::Stable, Blue));
    let last = bench.all[0].switch.view().last_refusal.expect("it was tried").why;
    assert_eq!(last, "cannot announce in phase STABLE: engine http://green is dead");
    bench.engines[1].set(Green, true);
    sleep(SECOND * 6).await;
    assert_eq!(bench.phase(), (PhaseName::Announced, Blue));
    let stamp = bench.board().await.truth.expect("it was created").value.stamp;
    assert_eq!((stamp.why, stamp.by.as_str()), (Actor::Timer, "web-1"));
}

/// Whoever has an old view asks the engine that the truth names.
#[tokio::test(start_paused = true)]
async fn order_asks_the_engine_by_the_truth() {
    let bench = Bench::new(2, |_| {}).await;
    bench.etcd.lag(1, SECOND * 60);
    bench.order(0, ANNOUNCE).await.expect("green is healthy");
    bench.order(0, Command::Abort).await.expect("nobody is waited for");
    let epoch = bench.all[1].switch.snapshot().epoch;
    assert!(epoch < 3, "its view is old");
    bench.engines[1].set(Green, false);
    let (code, why) = bench.order(1, Command::Rollback).await.expect_err("green is dead");
    assert_eq!(
        (code, why.as_str()),
        (RefusalCode::Engine, "cannot roll back in phase DRAINING: engine http://green is dead")
    );
}

/// Calls that wait for an engine end when teal leaves it; logins are refused then, until it is well.
#[tokio::test(start_paused = true)]
async fn calls_wait_for_no_abandoned_engine() {
    let bench = Bench::new(3, |rules| {
        (rules.unhealthy_abort, rules.drain_timeout) = (Some(SECOND * 5), None);
    })
    .await;
    bench.order(0, ANNOUNCE).await.expect("green is healthy");
    sleep(SOME_MS * 10).await;
    let mut waiting = Vec::new();
    for one in &bench.all {
        waiting.push(one.arrive(CallKind::LogIn, Some(Green), None).await.expect("it is let in"));
    }
    let holds = bench.all[0].arrive(CallKind::Neutral, Some(Green), None).await.expect("it is let in");
    bench.engines[0].set(Green, false);
    bench.engines[1].set(Green, false);
    sleep(SECOND * 9).await;
    assert_eq!(bench.phase(), (PhaseName::Draining, Blue));
    let ended: Vec<_> =
        waiting.iter().map(|pass| pass.left().expect("it waits").wait().now_or_never().is_some()).collect();
    assert_eq!(ended, [true, true, false], "the third one reaches it");
    assert_eq!(waiting[0].left().expect("it waits").why(), "engine http://green is dead");
    let login = |at: usize| bench.all[at].arrive(CallKind::LogIn, Some(Green), None);
    let refused = Rejected::Mismatch(StrategyMismatch { expected: Blue });
    assert_eq!(login(1).await.expect_err("it is abandoned"), refused);
    login(2).await.expect("it is a drain, and there it is well").answered(true);
    bench.engines[1].set(Green, true);
    sleep(SECOND * 2).await;
    let pass = login(1).await.expect("it is well again");
    assert!(pass.left().expect("it may wait").wait().now_or_never().is_none());
    drop((pass, holds));
}

/// An instance that has not followed the next announcement lets logins to it in all the same.
#[tokio::test(start_paused = true)]
async fn announced_engine_is_not_abandoned() {
    let bench = Bench::new(2, |rules| {
        (rules.unhealthy_abort, rules.grace) = (Some(SECOND * 5), SECOND * 30);
    })
    .await;
    bench.order(0, ANNOUNCE).await.expect("green is healthy");
    bench.engines.iter().for_each(|engines| engines.set(Green, false));
    sleep(SECOND * 9).await;
    assert_eq!(bench.phase(), (PhaseName::Draining, Blue));
    bench.all[1].arrive(CallKind::LogIn, Some(Green), None).await.expect_err("it is abandoned");
    // Nothing but the round tells it.
    bench.etcd.lag(1, SECOND * 60);
    bench.engines[0].set(Green, true);
    bench.order(0, Command::Rollback).await.expect("green is healthy");
    bench.all[1].arrive(CallKind::LogIn, Some(Green), None).await.expect("the truth is that it is announced");
}
