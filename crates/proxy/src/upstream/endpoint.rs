//! One engine, and this thread's connections to it.

use std::{
    future::poll_fn,
    io,
    pin::pin,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use http2::PingPong;
use parking_lot::{Mutex, MutexGuard};
use tokio::{
    sync::{Notify, Semaphore},
    time::{Instant, sleep, sleep_until, timeout, timeout_at},
};
use tracing::{debug, info, warn};

use super::{
    Target,
    connect::Connected,
    dial::dial,
    permit::{ConnectionStats, PooledStream, StreamPermit},
    pool::{Connection, Pool},
    stats::EndpointStats,
};
use crate::{telemetry::UpstreamMetrics, tls::Trust};

/// The most connections, however few streams the engine allows on each.
const MAX_CONNECTIONS: usize = 256;
/// The most connections opened because the engine does not read on the others.
const MAX_OVERFLOW: usize = 8;
/// The most connections being opened at the same time.
const MAX_CONNECTING: usize = 8;
/// The most unanswered calls with a connection of their own.
const MAX_ALONE: usize = 32;
/// The most addresses that each thread keeps connections to.
const MAX_SPREAD: usize = 16;
/// The shortest time between two look-ups of a name, however many connections end.
const ASKED_EVERY: Duration = Duration::from_secs(1);
/// The size of a header list that every gRPC server accepts, in bytes.
const USUAL_HEADER_LIST: usize = 8 << 10;

/// The timing of pings to a silent engine.
#[derive(Clone, Copy, Debug)]
pub(super) struct Pace {
    /// The interval between pings while calls are in progress. gRPC servers close the connection of a client that
    /// pings more than every 5 minutes. TCP detects a dead host sooner.
    pub(super) every: Duration,
    /// The time within which a ping must be acknowledged.
    pub(super) within: Duration,
}

impl Default for Pace {
    fn default() -> Self {
        Self { every: Duration::from_secs(300), within: Duration::from_secs(20) }
    }
}

/// An engine that calls are forwarded to. Clones share their connections.
#[derive(Clone, Debug)]
pub(super) struct Endpoint {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    target: Target,
    trust: Option<Trust>,
    connect_timeout: Duration,
    pace: Pace,
    stats: Arc<EndpointStats>,
    pool: Mutex<Pool>,
    /// Notified when a connection opens, closes, or has room again.
    changed: Notify,
    /// Limits calls with a connection of their own.
    alone: Arc<Semaphore>,
    /// The size of the largest header list that this engine has responded to, in bytes.
    proven_header_list: AtomicUsize,
}

/// No connection was available.
#[derive(Debug, thiserror::Error)]
#[error("engine {url} {why}")]
pub(super) struct Unreachable {
    url: String,
    why: String,
}

impl Endpoint {
    /// Creates an endpoint. It connects at the first call, or by [`Endpoint::warm_up`].
    pub(super) fn new(
        target: &Target,
        trust: Option<Trust>,
        connect_timeout: Duration,
        stats: Arc<EndpointStats>,
        pace: Pace,
    ) -> Self {
        Self {
            shared: Arc::new(Shared {
                target: target.clone(),
                trust,
                connect_timeout,
                pace,
                stats,
                pool: Mutex::default(),
                changed: Notify::new(),
                alone: Arc::new(Semaphore::new(MAX_ALONE)),
                proven_header_list: AtomicUsize::new(USUAL_HEADER_LIST),
            }),
        }
    }

    /// Opens the idle connections: first one, and the others once the engine responds. Call it within a runtime.
    pub(super) fn warm_up(&self) {
        let mut pool = self.pool();
        let wanted = if pool.is_failing() { 1 } else { pool.min_idle };
        while pool.len() + pool.connecting < wanted && pool.pause().is_none() {
            self.connect(&mut pool);
        }
    }

    /// `host:port`
    pub(super) fn address(&self) -> &str {
        &self.shared.target.address
    }

    /// The metrics of this endpoint.
    pub(super) fn metrics(&self) -> &UpstreamMetrics {
        self.shared.stats.metrics()
    }

    /// The URL, as messages show it.
    pub(super) fn url(&self) -> &str {
        &self.shared.target.url
    }

    /// Takes a stream on a lightly used connection. Waits for a new connection if all are full.
    pub(super) async fn checkout(&self) -> Result<PooledStream, Unreachable> {
        let taken = {
            let mut pool = self.pool();
            let taken = pool.checkout(self, false);
            // Each address should get its share of the calls.
            if pool.lacks_address() {
                self.connect(&mut pool);
            }
            taken
        };
        match taken {
            Some(stream) => Ok(stream),
            None => self.wait().await,
        }
    }

    /// Takes the only stream of a new connection. No other call uses the connection before this one is answered.
    pub(super) async fn checkout_alone(&self) -> Result<PooledStream, Unreachable> {
        let shared = &self.shared;
        let deadline = Instant::now() + shared.connect_timeout;
        let turn = timeout_at(deadline, shared.alone.clone().acquire_owned()).await;
        let Ok(Ok(turn)) = turn else { return Err(self.unreachable(self.why_nothing())) };
        // Pauses like calls that wait for a connection.
        let pause = self.pool().pause();
        if let Some(until) = pause {
            sleep_until(until.min(deadline)).await;
        }
        let opened = timeout_at(deadline, self.open()).await;
        match opened.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into())) {
            Ok(connection) => {
                let send = connection.send.clone();
                Ok(PooledStream { send, permit: StreamPermit::alone(connection, self.clone(), turn) })
            }
            Err(error) => {
                self.failed(&error);
                Err(self.unreachable(format!("cannot be reached: {error}")))
            }
        }
    }

    /// Returns whether the engine may have ended a connection because of a header list of this size: it announced no
    /// limit, and has not responded to such a list.
    pub(super) fn is_suspect(&self, stream: &PooledStream, header_list: usize) -> bool {
        header_list > self.shared.proven_header_list.load(Ordering::Relaxed)
            && stream.send.max_header_list_size().is_none()
    }

    /// Records that the engine responded to a header list of this size.
    pub(super) fn prove(&self, header_list: usize) {
        if header_list > USUAL_HEADER_LIST {
            self.shared.proven_header_list.fetch_max(header_list, Ordering::Relaxed);
        }
    }

    /// Called when a connection was lost: another engine may be there next.
    pub(super) fn forget(&self) {
        self.shared.proven_header_list.store(USUAL_HEADER_LIST, Ordering::Relaxed);
    }

    async fn wait(&self) -> Result<PooledStream, Unreachable> {
        let deadline = Instant::now() + self.shared.connect_timeout;
        let waiting = Waiting::new(self);
        let failures = self.pool().failures;
        loop {
            let mut changed = pin!(self.shared.changed.notified());
            changed.as_mut().enable();
            let look_again = {
                let mut pool = self.pool();
                let has_failed = pool.failures > failures;
                // Use a connection that the engine does not read only if no other can be opened.
                let any = has_failed || pool.len() >= MAX_OVERFLOW;
                if let Some(stream) = pool.checkout(self, any) {
                    return Ok(stream);
                }
                if pool.len() == 0 && has_failed {
                    return Err(self.unreachable(format!("cannot be reached: {}", pool.failure)));
                }
                let wanted = if pool.is_failing() { 1 } else { pool.wanted().min(MAX_CONNECTING) };
                while pool.pause().is_none() && pool.connecting < wanted && pool.len() < MAX_CONNECTIONS {
                    self.connect(&mut pool);
                }
                pool.pause().map_or(deadline, |until| until.min(deadline))
            };
            _ = timeout_at(look_again, changed).await;
            if Instant::now() >= deadline {
                drop(waiting);
                // Pass the notification on; it may be meant for another call.
                self.shared.changed.notify_one();
                return Err(self.unreachable(self.why_nothing()));
            }
        }
    }

    fn why_nothing(&self) -> String {
        let waited = humantime::format_duration(self.shared.connect_timeout);
        let connections = self.pool().len();
        if connections == 0 {
            format!("cannot be reached: no connection within {waited}")
        } else {
            format!("is busy: no room on {connections} connections within {waited}")
        }
    }

    fn connect(&self, pool: &mut Pool) {
        pool.connecting += 1;
        let endpoint = self.clone();
        tokio::spawn(async move {
            let opened = timeout(endpoint.shared.connect_timeout, endpoint.open()).await;
            let opened = opened.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()));
            let retry = {
                let mut pool = endpoint.pool();
                pool.connecting -= 1;
                match opened {
                    Ok(connection) => {
                        pool.add(connection);
                        pool.retire(&endpoint.shared.stats.addresses.current());
                        None
                    }
                    Err(error) => {
                        endpoint.log_failure(&error);
                        Some(pool.fail(error.to_string()))
                    }
                }
            };
            endpoint.shared.changed.notify_waiters();
            if let Some(retry) = retry {
                sleep_until(retry).await;
            }
            endpoint.warm_up();
        });
    }

    /// Records that no connection could be opened for a call of its own.
    fn failed(&self, error: &io::Error) {
        self.log_failure(error);
        self.pool().fail(error.to_string());
    }

    fn log_failure(&self, error: &io::Error) {
        if self.shared.stats.failed(error) {
            warn!(engine = self.url(), "Engine {} cannot be reached: {error}", self.url());
        } else {
            debug!(engine = self.url(), "engine {} cannot be reached: {error}", self.url());
        }
    }

    /// Opens a connection, and waits for the engine's settings.
    async fn open(&self) -> io::Result<Connection> {
        let shared = &self.shared;
        let load = |address| self.pool().connections_to(address);
        let dialled = dial(&shared.target, shared.trust.as_ref(), &shared.stats, load).await;
        self.see_addresses();
        let (address, Connected { send, connection, pings }) = dialled?;
        let (counted, is_news) = shared.stats.connected(address);
        if is_news {
            info!(engine = self.url(), "Connected to engine {}", self.url());
        } else {
            debug!(engine = self.url(), "reconnected to engine {} at {address}", self.url());
        }
        let (stats, parked) = ConnectionStats::new();
        let stats = Arc::new(stats);
        let (endpoint, known) = (self.clone(), stats.clone());
        tokio::spawn(async move {
            let mut connection = pin!(connection);
            let driven = poll_fn(|cx| {
                let polled = connection.as_mut().poll(cx);
                if known.is_awaited() && endpoint.pool().has_capacity(&known) {
                    known.stop_awaiting_limit();
                    endpoint.shared.changed.notify_waiters();
                }
                polled
            });
            let ended = tokio::select! {
                ended = driven => ended.map_err(io::Error::other),
                lost = endpoint.watch(pings, &known) => Err(lost),
                () = known.unpark_all(parked, || endpoint.has_capacity()) => Ok(()),
            };
            match ended {
                Ok(()) => {
                    debug!(engine = endpoint.url(), "connection to engine {} has ended", endpoint.url())
                }
                Err(error) => {
                    debug!(engine = endpoint.url(), "connection to engine {}: {error}", endpoint.url())
                }
            }
            endpoint.tidy().await;
        });
        Ok(Connection::new(send, address, stats, counted))
    }

    /// Pings the engine while calls wait for it. Resolves when it is unresponsive.
    async fn watch(&self, mut pings: PingPong, stats: &ConnectionStats) -> io::Error {
        let Pace { every, within } = self.shared.pace;
        loop {
            sleep(every).await;
            if stats.is_idle() {
                // Surplus connections that were not needed for some time.
                self.pool().remove_surplus(stats);
                continue;
            }
            match timeout(within, pings.ping()).await {
                Ok(Ok(())) => {}
                Ok(Err(error)) => return io::Error::other(error),
                Err(_) => {
                    warn!(
                        engine = self.url(),
                        "Engine {} does not answer a ping: closing its connection",
                        self.url()
                    );
                    return io::ErrorKind::TimedOut.into();
                }
            }
        }
    }

    /// Drops closed connections, and opens new ones as needed.
    async fn tidy(&self) {
        let pause = self.pool().ended();
        self.shared.changed.notify_waiters();
        // The engine may have moved when a connection ends.
        self.resolve(ASKED_EVERY).await;
        sleep(pause).await;
        self.warm_up();
    }

    /// Resolves the engine's name periodically while the endpoint is in use.
    pub(super) fn keep_resolved(&self, every: Duration) {
        if self.shared.stats.addresses.is_literal() {
            return;
        }
        let shared = Arc::downgrade(&self.shared);
        tokio::spawn(async move {
            loop {
                sleep(every).await;
                let Some(shared) = shared.upgrade() else { return };
                let endpoint = Self { shared };
                // All threads ask; the first one does the look-up.
                endpoint.resolve(every / 2).await;
                endpoint.pool().wake();
                endpoint.warm_up();
            }
        });
    }

    /// Applies the addresses of the engine's name, at most `max_age` old.
    async fn resolve(&self, max_age: Duration) {
        if self.shared.stats.addresses.is_literal() {
            return;
        }
        match self.shared.stats.addresses.fresh(max_age).await {
            Ok(addresses) => {
                self.see_addresses();
                let mut pool = self.pool();
                if !pool.retire(&addresses) && pool.connecting == 0 && pool.pause().is_none() {
                    self.connect(&mut pool);
                }
            }
            Err(error) => debug!(engine = self.url(), "engine {} cannot be found: {error}", self.url()),
        }
    }

    /// Updates the number of addresses to spread calls over: those that are reachable as far as is known.
    fn see_addresses(&self) {
        let stats = &self.shared.stats;
        let usable = stats.addresses.current().iter().filter(|address| !stats.is_avoided(**address)).count();
        self.pool().spread = usable.clamp(1, MAX_SPREAD);
    }

    /// Adds a call's own connection to the pool. A surplus one ends with that call.
    pub(super) fn share(&self, connection: Connection) {
        let mut pool = self.pool();
        if pool.len() < pool.min_idle || pool.waiting > 0 {
            pool.add(connection);
            drop(pool);
            self.shared.changed.notify_waiters();
        }
    }

    /// Called when a stream has ended, so that a waiting call can proceed.
    pub(super) fn has_capacity(&self) {
        self.shared.changed.notify_one();
    }

    fn unreachable(&self, why: String) -> Unreachable {
        Unreachable { url: self.shared.target.url.clone(), why }
    }

    fn pool(&self) -> MutexGuard<'_, Pool> {
        self.shared.pool.lock()
    }
}

/// Counts a call while it waits for a connection.
struct Waiting<'a>(&'a Endpoint);

impl<'a> Waiting<'a> {
    fn new(endpoint: &'a Endpoint) -> Self {
        endpoint.pool().waiting += 1;
        Self(endpoint)
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.pool().waiting -= 1;
    }
}

#[cfg(test)]
mod tests;
