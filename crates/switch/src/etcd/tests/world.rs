//! Three real switches, an etcd that fails, clients that send each call through another instance, and operators: from a
//! seed, on paused time.
//!
//! `TEAL_INSTANCES_SEEDS=100000` runs more seeds, `TEAL_INSTANCES_SEED=17` runs one.

use std::{
    env,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed},
    },
    time::Duration,
};

use parking_lot::Mutex;
use protocol::{
    CallKind,
    Strategy::{self, Blue},
};
use teal_etcd::{Settings, simulated::Etcd};
use tokio::{
    runtime::Builder,
    time::{Instant, sleep},
};

use super::{TTL, store, switch::Instance};
use crate::{
    Actor, Cutover, PhaseName, RequestGuard, Rules,
    course::TransitionKind,
    etcd::{Rejected, TransitionOrder},
    instance::Stage,
};

const SEEDS: u64 = 60;
const CLIENTS: usize = 4;
/// How often a client tries before it gives up.
const TRIES: usize = 6;
/// For how long the world is moved.
const LASTS: Duration = Duration::from_secs(60);

/// A small generator, so that a failing run comes again.
struct Random(u64);

impl Random {
    fn new(seed: u64) -> Self {
        Self(seed.wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15))
    }

    fn below(&mut self, end: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % end
    }

    fn millis(&mut self, end: u64) -> Duration {
        Duration::from_millis(self.below(end))
    }

    fn split(&mut self) -> Self {
        Self::new(self.0)
    }
}

struct Place {
    instance: Instance,
    is_killed: AtomicBool,
}

struct World {
    etcd: Etcd,
    rules: Rules,
    places: Mutex<Vec<Option<Arc<Place>>>>,
    is_over: AtomicBool,
    started: AtomicUsize,
    /// What the run came to, so that a run in which nothing happens is found.
    queries: AtomicUsize,
    refused: AtomicUsize,
}

/// What a client knows.
struct Client {
    name: usize,
    strategy: Strategy,
    told: Option<Strategy>,
    random: Random,
}

/// Why a call had no answer that counts.
enum Missed {
    /// Its strategy is not served.
    Mismatch,
    /// Nobody could say; or the instance was killed meanwhile.
    Unavailable,
}

impl World {
    async fn start(self: &Arc<Self>, number: usize) {
        let name = format!("web-{number}-{}", self.started.fetch_add(1, Relaxed));
        let client = self.etcd.client(Settings { first: number, ..self.etcd.settings() });
        let instance = Instance::start(store(&client, "teal/"), &name, self.rules.clone()).await;
        self.places.lock()[number] = Some(Arc::new(Place { instance, is_killed: AtomicBool::new(false) }));
    }

    /// Whether instances that serve contradict each other.
    fn check(&self) {
        let places: Vec<_> = self.places.lock().iter().flatten().cloned().collect();
        let views: Vec<_> = places
            .iter()
            .filter(|place| !place.instance.switch.store().is_none_or(|store| store.is_cut_off()))
            .map(|place| {
                let state = place.instance.switch.lock();
                (*state.machine.course(), state.machine.stage())
            })
            .collect();
        for (course, _) in views.iter().filter(|(_, stage)| *stage >= Stage::Telling) {
            let told = course.headed_for();
            for (other, stage) in &views {
                for kind in [CallKind::LogIn, CallKind::Begin] {
                    assert!(
                        other.lets_in(*stage, kind, told),
                        "{told} is told by {course:?}, refused by {other:?}"
                    );
                }
                let contradicts = *stage >= Stage::Telling && other.headed_for() != told;
                assert!(!contradicts, "two headings are told at once: {course:?} {other:?}");
            }
        }
    }

    fn any(&self, random: &mut Random) -> Option<Arc<Place>> {
        let places = self.places.lock();
        let number = usize::try_from(random.below(places.len() as u64)).expect("it is small");
        places[number].clone()
    }
}

impl Client {
    /// One call through any instance, answered after a while.
    async fn call(
        &mut self,
        world: &World,
        kind: CallKind,
        query: Option<&str>,
        begins: Option<&str>,
    ) -> Result<Strategy, Missed> {
        let Some(place) = world.any(&mut self.random) else {
            sleep(Duration::from_millis(50)).await;
            return Err(Missed::Unavailable);
        };
        let gone = |place: &Place| place.is_killed.load(Relaxed);
        // A call about a query may have any header: other threads of its client have moved on.
        let header = match query {
            Some(_) if self.random.below(2) == 0 => self.strategy.other(),
            _ => self.strategy,
        };
        let arrived = place.instance.arrive(kind, Some(header), query).await;
        world.check();
        let mut pass: RequestGuard = match arrived {
            _ if gone(&place) => return Err(Missed::Unavailable),
            Ok(pass) => pass,
            Err(Rejected::Mismatch(_)) => {
                world.refused.fetch_add(1, Relaxed);
                return Err(Missed::Mismatch);
            }
            Err(Rejected::Unavailable(_)) => {
                sleep(Duration::from_millis(50)).await;
                return Err(Missed::Unavailable);
            }
        };
        sleep(self.random.millis(200)).await;
        if let Some(record) = begins.and_then(|id| pass.record(id))
            && record.await.is_err()
        {
            return Err(Missed::Unavailable);
        }
        if gone(&place) {
            return Err(Missed::Unavailable);
        }
        let strategy = pass.strategy();
        world.check();
        if let Some(notice) = pass.notice() {
            self.told = Some(notice.strategy);
        }
        pass.answered(true);
        Ok(strategy)
    }

