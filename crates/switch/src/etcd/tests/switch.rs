//! Real switches that share etcd: what each request meets.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    time::Duration,
};

use protocol::{
    CallKind,
    Strategy::{self, Blue, Green},
};
use teal_etcd::{Settings, simulated::Etcd};
use tokio::time::{Instant, sleep, timeout};
use tokio_util::task::AbortOnDropHandle;

use super::{SOON, TTL, World, both, store};
use crate::{
    Actor, Arrival, Command, Header, Phase, PhaseName, RefusalCode, RequestGuard, Rules, Start,
    StrategyMismatch, Switch,
    course::TransitionKind,
    etcd::{Arrived, Rejected, Store, Task, TransitionOrder},
};

both! { query_goes_on_through_any_instance }

const SECOND: Duration = Duration::from_secs(1);
const QUERIES: usize = 4_000;

pub(super) struct Instance {
    pub(super) switch: Switch,
    task: parking_lot::Mutex<Option<Task>>,
    _timer: Option<AbortOnDropHandle<()>>,
}

/// The engines, as one instance reaches them.
#[derive(Clone, Debug, Default)]
pub(super) struct Engines {
    ill: Arc<[AtomicBool; 2]>,
}

impl Engines {
    pub(super) fn set(&self, strategy: Strategy, is_well: bool) {
        self.ill[strategy.index()].store(!is_well, Relaxed);
    }

    pub(super) fn is_well(&self, strategy: Strategy) -> bool {
        !self.ill[strategy.index()].load(Relaxed)
    }

    pub(super) async fn ask(&self, strategy: Strategy) -> Result<(), String> {
        sleep(Duration::from_millis(2)).await;
        self.is_well(strategy).then_some(()).ok_or_else(|| format!("engine http://{strategy} is dead"))
    }
}

impl Instance {
    pub(super) async fn start(store: Store, name: &str, rules: Rules) -> Self {
        let (switch, _) = Switch::new(rules);
        let task = switch.share(store, name, TTL).await.expect("it joins");
        Self { switch, task: parking_lot::Mutex::new(Some(task)), _timer: None }
    }

    /// Between two engines, which are asked as often as their health matters.
    pub(super) async fn between(store: Store, name: &str, rules: Rules, engines: &Engines) -> Self {
        let start = Start { has_engines: true, state: None, is_shared: true };
        let (switch, timer) = Switch::start(rules, start).expect("nothing is written");
        let engines = engines.clone();
        let timer = tokio::spawn(async move { timer.run(|strategy| engines.ask(strategy)).await });
        let task = switch.share(store, name, TTL).await.expect("it joins");
        Self {
            switch,
            task: parking_lot::Mutex::new(Some(task)),
            _timer: Some(AbortOnDropHandle::new(timer)),
        }
    }

    /// It does nothing any more for etcd, nor for others.
    pub(super) fn kill(&self) {
        self.task.lock().take();
    }

    pub(super) async fn arrive(
        &self,
        kind: CallKind,
        header: Option<Strategy>,
        query: Option<&str>,
    ) -> Result<RequestGuard, Rejected> {
        let header = header.map_or(Header::Absent, Header::Names);
        match self.switch.try_arrive(Arrival { kind, query, header }) {
            Arrived::In(pass) => Ok(pass),
            Arrived::Refused(mismatch) => Err(Rejected::Mismatch(mismatch)),
            Arrived::Unsure(unsure) => unsure.judged().await,
        }
    }

    /// A begin, answered: its message waits until the query is on record.
    pub(super) async fn begin(&self, strategy: Strategy, id: &str) -> Result<Strategy, Rejected> {
        let mut pass = self.arrive(CallKind::Begin, Some(strategy), None).await?;
        let record = pass.record(id).expect("it is shared");
        let recorded = record.await;
        assert_eq!(recorded, Ok(()));
        let strategy = pass.strategy();
        pass.answered(true);
        Ok(strategy)
    }

    /// A call about a query, answered.
    pub(super) async fn call(
        &self,
        kind: CallKind,
        header: Strategy,
        id: &str,
    ) -> Result<Strategy, Rejected> {
        let pass = self.arrive(kind, Some(header), Some(id)).await?;
        let strategy = pass.strategy();
        pass.answered(true);
        Ok(strategy)
    }

    pub(super) fn phase(&self) -> Phase {
        self.switch.snapshot().phase
    }

