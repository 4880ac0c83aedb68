//! The real switch and gate in a simulated world: clients, engines and operators on paused time, with all randomness
//! from a seed. Each call is checked against the rules, and the whole history by the checker.
//!
//! `TEAL_SIMULATION_SEEDS=100000` runs more seeds, `TEAL_SIMULATION_SEED=17` runs one.

mod client;
mod engine;
mod fates;
mod world;

use std::{
    env,
    ops::Range,
    panic::{AssertUnwindSafe, catch_unwind},
    rc::Rc,
    str::FromStr,
    thread,
    time::Duration,
};

use protocol::Strategy;
use rand::{Rng, SeedableRng, rngs::SmallRng};
use switch::{Actor, Command, Cutover, KEPT, NewEvent, Order, Phase, Rules, Snapshot, Start, Switch};
use tokio::{
    sync::mpsc::{UnboundedReceiver, unbounded_channel},
    task::{JoinSet, LocalSet},
    time::{Instant, sleep},
};

use self::{
    client::Client,
    fates::{ANSWERS_WITHIN, Fates},
    world::World,
};
use crate::behaviour::Behaviour;

fn millis(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

fn secs(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

const SEEDS: u64 = 2_000;
/// The time that a client itself takes between failures, and that slow engines take.
const SLACK: Duration = Duration::from_secs(2);

/// Counts over all seeds, so that a simulation of nothing fails.
#[derive(Clone, Copy, Debug, Default)]
struct Tally {
    clients: u64,
    calls: u64,
    refused: u64,
    told: u64,
    transitions: u64,
    timed_out: u64,
    left: u64,
    /// Begins of clients that must never be without service for long, and the longest wait.
    waits: u64,
    longest: Duration,
    /// The cases of the least tested promise.
    cases: u64,
}

impl Tally {
    fn add(&mut self, other: Self) {
        self.clients += other.clients;
        self.calls += other.calls;
        self.refused += other.refused;
        self.told += other.told;
        self.transitions += other.transitions;
        self.timed_out += other.timed_out;
        self.left += other.left;
        self.waits += other.waits;
        self.longest = self.longest.max(other.longest);
        self.cases += other.cases;
    }
}

/// Draws the rules of a switch.
fn set(random: &mut SmallRng, rules: &mut Rules) {
    let mut upto = |most: u64| millis(random.random_range(0..=most));
    rules.notice = upto(2_000);
    rules.grace = upto(4_000);
    rules.announce_timeout = Some(secs(1) + upto(20_000));
    rules.drain_timeout = Some(secs(4) + upto(60_000));
    rules.switch_every = Some(secs(1) + upto(20_000));
    rules.query_ttl = secs(600);
    if random.random_ratio(1, 2) {
        rules.switch_every = None;
    }
    if random.random_ratio(1, 8) {
        rules.cutover = Cutover::Strict;
    }
    if random.random_ratio(1, 8) {
        rules.max_queries = random.random_range(2..20);
    }
}

/// Draws the fates of engines, in a world with an engine per strategy.
fn draw(random: &mut SmallRng, rules: &mut Rules) -> (bool, Fates) {
    let has_engines = random.random_ratio(1, 2);
    let is_steady = has_engines && random.random_ratio(1, 2);
    let steady = is_steady.then(|| Strategy::ALL[random.random_range(0..2)]);
    rules.unhealthy_abort = Some(millis(random.random_range(1_000..8_000)));
    rules.failover = rules.unhealthy_abort.map(|longest| longest.mul_f64(random.random_range(0.1..1.0)));
    if !is_steady && random.random_ratio(1, 2) {
        rules.failover = None;
    }
    if !is_steady && random.random_ratio(1, 8) {
        rules.unhealthy_abort = None;
    }
    (has_engines, Fates::new(steady, SmallRng::seed_from_u64(random.random())))
}

/// Sends random commands, valid or not.
async fn operate(world: Rc<World>, mut random: SmallRng) {
    loop {
        sleep(millis(random.random_range(100..8_000))).await;
        world.observe();
        let command = match random.random_range(0..8) {
            0..4 => Command::Announce { to: None },
            // A forced cutover to a dead engine leaves clients without service.
            4 => Command::Cutover { force: world.fates.steady.is_none() && random.random_ratio(1, 4) },
            5 => Command::Abort,
            6 => Command::Rollback,
            _ if world.switch.view().timer.is_paused => Command::ResumeTimer,
            _ => Command::PauseTimer,
        };
        let ask = |strategy| world.fates.ask(strategy);
        _ = world.switch.order(command, Actor::Operator, None, ask).await;
        world.observe();
    }
}

/// Observes the switch after each move, which must happen in time even without calls.
async fn look(world: Rc<World>, mut moved: UnboundedReceiver<()>) {
    while moved.recv().await.is_some() {
        world.observe();
    }
}

async fn live(seed: u64) -> Tally {
    let mut random = SmallRng::seed_from_u64(seed);
    let mut rules = Rules::default();
    set(&mut random, &mut rules);
    let (has_engines, fates) = draw(&mut random, &mut rules);
    let (switch, timer) = Switch::start(rules.clone(), Start { has_engines, ..Start::default() }).unwrap();
    let (moves, moved) = unbounded_channel();
    let fates = Rc::new(fates);
    let timer = timer.observed_by(move |_| _ = moves.send(())).alarmed_by(fates.alarm());
    let asked = fates.clone();
    let timer = timer.run(move |strategy| {
        let asked = asked.clone();
        async move { asked.ask(strategy).await }
    });
    let longest = rules.unhealthy_abort.unwrap_or_default() + ANSWERS_WITHIN + SLACK;
    let world = Rc::new(World::new(switch, rules, fates, SmallRng::seed_from_u64(random.random())));
    let (mut background, mut operators) = (JoinSet::new(), JoinSet::new());
    background.spawn_local(timer);
    background.spawn_local(look(world.clone(), moved));
    let mut more = || SmallRng::seed_from_u64(random.random());
    let mut probes = JoinSet::new();
    if has_engines {
        operators.spawn_local(Fates::turn(world.clone(), more()));
    }
    if world.fates.steady.is_some() {
        let probe = Client::new(u32::MAX, Behaviour::Follow, true, world.clone(), more());
        probes.spawn_local(probe.probe(longest));
    }
    if random.random_ratio(2, 3) {
        operators.spawn_local(operate(world.clone(), SmallRng::seed_from_u64(random.random())));
    }
    let mut clients = JoinSet::new();
    // A few clients reach all edge cases; now and then there is a crowd.
    let most = if random.random_ratio(1, 400) { 2_000 } else { 32 };
    let count = random.random_range(1..=most);
    let is_calm = random.random_ratio(1, 3);
    for number in 0..count {
        let behaviour = match random.random_range(0..10) {
            _ if is_calm => Behaviour::Follow,
            0 => Behaviour::Frozen,
            1 => Behaviour::NoHeader,
            2 => Behaviour::Eager,
            3 => Behaviour::Vanish,
            _ => Behaviour::Follow,
        };
        let random = SmallRng::seed_from_u64(random.random());
        clients.spawn_local(Client::new(number, behaviour, is_calm, world.clone(), random).live());
    }
    while let Some(ended) = clients.join_next().await {
        ended.unwrap();
    }
    if let Some(Err(failed)) = probes.try_join_next() {
        std::panic::resume_unwind(failed.into_panic());
    }
    probes.shutdown().await;
    world.fates.heal(&world);
    let mut twins = world.twins.take();
    while let Some(ended) = twins.join_next().await {
        ended.unwrap();
    }
    _ = world.switch.command(Command::PauseTimer, Order::by(Actor::Operator));
    operators.shutdown().await;
    world.check_end().await;
    background.shutdown().await;
    let mut tally = world.judge();
    tally.clients = count.into();
    tally
}

fn run(seed: u64) -> Tally {
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
    LocalSet::new().block_on(&runtime, live(seed))
}

fn run_all(seeds: Range<u64>) -> Tally {
    let mut tally = Tally::default();
    for seed in seeds {
        match catch_unwind(AssertUnwindSafe(|| run(seed))) {
            Ok(one) => tally.add(one),
            Err(why) => {
                eprintln!("replay: TEAL_SIMULATION_SEED={seed} cargo test --release --lib simulation");
                std::panic::resume_unwind(why);
            }
        }
    }
    tally
}

fn variable<T: FromStr>(name: &str) -> Option<T> {
    let value = env::var(name).ok()?;
    Some(value.parse().unwrap_or_else(|_| panic!("{name}: '{value}': expected a whole number")))
}

#[test]
fn the_rules_hold_in_a_simulated_world() {
    if let Some(seed) = variable("TEAL_SIMULATION_SEED") {
        eprintln!("{:?}", run_all(seed..seed + 1));
        return;
    }
    let seeds = variable("TEAL_SIMULATION_SEEDS").unwrap_or(SEEDS);
    let threads = thread::available_parallelism().map_or(1, |threads| threads.get() as u64);
    let workers: Vec<_> = (0..threads)
        .map(|worker| {
            thread::spawn(move || run_all(seeds * worker / threads..seeds * (worker + 1) / threads))
        })
        .collect();
    let mut tally = Tally::default();
    for worker in workers {
        match worker.join() {
            Ok(part) => tally.add(part),
            Err(why) => std::panic::resume_unwind(why),
        }
    }
    eprintln!("{seeds} seeds: {tally:?}");
    let Tally { clients, calls, refused, told, transitions, timed_out, left, waits, cases, .. } = tally;
    let seen = [clients, calls / 100, refused, told, transitions, timed_out * 10, left * 10, waits, cases];
    let least = seen.into_iter().min();
    assert!(least >= Some(seeds), "little was simulated: {tally:?}");
}

#[test]
fn a_seed_determines_the_run() {
    for seed in [1, 2, 3] {
        let [one, other] = [run(seed), run(seed)];
        assert_eq!(format!("{one:?}"), format!("{other:?}"));
    }
}