    /// Logs in and begins a query. Says its id and its strategy.
    async fn begin(&mut self, world: &World, id: usize) -> Option<(String, Strategy)> {
        let (mut mismatches, mut tries) = (0, 0);
        loop {
            if world.is_over.load(Relaxed) {
                return None;
            }
            tries += 1;
            let id = format!("q-{}-{id}-{tries}", self.name);
            let done = match self.call(world, CallKind::LogIn, None, None).await {
                Ok(_) => self.call(world, CallKind::Begin, None, Some(&id)).await,
                missed => missed,
            };
            match done {
                Ok(strategy) => return Some((id, strategy)),
                Err(Missed::Unavailable) => {}
                Err(Missed::Mismatch) => {
                    mismatches += 1;
                    assert!(mismatches < TRIES, "client {} looks for its strategy for ever", self.name);
                    (self.strategy, self.told) = (self.strategy.other(), None);
                }
            }
        }
    }

    /// A query's call, until it is answered. It is never refused.
    async fn about(&mut self, world: &World, kind: CallKind, id: Option<&str>, of: Strategy) {
        for _ in 0..2000 {
            match self.call(world, kind, id, None).await {
                Ok(strategy) => {
                    assert!(id.is_none() || strategy == of, "{id:?} of {of} was sent to {strategy}");
                    return;
                }
                Err(Missed::Unavailable) => {}
                Err(Missed::Mismatch) => panic!("{kind:?} about {id:?} of {of} was refused"),
            }
        }
        panic!("{kind:?} about {id:?} finds nobody");
    }

    async fn run(mut self, world: Arc<World>) {
        for number in 0.. {
            sleep(self.random.millis(400)).await;
            let Some((id, of)) = self.begin(&world, number).await else { return };
            for _ in 0..self.random.below(4) {
                self.about(&world, CallKind::Continue, Some(&id), of).await;
                if self.random.below(3) == 0 {
                    self.about(&world, CallKind::Neutral, None, of).await;
                }
            }
            // The answer to an end may be lost with its instance; then the query is gone, and a header judges.
            let mut tries = 0;
            loop {
                match self.call(&world, CallKind::End, Some(&id), None).await {
                    Err(Missed::Mismatch) => panic!("the end of {id} was refused"),
                    Err(Missed::Unavailable) if tries < 2000 => tries += 1,
                    Err(Missed::Unavailable) => panic!("the end of {id} finds nobody"),
                    Ok(_) => break,
                }
            }
            world.queries.fetch_add(1, Relaxed);
            if let Some(told) = self.told.take() {
                self.strategy = told;
            }
        }
    }
}

/// Operators order something at any instance, now and then.
async fn operate(world: Arc<World>, mut random: Random) {
    while !world.is_over.load(Relaxed) {
        sleep(Duration::from_millis(500) + random.millis(4000)).await;
        let kind = match random.below(6) {
            0..=2 => TransitionKind::Announce,
            3 => TransitionKind::CutOver,
            4 => TransitionKind::Abort,
            _ => TransitionKind::RollBack,
        };
        let Some(place) = world.any(&mut random) else { continue };
        let order = TransitionOrder { kind, by: Actor::Operator, epoch: None, is_forced: false };
        if let Some(store) = place.instance.switch.store() {
            _ = store.order(order).await;
        }
        world.check();
    }
}

