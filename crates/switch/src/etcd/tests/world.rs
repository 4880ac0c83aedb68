//! Three real switches, an etcd that fails, engines that not all of them reach, clients that send each call through another
//! instance, and operators: from a seed, on paused time.
//!
//! `TEAL_INSTANCES_SEEDS=100000` runs more seeds, `TEAL_INSTANCES_SEED=17` runs one.

mod client;
mod fates;
mod judge;
mod random;

use std::{
    env,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering::Relaxed},
    },
    thread,
    time::Duration,
};

use parking_lot::Mutex;
use protocol::{CallKind, Strategy::Blue};
use teal_etcd::{
    Settings,
    simulated::{Etcd, Snapshot},
};
use tokio::{
    runtime::Builder,
    time::{Instant, sleep},
};

use self::{
    client::Client,
    judge::Judge,
    random::{Random, Traits},
};
use super::{
    TTL, store,
    switch::{Engines, Instance},
};
use crate::{PhaseName, Rules, etcd::Board, instance::Stage};

const SEEDS: u64 = 2000;
/// How many seeds run at a time.
const THREADS: usize = 2;
const CLIENTS: usize = 3;
/// For how long the world is moved.
const LASTS: Duration = Duration::from_secs(25);
/// How long before a loss of data something may have happened that is lost; and how long after it.
const UNSURE: [Duration; 2] = [Duration::from_secs(6), Duration::from_secs(20)];

struct Place {
    instance: Instance,
    engines: Engines,
    is_killed: AtomicBool,
}

struct World {
    etcd: Etcd,
    traits: Traits,
    rules: Rules,
    engines: [Engines; 3],
    places: Mutex<Vec<Option<Arc<Place>>>>,
    judge: Mutex<Judge>,
    /// When data were lost.
    losses: Mutex<Vec<Instant>>,
    is_over: AtomicBool,
    started: AtomicUsize,
    /// What the run came to, so that a run in which nothing happens is found.
    queries: AtomicU64,
    refused: AtomicU64,
}

/// What runs came to: queries, calls refused, transitions, those by `health`, failovers.
type Sum = [u64; 5];

impl Traits {
    /// Whether a neutral call may be refused, as with one instance, or where clocks cannot be relied on.
    fn may_refuse_neutral(&self) -> bool {
        self.is_strict || self.may_loop()
    }

    /// Whether a client may have to try longer than one of a single thread.
    fn may_loop(&self) -> bool {
        self.threads > 1 || self.ends_leases || self.loses_data
    }
}

impl World {
    async fn start(self: &Arc<Self>, number: usize) {
        let name = format!("web-{number}-{}", self.started.fetch_add(1, Relaxed));
        let client = self.etcd.client(Settings { first: number, ..self.etcd.settings() });
        let (store, rules, engines) =
            (store(&client, "teal/"), self.rules.clone(), self.engines[number].clone());
        let instance = match self.traits.has_engines {
            true => Instance::between(store, &name, rules, &engines).await,
            false => Instance::start(store, &name, rules).await,
        };
        let place = Place { instance, engines, is_killed: AtomicBool::new(false) };
        self.places.lock()[number] = Some(Arc::new(place));
    }

    /// Whether a transition was wrong, or instances that serve contradict each other.
    fn check(&self) {
        self.judge.lock().judge(&self.etcd);
        if self.traits.ends_leases || self.excuses(Instant::now()) {
            return;
        }
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
        places[random.index(places.len())].clone()
    }

    /// etcd loses all, or is set back.
    fn lose_data(&self, to: Option<(Snapshot, Board)>) {
        self.judge.lock().judge(&self.etcd);
        self.losses.lock().push(Instant::now());
        let board = match to {
            None => {
                self.etcd.lose_data();
                Board::empty(1)
            }
            Some((snapshot, board)) => {
                self.etcd.restore(&snapshot);
                board
            }
        };
        self.judge.lock().set_back(board);
    }

    /// Whether what happened then may be lost with the data.
    fn excuses(&self, at: Instant) -> bool {
        self.losses.lock().iter().any(|loss| (*loss <= at + UNSURE[0]) && (at <= *loss + UNSURE[1]))
    }

