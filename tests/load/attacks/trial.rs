//! Measures what an attack costs the victim beside it, and the server.

use std::{
    fmt,
    net::SocketAddr,
    thread,
    time::{Duration, Instant},
};

use tokio::{runtime, time::timeout};

use super::{
    LONG, MIB,
    victim::{Calls, Phase, Victim},
};
use crate::support::Server;

/// How long a victim is measured without an attack, each time.
const CALM: Duration = Duration::from_millis(300);
/// The same, after some attacks that slowed it down.
const LONG_CALM: Duration = Duration::from_secs(1);
/// How long an attack lasts, each time.
const ATTACKED: Duration = Duration::from_millis(600);
/// The same for an attack that fills memory.
const FILLED: Duration = Duration::from_secs(2);
/// How much slower calls may be under attack.
const SLOWER: u32 = 3;
/// How much more memory the server may have soon after an attack.
const MORE: usize = 64 * MIB;
/// How soon memory must be back within that.
const SOON: Duration = Duration::from_secs(10);

/// A server under attack, and its victim.
pub(super) struct Trial {
    // It ends before the server does.
    victim: Victim,
    pub(super) server: Server,
    /// Memory before the attack, and at most since.
    before: usize,
    pub(super) peak: usize,
    /// Open files before the attack.
    files: usize,
    /// How long an attack lasts.
    lasts: Duration,
    /// The victim's median before and during each attack.
    windows: Vec<[Duration; 2]>,
    /// The number of attacks that must not slow it down.
    wanted: usize,
}

/// The target and the duration of an attack.
#[derive(Clone, Copy, Debug)]
pub(super) struct Attack {
    pub(super) address: SocketAddr,
    pub(super) until: Instant,
}

impl Attack {
    pub(super) fn is_over(&self) -> bool {
        Instant::now() >= self.until
    }

    /// Waits for the end of the attack.
    pub(super) async fn over(&self) {
        tokio::time::sleep_until(self.until.into()).await;
    }
}

impl Trial {
    /// A victim that makes these calls, and has made some.
    pub(super) fn of(server: Server, calls: Calls) -> Self {
        let victim = Victim::start(server.address, calls);
        thread::sleep(CALM);
        victim.settle();
        let (before, files) = (server.resident(), server.open_files());
        Self { victim, server, before, peak: before, files, lasts: ATTACKED, windows: Vec::new(), wanted: 0 }
    }

    /// The same with attacks that fill memory, and last longer than that takes. A client that sends so much has the thread
    /// busy, and what memory costs is up to the machine; most calls of the victim are due later.
    pub(super) fn filling(self) -> Self {
        Self { lasts: FILLED, ..self }
    }

    /// Attacks this many times for a while, with pauses between. If something else may have slowed down the victim,
    /// the attack is repeated after longer pauses, at most ten times as often in total: a neighbour on the machine may be
    /// busy for some seconds.
    pub(super) fn attack<F, R>(&mut self, times: usize, attack: F)
    where
        F: Fn(Attack) -> R + Sync,
        R: Future<Output = ()>,
    {
        self.wanted += times;
        for _ in 0..10 * times {
            self.victim.set(Phase::Calm);
            thread::sleep(if self.windows.len() - self.good() < 3 { CALM } else { LONG_CALM });
            self.victim.set(Phase::Attacked);
            self.run(self.lasts, &attack);
            let (calm, attacked, has_failed) = self.victim.take();
            self.windows.push([calm, attacked].map(median));
            if has_failed || self.good() >= self.wanted {
                break;
            }
        }
    }

    /// Loads the server for a while, 10 s at most. The victim is not measured.
    pub(super) fn load<F, R>(&mut self, load: F)
    where
        F: Fn(Attack) -> R + Sync,
        R: Future<Output = ()>,
    {
        self.run(SOON, &load);
    }

    fn run<F, R>(&mut self, duration: Duration, attack: &F)
    where
        F: Fn(Attack) -> R + Sync,
        R: Future<Output = ()>,
    {
        let facts = Attack { address: self.server.address, until: Instant::now() + duration };
        thread::scope(|scope| {
            let attacker = scope.spawn(move || {
                let runtime = runtime::Builder::new_current_thread().enable_all().build().unwrap();
                let attacked = runtime.block_on(async { timeout(LONG, attack(facts)).await });
                attacked.expect("an attack ends");
            });
            while !attacker.is_finished() {
                self.peak = self.peak.max(self.server.resident());
                thread::sleep(Duration::from_millis(10));
            }
            attacker.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
        });
        self.victim.set(Phase::Between);
        self.victim.settle();
        self.calm_down();
    }

    /// Waits until the attackers' connections are gone, or no more of them go. If they stay, the test goes on.
    fn calm_down(&self) {
        let (mut files, deadline) = (usize::MAX, Instant::now() + SOON / 5);
        while Instant::now() < deadline {
            let now = self.server.open_files();
            if now <= self.files || now == files {
                break;
            }
            files = now;
            thread::sleep(CALM);
        }
    }

    /// How many attacks did not slow down the victim.
    fn good(&self) -> usize {
        self.windows.iter().filter(|[calm, attacked]| *attacked <= *calm * SLOWER).count()
    }

    /// The largest growth of the server's memory, in bytes.
    pub(super) fn grown(&self) -> usize {
        self.peak.saturating_sub(self.before)
    }

    /// Asserts that only the attacker was harmed.
    pub(super) fn harmed_nobody(&self) {
        let after = self.settled_memory();
        let outcome = Outcome { trial: self, after };
        eprintln!("{outcome}");
        let has_failed = !self.victim.notes().failures.is_empty();
        assert!(!has_failed, "calls of the victim failed: {outcome}");
        assert!(self.good() >= self.wanted, "the victim was slowed down: {outcome}");
        assert!(after <= self.before + MORE, "memory stays: {outcome}");
    }

    /// Asserts that memory goes back, and that no call has failed.
    pub(super) fn gives_memory_back(&self) {
        let after = self.settled_memory();
        eprintln!("memory {} MiB, at most {}, then {}", self.before / MIB, self.peak / MIB, after / MIB);
        let failures = self.victim.notes().failures.clone();
        assert!(failures.is_empty(), "{failures:?}");
        assert!(after <= self.before + MORE, "{} MiB stay, {} before", after / MIB, self.before / MIB);
    }

    /// The memory that the server has soon after an attack.
    fn settled_memory(&self) -> usize {
        let ended = Instant::now();
        let mut after = self.server.resident();
        while after > self.before + MORE && ended.elapsed() < SOON {
            thread::sleep(Duration::from_millis(50));
            after = self.server.resident();
        }
        after
    }
}

/// The measurements.
struct Outcome<'a> {
    trial: &'a Trial,
    after: usize,
}

impl fmt::Display for Outcome<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for [calm, attacked] in &self.trial.windows {
            let ratio = attacked.as_secs_f64() / calm.as_secs_f64();
            write!(f, "median {calm:?}, under attack {attacked:?}: {ratio:.2} times; ")?;
        }
        let [before, peak, after] = [self.trial.before, self.trial.peak, self.after].map(|bytes| bytes / MIB);
        write!(f, "memory {before} MiB, at most {peak}, then {after}; ")?;
        let failures = &self.trial.victim.notes().failures;
        write!(f, "{} failures {:?}", failures.len(), &failures[..failures.len().min(3)])
    }
}

fn median(mut latencies: Vec<Duration>) -> Duration {
    latencies.sort_unstable();
    latencies.get(latencies.len() / 2).copied().expect("calls were made")
}