    pub(super) async fn order(&self, kind: TransitionKind) {
        let order = TransitionOrder { kind, by: Actor::Operator, epoch: None, is_forced: false };
        let store = self.switch.store().expect("it is shared");
        store.order(order).await.expect("it is carried out");
    }

    pub(super) async fn until(&self, name: PhaseName, active: Strategy) {
        timeout(SOON, async {
            while (self.phase().name(), self.phase().active()) != (name, active) {
                sleep(Duration::from_millis(5)).await;
            }
        })
        .await
        .expect("it comes there");
    }
}

pub(super) fn rules() -> Rules {
    Rules {
        switch_every: None,
        notice: Duration::from_millis(200),
        grace: Duration::from_millis(500),
        ..Rules::default()
    }
}

pub(super) fn simulated(etcd: &Etcd, first: usize) -> Store {
    store(&etcd.client(Settings { first, ..etcd.settings() }), "teal/")
}

async fn query_goes_on_through_any_instance(world: World) {
    let one = Instance::start(world.store.clone(), "web-1", rules()).await;
    let two = Instance::start(world.store.clone(), "web-2", rules()).await;
    assert_eq!(one.begin(Blue, "a").await, Ok(Blue));
    // Whatever its header says, whether the copy knows it by now or not.
    assert_eq!(two.call(CallKind::Continue, Green, "a").await, Ok(Blue));
    one.order(TransitionKind::Announce).await;
    two.until(PhaseName::Announced, Blue).await;
    timeout(SOON, async {
        // The notice is given once both let green in.
        while one.arrive(CallKind::Neutral, Some(Blue), None).await.expect("it is let in").notice().is_none()
        {
            sleep(Duration::from_millis(5)).await;
        }
    })
    .await
    .expect("it is told");
    assert_eq!(two.begin(Green, "b").await, Ok(Green), "some client adopts it");
    one.until(PhaseName::Draining, Green).await;
    two.until(PhaseName::Draining, Green).await;
    assert_eq!(two.call(CallKind::Continue, Green, "a").await, Ok(Blue));
    assert_eq!(one.switch.snapshot().queries, [1, 1]);
    assert_eq!(two.call(CallKind::End, Green, "a").await, Ok(Blue));
    // A cursor clears twice, through another instance.
    assert_eq!(two.call(CallKind::End, Green, "a").await, Ok(Green));
    one.until(PhaseName::Stable, Green).await;
    let refused = one.arrive(CallKind::Begin, Some(Blue), None).await.expect_err("blue is over");
    assert_eq!(refused, Rejected::Mismatch(StrategyMismatch { expected: Green }));
    assert_eq!(one.call(CallKind::End, Blue, "b").await, Ok(Green));
}

/// A view that lags refuses nobody: the truth is read first.
#[tokio::test(start_paused = true)]
async fn refusal_is_said_by_the_truth() {
    let etcd = Etcd::new(2);
    let one = Instance::start(simulated(&etcd, 0), "web-1", rules()).await;
    etcd.lag(1, SECOND * 60);
    let two = Instance::start(simulated(&etcd, 1), "web-2", rules()).await;
    one.order(TransitionKind::Announce).await;
    assert_eq!(two.phase(), Phase::Stable { active: Blue });
    two.arrive(CallKind::Begin, Some(Green), None).await.expect("it has followed by then");
    assert_eq!(two.phase().name(), PhaseName::Announced);
}

#[tokio::test(start_paused = true)]
async fn cut_off_instance_serves_its_copy_alone() {
    let etcd = Etcd::new(3);
    let one = Instance::start(simulated(&etcd, 0), "web-1", rules()).await;
    assert_eq!(one.begin(Blue, "a").await, Ok(Blue));
    one.order(TransitionKind::Announce).await;
    let waits = one.arrive(CallKind::Neutral, Some(Blue), None).await.expect("it is let in");
    assert_eq!(waits.notice().map(|notice| notice.strategy), Some(Green));
    (0..3).for_each(|member| etcd.stop(member));
    one.switch.store().expect("it is shared").deadline().passed().await;
    assert_eq!(waits.notice(), None, "others may have withdrawn it");
    waits.answered(true);
    assert_eq!(one.call(CallKind::Continue, Green, "a").await, Ok(Blue));
    for (kind, header, id) in [
        (CallKind::Continue, Blue, Some("b")),
        (CallKind::Neutral, Blue, None),
        (CallKind::LogIn, Blue, None),
        (CallKind::Begin, Green, None),
    ] {
        let rejected = one.arrive(kind, Some(header), id).await.expect_err("it has lost etcd");
        let Rejected::Unavailable(why) = &rejected else { panic!("{rejected:?}") };
        assert!(!why.contains("status"), "{why}");
    }
    assert_eq!(one.call(CallKind::End, Green, "a").await, Ok(Blue));
    (0..3).for_each(|member| etcd.resume(member));
    sleep(SECOND * 3).await;
    one.arrive(CallKind::Begin, Some(Blue), None).await.expect("it is back, and nobody has adopted");
    let store = simulated(&etcd, 0);
    let revision = store.read().await.expect("it is read").revision;
    assert_eq!(store.count(revision).await.expect("it is counted"), 0, "the end was written later");
}

