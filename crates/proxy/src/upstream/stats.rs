//! Statistics of an engine and each of its addresses, from the connections of all threads.

use std::{
    collections::BTreeMap,
    fmt,
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use parking_lot::{Mutex, MutexGuard};
use tokio::{sync::watch, time::Instant};

use super::{AddressStatus, resolve::Addresses};
use crate::telemetry::{AddressMetrics, UpstreamMetrics};

/// How long a failed health check counts; the timer checks again before.
const ANSWER_HOLDS: Duration = Duration::from_secs(10);
/// How long a failed address is tried after all others.
const AVOIDED: Duration = Duration::from_secs(30);
/// The most reasons logged for one outage.
const TOLD: usize = 8;
/// The shortest time between two diagnoses.
const DIAGNOSED_EVERY: Duration = Duration::from_secs(10);

/// One engine, shared by all threads.
#[derive(Debug)]
pub(super) struct EndpointStats {
    pub(super) addresses: Addresses,
    connections: AtomicUsize,
    metrics: UpstreamMetrics,
    problems: Mutex<Problems>,
    known: Mutex<BTreeMap<SocketAddr, Arc<AddressStats>>>,
    alarm: watch::Sender<()>,
}

/// One address of an engine.
#[derive(Debug)]
struct AddressStats {
    connections: AtomicUsize,
    /// Attempts to connect in progress.
    attempts: AtomicUsize,
    metrics: AddressMetrics,
    /// The problem of the last attempt, and its time.
    problem: Mutex<Option<(Instant, String)>>,
}

#[derive(Debug, Default)]
struct Problems {
    /// Why the last connection failed.
    connecting: Option<String>,
    /// All such reasons since the last success, so that alternating reasons are not logged again.
    told: Vec<String>,
    /// Whether the log says that the engine is connected, since the last failure.
    is_told: bool,
    /// The problem of the last health check, and its time.
    answer: Option<(Instant, String)>,
    /// The protocol it speaks instead of that of its URL, and when that was diagnosed.
    spoken: Option<(Instant, Option<&'static str>)>,
}

/// Counts a connection while it exists.
#[derive(Debug)]
pub(super) struct Counted {
    stats: Arc<EndpointStats>,
    address: Arc<AddressStats>,
}

/// An attempt at a connection.
#[derive(Debug)]
pub(super) struct Attempt(Arc<AddressStats>);

impl EndpointStats {
    /// Creates the statistics. `alarm` changes when a connection fails or ends.
    pub(super) fn new(addresses: Addresses, metrics: UpstreamMetrics, alarm: watch::Sender<()>) -> Self {
        let (connections, problems, known) = Default::default();
        Self { addresses, connections, metrics, problems, known, alarm }
    }

    /// The metrics of the engine.
    pub(super) fn metrics(&self) -> &UpstreamMetrics {
        &self.metrics
    }

    /// The number of open connections.
    pub(super) fn connections(&self) -> usize {
        self.connections.load(Ordering::Relaxed)
    }

    /// The current problem, if any.
    pub(super) fn problem(&self) -> Option<String> {
        let problems = self.problems();
        let connecting = problems.connecting.as_ref().filter(|_| self.connections() == 0);
        let answer = problems.answer.as_ref().filter(|(at, _)| at.elapsed() < ANSWER_HOLDS);
        answer.map(|(_, problem)| problem).or(connecting).cloned()
    }

    /// Records the result of a health check.
    pub(super) fn answered(&self, problem: Option<String>) {
        self.problems().answer = problem.map(|problem| (Instant::now(), problem));
    }

    /// Records an open connection, counted until the returned value is dropped. Also returns whether this is news:
    /// the first connection, or the first after a failure.
    pub(super) fn connected(self: &Arc<Self>, address: SocketAddr) -> (Counted, bool) {
        self.connections.fetch_add(1, Ordering::Relaxed);
        self.metrics.connections.increment(1.0);
        let address = self.address(address);
        address.connections.fetch_add(1, Ordering::Relaxed);
        address.metrics.connections.increment(1.0);
        *address.problem() = None;
        let mut problems = self.problems();
        problems.connecting = None;
        problems.spoken = None;
        problems.told.clear();
        let is_news = !std::mem::replace(&mut problems.is_told, true);
        (Counted { stats: self.clone(), address }, is_news)
    }

    /// Records a failure to connect. Returns whether that is news.
    pub(super) fn failed(&self, why: &impl fmt::Display) -> bool {
        self.metrics.connect.increment(1);
        let problem = format!("cannot be reached: {why}");
        let mut problems = self.problems();
        let is_news = problems.told.len() < TOLD && !problems.told.contains(&problem);
        if is_news {
            problems.told.push(problem.clone());
        }
        problems.connecting = Some(problem);
        problems.is_told = false;
        self.alarm.send_replace(());
        is_news
    }

    /// Records a failure to connect to an address. Returns whether that is news.
    pub(super) fn address_failed(&self, address: SocketAddr, why: &impl fmt::Display) -> bool {
        let address = self.address(address);
        address.metrics.failures.increment(1);
        let mut problem = address.problem();
        problem.replace((Instant::now(), why.to_string())).is_none()
    }

    /// Returns whether an address has failed recently, so that others come first.
    pub(super) fn is_avoided(&self, address: SocketAddr) -> bool {
        let known = self.known.lock();
        let problem = known.get(&address).and_then(|known| known.problem().as_ref().map(|(at, _)| *at));
        problem.is_some_and(|at| at.elapsed() < AVOIDED)
    }

    /// The number of connections to an address, open or being opened.
    pub(super) fn load_of(&self, address: SocketAddr) -> usize {
        let known = self.known.lock();
        known.get(&address).map_or(0, |known| {
            known.connections.load(Ordering::Relaxed) + known.attempts.load(Ordering::Relaxed)
        })
    }

    /// Counts an attempt to connect to an address, until the returned value is dropped.
    pub(super) fn attempt(&self, address: SocketAddr) -> Attempt {
        let address = self.address(address);
        address.attempts.fetch_add(1, Ordering::Relaxed);
        Attempt(address)
    }

    /// Returns whether a diagnosis is due.
    pub(super) fn may_diagnose(&self) -> bool {
        let mut problems = self.problems();
        let may = problems.spoken.is_none_or(|(at, _)| at.elapsed() >= DIAGNOSED_EVERY);
        if may {
            let before = problems.spoken.and_then(|(_, spoken)| spoken);
            problems.spoken = Some((Instant::now(), before));
        }
        may
    }

    /// Records the result of a diagnosis.
    pub(super) fn diagnosed(&self, spoken: Option<&'static str>) {
        self.problems().spoken = Some((Instant::now(), spoken));
    }

    /// The protocol that the engine speaks instead of that of its URL, as far as is known.
    pub(super) fn spoken(&self) -> Option<&'static str> {
        self.problems().spoken.and_then(|(_, spoken)| spoken)
    }

    /// The status of each address, in order.
    pub(super) fn address_states(&self) -> Vec<AddressStatus> {
        let current = self.addresses.current();
        let mut known = self.known.lock();
        // Drops addresses that the name no longer has and that have no connections.
        known.retain(|address, stats| {
            current.contains(address) || stats.connections.load(Ordering::Relaxed) > 0
        });
        let mut shown: Vec<SocketAddr> = current.iter().chain(known.keys()).copied().collect();
        shown.sort();
        shown.dedup();
        let state = |address: SocketAddr| {
            let stats = known.get(&address);
            let problem =
                stats.and_then(|stats| stats.problem().as_ref().map(|(_, problem)| problem.clone()));
            AddressStatus {
                address: address.to_string(),
                connections: stats.map_or(0, |stats| stats.connections.load(Ordering::Relaxed)),
                problem,
            }
        };
        shown.into_iter().map(state).collect()
    }

    fn address(&self, address: SocketAddr) -> Arc<AddressStats> {
        let mut known = self.known.lock();
        let new = || {
            let metrics = self.metrics.address(address);
            Arc::new(AddressStats {
                connections: AtomicUsize::new(0),
                attempts: AtomicUsize::new(0),
                metrics,
                problem: Mutex::default(),
            })
        };
        known.entry(address).or_insert_with(new).clone()
    }

    fn problems(&self) -> MutexGuard<'_, Problems> {
        self.problems.lock()
    }
}

impl AddressStats {
    fn problem(&self) -> MutexGuard<'_, Option<(Instant, String)>> {
        self.problem.lock()
    }
}

impl Drop for Attempt {
    fn drop(&mut self) {
        self.0.attempts.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.stats.connections.fetch_sub(1, Ordering::Relaxed);
        self.stats.metrics.connections.decrement(1.0);
        self.stats.alarm.send_replace(());
        self.address.connections.fetch_sub(1, Ordering::Relaxed);
        self.address.metrics.connections.decrement(1.0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::telemetry::Metrics;

    #[test]
    fn a_reason_is_news_once_in_an_outage() {
        let stats = Arc::new(EndpointStats::new(
            Addresses::of("e:80"),
            Metrics::default().upstream("http://e"),
            watch::channel(()).0,
        ));
        assert_eq!(
            ["refused", "reset", "refused", "reset"].map(|why| stats.failed(&why)),
            [true, true, false, false]
        );
        let address: SocketAddr = "10.0.0.1:80".parse().unwrap();
        let connect = || stats.connected(address).1;
        assert!(connect() && !connect(), "an engine that closes connections is there");
        assert!(stats.failed(&"refused"), "another outage");
        assert!(connect(), "and its end");
    }
}
