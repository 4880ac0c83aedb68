//! One engine, and this thread's connections to it.

use std::{
    io,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use http2::{PingPong, client::SendRequest};
use tokio::{
    sync::Notify,
    time::{Instant, sleep, sleep_until, timeout, timeout_at},
};
use tracing::{debug, info, warn};

use super::{
    Target,
    connect::{Connected, connect},
    health::Vitals,
    pool::{Lease, Load, Pool},
};
use crate::{telemetry::UpstreamMetrics, tls::Trust};

/// Connections that are kept open without being asked for.
const WARM: usize = 2;
/// Connections at most, however few streams the engine allows on each.
const MOST: usize = 256;
/// Connections at most that are opened because the engine does not read on the others.
const SPARE: usize = 8;
/// Connections that are opened at the same time.
const AT_ONCE: usize = 8;
/// From a failed connection to the next try.
const PAUSE: Duration = Duration::from_millis(500);

/// When an engine that has fallen silent is asked whether it is there.
#[derive(Clone, Copy, Debug)]
pub(super) struct Pace {
    /// From ping to ping, and only while calls are in progress: gRPC servers close the connection of a
    /// client that asks more than every 5 minutes. A host that is gone is found sooner, by TCP.
    pub(super) every: Duration,
    /// How long the answer may take.
    pub(super) within: Duration,
}

impl Default for Pace {
    fn default() -> Self {
        Self { every: Duration::from_secs(300), within: Duration::from_secs(20) }
    }
}

/// An engine that calls are forwarded to. A clone has the same connections.
#[derive(Clone, Debug)]
pub(super) struct Engine {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    target: Target,
    trust: Option<Trust>,
    connect_timeout: Duration,
    pace: Pace,
    vitals: Arc<Vitals>,
    pool: Mutex<Pool>,
    /// A connection came, went, or has room again.
    changed: Notify,
}

/// No connection could be had.
#[derive(Debug, thiserror::Error)]
#[error("engine {url} {why}")]
pub(super) struct Unreachable {
    url: String,
    why: String,
}

impl Engine {
    /// Connects when it is first asked to, or by [`Engine::warm_up`].
    pub(super) fn new(
        target: &Target,
        trust: Option<Trust>,
        connect_timeout: Duration,
        vitals: Arc<Vitals>,
        pace: Pace,
    ) -> Self {
        let (target, pool, changed) = (target.clone(), Mutex::default(), Notify::new());
        Self { shared: Arc::new(Shared { target, trust, connect_timeout, pace, vitals, pool, changed }) }
    }

    /// Opens the connections that are kept: one at first, until there is somebody who answers. Within a
    /// runtime.
    pub(super) fn warm_up(&self) {
        let mut pool = self.pool();
        let wanted = if pool.is_failing() { 1 } else { WARM };
        while pool.links() + pool.connecting < wanted && pool.pause().is_none() {
            self.connect(&mut pool);
        }
    }

    /// `host:port`
    pub(super) fn address(&self) -> &str {
        &self.shared.target.address
    }

    /// What is counted of it.
    pub(super) fn metrics(&self) -> &UpstreamMetrics {
        self.shared.vitals.metrics()
    }

    /// How messages call it.
    pub(super) fn url(&self) -> &str {
        &self.shared.target.url
    }

    /// Room for a stream on a connection that has much of it. Waits for a new one where all are full.
    pub(super) async fn lease(&self) -> Result<Lease, Unreachable> {
        let leased = self.pool().lease(self, false);
        match leased {
            Some(lease) => Ok(lease),
            None => self.wait().await,
        }
    }

    async fn wait(&self) -> Result<Lease, Unreachable> {
        let deadline = Instant::now() + self.shared.connect_timeout;
        let waiting = Waiting::new(self);
        let failures = self.pool().failures;
        loop {
            let mut changed = std::pin::pin!(self.shared.changed.notified());
            changed.as_mut().enable();
            let look_again = {
                let mut pool = self.pool();
                let has_failed = pool.failures > failures;
                // On a connection that the engine does not read, unless another can be had.
                let any = has_failed || pool.links() >= SPARE;
                if let Some(lease) = pool.lease(self, any) {
                    return Ok(lease);
                }
                if pool.links() == 0 && has_failed {
                    return Err(self.unreachable(format!("cannot be reached: {}", pool.failure)));
                }
                let wanted = if pool.is_failing() { 1 } else { pool.wanted().min(AT_ONCE) };
                while pool.pause().is_none() && pool.connecting < wanted && pool.links() < MOST {
                    self.connect(&mut pool);
                }
                pool.pause().map_or(deadline, |until| until.min(deadline))
            };
            _ = timeout_at(look_again, changed).await;
            if Instant::now() >= deadline {
                drop(waiting);
                // What woke this one may be for another.
                self.shared.changed.notify_one();
                return Err(self.unreachable(self.why_nothing()));
            }
        }
    }

    fn why_nothing(&self) -> String {
        let waited = humantime::format_duration(self.shared.connect_timeout);
        let links = self.pool().links();
        if links == 0 {
            format!("cannot be reached: no connection within {waited}")
        } else {
            format!("is busy: no room on {links} connections within {waited}")
        }
    }

    fn connect(&self, pool: &mut Pool) {
        pool.connecting += 1;
        let engine = self.clone();
        tokio::spawn(async move {
            let connected = timeout(engine.shared.connect_timeout, engine.open()).await;
            let result = connected.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()));
            let retry = {
                let mut pool = engine.pool();
                pool.connecting -= 1;
                match result {
                    Ok((send, load)) => {
                        let (counted, is_first) = engine.shared.vitals.connected();
                        if is_first {
                            info!("Connected to engine {}", engine.url());
                        }
                        pool.add(send, load, counted);
                        None
                    }
                    Err(error) => {
                        if engine.shared.vitals.failed(&error) {
                            warn!("Engine {} cannot be reached: {error}", engine.url());
                        }
                        Some(pool.fail(error.to_string(), PAUSE))
                    }
                }
            };
            engine.shared.changed.notify_waiters();
            if let Some(retry) = retry {
                sleep_until(retry).await;
            }
            engine.warm_up();
        });
    }

    /// A connection on which the engine has said what it allows.
    async fn open(&self) -> io::Result<(SendRequest, Arc<Load>)> {
        let Connected { send, connection, pings } =
            connect(&self.shared.target, self.shared.trust.as_ref()).await?;
        if send.current_max_send_streams() == 0 {
            return Err(io::Error::other("it allows no streams"));
        }
        let load = Arc::new(Load::default());
        let (engine, known) = (self.clone(), load.clone());
        tokio::spawn(async move {
            let ended = tokio::select! {
                ended = connection => ended.map_err(io::Error::other),
                lost = engine.watch(pings, &known) => Err(lost),
            };
            if let Err(error) = ended {
                debug!("connection to engine {}: {error}", engine.url());
            }
            engine.tidy().await;
        });
        Ok((send, load))
    }

    /// Asks from time to time whether the engine is there, while somebody waits for it. Resolves when it
    /// isn't.
    async fn watch(&self, mut pings: PingPong, load: &Load) -> io::Error {
        let Pace { every, within } = self.shared.pace;
        loop {
            sleep(every).await;
            if load.is_idle() {
                // More than are kept, and not needed for some time.
                self.pool().remove_surplus(load, WARM);
                continue;
            }
            match timeout(within, pings.ping()).await {
                Ok(Ok(())) => {}
                Ok(Err(error)) => return io::Error::other(error),
                Err(_) => {
                    warn!("Engine {} does not answer a ping: its connection is given up", self.url());
                    return io::ErrorKind::TimedOut.into();
                }
            }
        }
    }

    /// Drops connections that take nothing more, and sees that some are open.
    async fn tidy(&self) {
        self.pool().remove_closed();
        self.shared.changed.notify_waiters();
        sleep(PAUSE).await;
        self.warm_up();
    }

    /// A stream has ended: somebody may wait for its place.
    pub(super) fn has_room(&self) {
        self.shared.changed.notify_one();
    }

    fn unreachable(&self, why: String) -> Unreachable {
        Unreachable { url: self.shared.target.url.clone(), why }
    }

    fn pool(&self) -> MutexGuard<'_, Pool> {
        self.shared.pool.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Counts a call that waits for a connection, for as long as it does.
struct Waiting<'a>(&'a Engine);

impl<'a> Waiting<'a> {
    fn new(engine: &'a Engine) -> Self {
        engine.pool().waiting += 1;
        Self(engine)
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.pool().waiting -= 1;
    }
}