/// The begin's client goes away while its query is put: then there is none.
#[tokio::test(start_paused = true)]
async fn abandoned_begin_leaves_no_query() {
    let etcd = Etcd::new(1);
    let one = Instance::start(simulated(&etcd, 0), "web-1", rules()).await;
    etcd.delay(0, Duration::from_millis(50));
    let mut pass = one.arrive(CallKind::Begin, None, None).await.expect("it is let in");
    let record = pass.record("a").expect("it is shared");
    assert!(timeout(Duration::from_millis(40), record).await.is_err());
    drop(pass);
    let began = Instant::now();
    sleep(SECOND).await;
    assert_eq!(one.switch.snapshot().queries, [0, 0], "{:?}", began.elapsed());
    let store = simulated(&etcd, 0);
    let revision = store.read().await.expect("it is read").revision;
    assert_eq!(store.count(revision).await.expect("it is counted"), 0);
}

/// A copy that lags sends no query to the wrong engine: what it does not know is looked up.
#[tokio::test(start_paused = true)]
async fn unknown_query_is_looked_up() {
    let etcd = Etcd::new(2);
    let one = Instance::start(simulated(&etcd, 0), "web-1", rules()).await;
    let two = Instance::start(simulated(&etcd, 1), "web-2", rules()).await;
    one.order(TransitionKind::Announce).await;
    two.until(PhaseName::Announced, Blue).await;
    etcd.lag(1, SECOND * 60);
    assert_eq!(one.begin(Blue, "a").await, Ok(Blue));
    assert_eq!(two.call(CallKind::Continue, Green, "a").await, Ok(Blue));
    assert_eq!(two.call(CallKind::End, Green, "a").await, Ok(Blue));
    // It has ended: by the header, though etcd may still have its key.
    assert_eq!(two.call(CallKind::Continue, Green, "a").await, Ok(Green));
}

/// The drain goes on during a call of the old strategy, whatever its instance has reported before.
#[tokio::test(start_paused = true)]
async fn call_after_quiet_holds_the_drain() {
    let etcd = Etcd::new(2);
    let one = Instance::start(simulated(&etcd, 0), "web-1", rules()).await;
    let two = Instance::start(simulated(&etcd, 1), "web-2", rules()).await;
    let held = one.arrive(CallKind::Neutral, Some(Blue), None).await.expect("it is let in");
    one.order(TransitionKind::Announce).await;
    one.order(TransitionKind::CutOver).await;
    two.until(PhaseName::Draining, Green).await;
    sleep(SECOND * 2).await;
    assert!(two.switch.lock().machine.is_reported() && !one.switch.lock().machine.is_reported());
    // Its watch would have it look again at once.
    etcd.lag(1, SECOND * 60);
    let late = two.arrive(CallKind::Neutral, Some(Blue), None).await.expect("it is let in");
    held.answered(true);
    sleep(SECOND * 5).await;
    assert_eq!(two.phase().name(), PhaseName::Draining);
    late.answered(true);
    one.until(PhaseName::Stable, Green).await;
}