/// What fails, one after the other.
async fn fail(world: Arc<World>, mut random: Random) {
    let began = Instant::now();
    while began.elapsed() < LASTS {
        sleep(random.millis(4000)).await;
        let member = usize::try_from(random.below(3)).expect("it is small");
        let etcd = &world.etcd;
        match random.below(9) {
            0 => {
                etcd.kill(member);
                sleep(random.millis(6000)).await;
                etcd.start(member);
            }
            1 => {
                etcd.stop(member);
                sleep(random.millis(6000)).await;
                etcd.resume(member);
            }
            2 => {
                etcd.isolate(member);
                sleep(random.millis(15_000)).await;
                etcd.resume(member);
            }
            3 => {
                // No quorum, for longer than a lease lasts at times.
                (0..3).for_each(|member| etcd.stop(member));
                sleep(random.millis(15_000)).await;
                (0..3).for_each(|member| etcd.resume(member));
            }
            4 => etcd.lag(member, random.millis(3000)),
            5 => etcd.lose_answers(member, 2),
            6 => {
                let client = etcd.client(etcd.settings());
                _ = client.compact(etcd.revision()).await;
            }
            _ => {
                let killed = world.places.lock()[member].take();
                if let Some(place) = killed {
                    place.is_killed.store(true, Relaxed);
                    place.instance.kill();
                }
                sleep(random.millis(5000)).await;
                world.start(member).await;
            }
        }
        world.check();
    }
    (0..3).for_each(|member| world.etcd.lag(member, Duration::ZERO));
}

async fn play(seed: u64) -> (usize, usize, u64) {
    let mut random = Random::new(seed);
    let rules = Rules {
        initial: Blue,
        switch_every: None,
        cutover: Cutover::Drain,
        notice: random.millis(1000),
        announce_timeout: (random.below(2) == 0).then(|| Duration::from_secs(5)),
        grace: Duration::from_millis(700) + random.millis(1000),
        drain_timeout: Some(Duration::from_secs(90)),
        ..Rules::default()
    };
    let etcd = Etcd::new(3);
    (0..3).for_each(|member| etcd.delay(member, random.millis(4)));
    let world = Arc::new(World {
        etcd,
        rules,
        places: Mutex::new(vec![None, None, None]),
        is_over: AtomicBool::new(false),
        started: AtomicUsize::new(0),
        queries: AtomicUsize::new(0),
        refused: AtomicUsize::new(0),
    });
    for number in 0..3 {
        world.start(number).await;
    }
    let clients: Vec<_> = (0..CLIENTS)
        .map(|name| {
            let client = Client { name, strategy: Blue, told: None, random: random.split() };
            random.below(2);
            tokio::spawn(client.run(Arc::clone(&world)))
        })
        .collect();
    let operator = tokio::spawn(operate(Arc::clone(&world), random.split()));
    random.below(2);
    tokio::spawn(fail(Arc::clone(&world), random.split())).await.expect("it fails as it should");
    world.is_over.store(true, Relaxed);
    operator.await.expect("it operates");
    for client in clients {
        client.await.expect("it is served");
    }
    // Nothing sticks: what killed instances have left behind holds a drain until its timeout at most.
    let until = Instant::now() + Duration::from_secs(120);
    let place = loop {
        let places: Vec<_> = world.places.lock().iter().flatten().cloned().collect();
        let views: Vec<_> = places.iter().map(|place| place.instance.switch.snapshot()).collect();
        let agree = views.iter().all(|view| view.epoch == views[0].epoch);
        let is_at_rest = views[0].phase.name() == PhaseName::Stable
            || world.rules.announce_timeout.is_none() && views[0].phase.name() == PhaseName::Announced;
        if agree && is_at_rest {
            break Arc::clone(&places[0]);
        }
        assert!(Instant::now() < until, "{views:?}");
        sleep(Duration::from_millis(100)).await;
    };
    let epoch = place.instance.switch.snapshot().epoch;
    (world.queries.load(Relaxed), world.refused.load(Relaxed), epoch)
}

fn run(seed: u64) -> (usize, usize, u64) {
    let runtime = Builder::new_current_thread().enable_time().start_paused(true).build();
    runtime.expect("it can be built").block_on(play(seed))
}

fn number(name: &str) -> Option<u64> {
    env::var(name).ok()?.parse().ok()
}

#[test]
fn simulated_instances_keep_the_promises() {
    if let Some(seed) = number("TEAL_INSTANCES_SEED") {
        run(seed);
        return;
    }
    let seeds = number("TEAL_INSTANCES_SEEDS").unwrap_or(SEEDS);
    let (mut all, mut failed) = ((0, 0, 0), Vec::new());
    for seed in 0..seeds {
        match catch_unwind(AssertUnwindSafe(|| run(seed))) {
            Ok((queries, refused, epoch)) => all = (all.0 + queries, all.1 + refused, all.2 + epoch),
            Err(_) => failed.push(seed),
        }
    }
    assert!(failed.is_empty(), "failing seeds: {failed:?}");
    let (queries, refused, epochs) = all;
    assert!(queries > 20 * usize::try_from(seeds).expect("it is small"), "{queries} queries");
    assert!(epochs > 5 * seeds && refused > 0, "{epochs} epochs, {refused} refused");
    const { assert!(TTL.as_secs() < LASTS.as_secs()) };
}
