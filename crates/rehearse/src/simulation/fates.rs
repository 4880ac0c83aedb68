//! The fates of engines: they die, hang, slow down and recover.

use std::cell::RefCell;

use rand::Rng;
use tokio::{
    sync::watch,
    time::{sleep, timeout},
};

use super::*;

/// The timeout of a health check.
pub(super) const ANSWERS_WITHIN: Duration = Duration::from_secs(2);
/// The most milliseconds that a slow engine takes for a call, and for a health check.
const SLOW: [u64; 2] = [500, 1_900];

/// The state of an engine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fate {
    Well,
    Slow,
    /// Its connections end, and its queries are lost.
    Dead,
    /// It accepts connections, and never responds.
    Hung,
}

/// The fates of both engines.
pub(super) struct Fates {
    engines: [watch::Sender<Fate>; 2],
    alarm: watch::Sender<()>,
    /// The strategy whose engine stays healthy.
    pub(super) steady: Option<Strategy>,
    random: RefCell<SmallRng>,
}

impl Fates {
    /// Creates healthy engines.
    pub(super) fn new(steady: Option<Strategy>, random: SmallRng) -> Self {
        let engines = Strategy::ALL.map(|_| watch::channel(Fate::Well).0);
        Self { engines, alarm: watch::channel(()).0, steady, random: RefCell::new(random) }
    }

    /// Changes when a connection has failed.
    pub(super) fn alarm(&self) -> watch::Receiver<()> {
        self.alarm.subscribe()
    }

    /// Checks the health of an engine, as teal does.
    pub(super) async fn ask(&self, strategy: Strategy) -> Result<(), String> {
        let asked = timeout(ANSWERS_WITHIN, self.answers(strategy, SLOW[1])).await;
        match asked {
            Ok(true) => Ok(()),
            Ok(false) => Err(format!("the engine of {strategy} cannot be reached")),
            Err(_) => Err(format!("the engine of {strategy} gives no answer")),
        }
    }

    /// Waits as long as an engine takes for a call. Returns false if the connection ends instead.
    pub(super) async fn serves(&self, strategy: Strategy) -> bool {
        self.answers(strategy, SLOW[0]).await
    }

    async fn answers(&self, strategy: Strategy, slow: u64) -> bool {
        let mut fate = self.engines[strategy.index()].subscribe();
        let mut is_waiting = true;
        loop {
            let now = *fate.borrow_and_update();
            match now {
                Fate::Slow if is_waiting => {
                    let pause = self.random.borrow_mut().random_range(0..slow);
                    sleep(millis(pause)).await;
                    is_waiting = false;
                }
                Fate::Well | Fate::Slow => return true,
                Fate::Dead => {
                    self.alarm.send_replace(());
                    return false;
                }
                // The sender lives as long as the world.
                Fate::Hung => _ = fate.changed().await,
            }
        }
    }

    /// Changes the states of the engines, except for the steady one.
    pub(super) async fn turn(world: Rc<World>, mut random: SmallRng) {
        let fates = &world.fates;
        loop {
            let most = if random.random_ratio(1, 4) { 1_000 } else { 20_000 };
            sleep(millis(random.random_range(100..most))).await;
            let any = Strategy::ALL[random.random_range(0..2)];
            let strategy = fates.steady.map_or(any, Strategy::other);
            let fate =
                [Fate::Well, Fate::Well, Fate::Slow, Fate::Dead, Fate::Hung][random.random_range(0..5)];
            fates.set(&world, strategy, fate);
        }
    }

    /// Heals all engines at the end.
    pub(super) fn heal(&self, world: &World) {
        for strategy in Strategy::ALL {
            self.set(world, strategy, Fate::Well);
        }
    }

    fn set(&self, world: &World, strategy: Strategy, fate: Fate) {
        if fate == Fate::Dead {
            world.engines.borrow_mut().lose(strategy);
        }
        self.engines[strategy.index()].send_replace(fate);
    }
}