/// Any instance takes any command.
#[tokio::test(start_paused = true)]
async fn commands_are_for_all_instances() {
    let timed = Rules { switch_every: Some(SECOND * 60), ..rules() };
    let etcd = Etcd::new(2);
    let one = Instance::start(simulated(&etcd, 0), "web-1", timed.clone()).await;
    let two = Instance::start(simulated(&etcd, 1), "web-2", timed).await;
    let order = |of: &Instance, command, seen| {
        let switch = of.switch.clone();
        async move { switch.order(command, Actor::Operator, seen, |_| async { Ok(()) }).await }
    };
    sleep(SECOND * 20).await;
    let paused = order(&one, Command::PauseTimer, Some(1)).await.expect("it is carried out");
    // The wall clock goes on while the instances join.
    let left = ["the timer is paused with 40 s left", "the timer is paused with 39 s left"];
    assert!(left.contains(&paused.what.as_str()), "{}", paused.what);
    etcd.lag(1, SECOND * 120);
    let again = order(&two, Command::PauseTimer, None).await.expect("it is carried out");
    assert_eq!(again.what, "the timer was paused already");
    sleep(SECOND * 60).await;
    assert_eq!(one.phase().name(), PhaseName::Stable);
    let resumed = order(&two, Command::ResumeTimer, None).await.expect("it is carried out");
    assert_eq!(resumed.what, "the timer goes on");
    one.until(PhaseName::Stable, Blue).await;
    let announced = order(&two, Command::Announce { to: Some(Green) }, Some(1)).await.expect("it is");
    assert_eq!(announced.what, "green is announced; blue stays active until the cutover");
    assert_eq!((announced.view.now.epoch, announced.view.now.phase), (2, two.phase()));
    let cut_over = order(&one, Command::Cutover { force: false }, None).await.expect("all tell");
    assert_eq!(cut_over.what, "green is active; blue is being drained");
    let refused = order(&two, Command::Abort, None).await.expect_err("it is cut over");
    assert_eq!(refused.why, "cannot abort in phase DRAINING: expected ANNOUNCED");
    (0..2).for_each(|member| etcd.stop(member));
    one.switch.store().expect("it is shared").deadline().passed().await;
    let lost = order(&one, Command::Rollback, None).await.expect_err("it has lost etcd");
    assert_eq!(lost.code, RefusalCode::LostEtcd);
}

/// The timer of all instances announces once.
#[tokio::test(start_paused = true)]
async fn timer_announces_for_all_instances() {
    let timed = Rules { switch_every: Some(SECOND * 60), ..rules() };
    let etcd = Etcd::new(2);
    let one = Instance::start(simulated(&etcd, 0), "web-1", timed.clone()).await;
    sleep(SECOND * 30).await;
    let two = Instance::start(simulated(&etcd, 1), "web-2", timed).await;
    sleep(SECOND * 31).await;
    assert_eq!((one.phase().name(), two.phase().name()), (PhaseName::Announced, PhaseName::Announced));
    assert_eq!(one.switch.snapshot().epoch, 2);
}

/// Something is always on its way to etcd then. Only what holds the drain is waited for.
#[tokio::test(start_paused = true)]
async fn drain_ends_while_much_is_written() {
    let etcd = Etcd::new(1);
    let one = Instance::start(simulated(&etcd, 0), "web-1", rules()).await;
    one.order(TransitionKind::Announce).await;
    one.order(TransitionKind::CutOver).await;
    etcd.delay(0, Duration::from_millis(50));
    let begins = async {
        for number in 0.. {
            let mut pass = one.arrive(CallKind::Begin, Some(Green), None).await.expect("green is active");
            let record = pass.record(&number.to_string()).expect("it is shared");
            tokio::spawn(async move {
                record.await.expect("it is on record");
                pass.answered(true);
            });
            sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::select! {
        () = begins => {}
        () = one.until(PhaseName::Stable, Green) => {}
    }
}

/// The copy may learn of a query at any moment while a call about it is judged.
#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_left_of_many_queries() {
    let etcd = Etcd::new(1);
    let mut all = Vec::new();
    for name in ["web-1", "web-2", "web-3"] {
        all.push(Instance::start(simulated(&etcd, 0), name, rules()).await);
    }
    let all = Arc::new(all);
    let queries = (0..QUERIES).map(|number| {
        let all = all.clone();
        tokio::spawn(async move {
            let (id, at) = (number.to_string(), |step| &all[(number + step) % 3]);
            assert_eq!(at(0).begin(Blue, &id).await, Ok(Blue));
            // The record counts, not the header.
            assert_eq!(at(1).call(CallKind::Continue, Green, &id).await, Ok(Blue));
            assert_eq!(at(2).call(CallKind::End, Green, &id).await, Ok(Blue));
        })
    });
    for query in queries.collect::<Vec<_>>() {
        query.await.expect("it keeps its strategy");
    }
    timeout(SOON, async {
        while all.iter().any(|one| one.switch.on_record(0, None).1 > 0) {
            sleep(Duration::from_millis(5)).await;
        }
    })
    .await
    .expect("nothing is left");
}