    /// Waits until nothing is announced or drained any more.
    async fn rest(&self) {
        // What killed instances have left behind holds a drain until its timeout at most.
        let until = Instant::now() + Duration::from_secs(120);
        loop {
            self.check();
            let places: Vec<_> = self.places.lock().iter().flatten().cloned().collect();
            let views: Vec<_> = places.iter().map(|place| place.instance.switch.snapshot()).collect();
            let agree = views.iter().all(|view| view.epoch == views[0].epoch);
            let is_at_rest = views[0].phase.name() == PhaseName::Stable
                || self.rules.announce_timeout.is_none() && views[0].phase.name() == PhaseName::Announced;
            if agree && is_at_rest {
                return;
            }
            assert!(Instant::now() < until, "{views:?}");
            sleep(Duration::from_millis(500)).await;
        }
    }
}

async fn play(seed: u64) -> Sum {
    let mut random = Random::new(seed);
    let traits = Traits::new(&mut random);
    let rules = traits.rules(&mut random);
    let etcd = Etcd::new(3);
    (0..3).for_each(|member| etcd.delay(member, random.millis(4)));
    let world = Arc::new(World {
        etcd,
        traits,
        engines: Default::default(),
        places: Mutex::new(vec![None, None, None]),
        judge: Mutex::new(Judge::new(rules.announce_timeout.is_some())),
        losses: Mutex::default(),
        is_over: AtomicBool::new(false),
        started: AtomicUsize::new(0),
        queries: AtomicU64::new(0),
        refused: AtomicU64::new(0),
        rules,
    });
    for number in 0..3 {
        world.start(number).await;
    }
    let mut tasks = vec![
        tokio::spawn(fates::operate(Arc::clone(&world), random.split())),
        tokio::spawn(fates::sicken(Arc::clone(&world), random.split())),
        tokio::spawn(fates::end_leases(Arc::clone(&world), random.split())),
    ];
    for client in 0..CLIENTS {
        let knows = Arc::new(Mutex::new((Blue, None)));
        for thread in 0..traits.threads {
            let (name, knows) = (format!("{client}-{thread}"), Arc::clone(&knows));
            let client = Client { name, knows, random: random.split() };
            tasks.push(tokio::spawn(client.run(Arc::clone(&world))));
        }
    }
    tokio::spawn(fates::fail(Arc::clone(&world), random.split())).await.expect("it fails as it should");
    world.is_over.store(true, Relaxed);
    for task in tasks {
        task.await.expect("it keeps what it promises");
    }
    world.rest().await;
    let (transitions, by_health, failovers) = world.judge.lock().count;
    [world.queries.load(Relaxed), world.refused.load(Relaxed), transitions, by_health, failovers]
}

fn run(seed: u64) -> Sum {
    let runtime = Builder::new_current_thread().enable_time().start_paused(true).build();
    runtime.expect("it can be built").block_on(play(seed))
}

fn number(name: &str) -> Option<u64> {
    env::var(name).ok()?.parse().ok()
}

/// What all came to, and the seeds that failed.
fn run_all(seeds: u64) -> (Sum, Vec<u64>) {
    let (next, all) = (AtomicU64::new(0), Mutex::new((Sum::default(), Vec::new())));
    thread::scope(|scope| {
        for _ in 0..THREADS {
            scope.spawn(|| {
                loop {
                    let seed = next.fetch_add(1, Relaxed);
                    if seed >= seeds {
                        break;
                    }
                    let done = catch_unwind(AssertUnwindSafe(|| run(seed)));
                    let mut all = all.lock();
                    match done {
                        Ok(sum) => all.0.iter_mut().zip(sum).for_each(|(all, one)| *all += one),
                        Err(_) => all.1.push(seed),
                    }
                }
            });
        }
    });
    all.into_inner()
}

#[test]
fn simulated_instances_keep_the_promises() {
    if let Some(seed) = number("TEAL_INSTANCES_SEED") {
        run(seed);
        return;
    }
    let seeds = number("TEAL_INSTANCES_SEEDS").unwrap_or(SEEDS);
    let (sum, failed) = run_all(seeds);
    assert!(failed.is_empty(), "failing seeds: {failed:?}");
    let [queries, refused, transitions, by_health, failovers] = sum;
    assert!(queries > 20 * seeds && refused > seeds / 2, "{sum:?}");
    assert!(transitions > 5 * seeds && by_health > seeds / 8 && failovers > seeds / 20, "{sum:?}");
    const { assert!(TTL.as_secs() < LASTS.as_secs()) };
}
