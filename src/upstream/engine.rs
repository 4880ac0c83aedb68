//! One engine, and this thread's connections to it.

use std::{
    io,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use h2::client::SendRequest;
use tokio::{
    sync::Notify,
    time::{Instant, sleep, timeout, timeout_at},
};
use tracing::{debug, info, warn};

use super::{
    Target,
    connect::connect,
    health::{Counted, Vitals},
};
use crate::{telemetry::UpstreamMetrics, tls::Trust};

/// Connections that are kept open without being asked for.
const WARM: usize = 2;
/// Connections at most, however few streams the engine allows on each.
const MOST: usize = 256;
/// From a failed connection to the next try.
const PAUSE: Duration = Duration::from_millis(500);

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
    vitals: Arc<Vitals>,
    pool: Mutex<Pool>,
    /// A connection came, went, or has room again.
    changed: Notify,
}

#[derive(Debug, Default)]
struct Pool {
    links: Vec<Link>,
    next_id: u64,
    connecting: usize,
    /// Attempts that failed, and why the last one did.
    failures: u64,
    failure: String,
    /// No connection is tried before: the last one failed just now.
    pause_until: Option<Instant>,
}

#[derive(Debug)]
struct Link {
    id: u64,
    send: SendRequest<Bytes>,
    streams: Arc<AtomicUsize>,
    _counted: Counted,
}

/// Room for one stream on a connection.
#[derive(Debug)]
pub(super) struct Lease {
    pub(super) send: SendRequest<Bytes>,
    id: u64,
    streams: Arc<AtomicUsize>,
    engine: Engine,
}

/// No connection could be had.
#[derive(Debug, thiserror::Error)]
#[error("engine {url} cannot be reached: {why}")]
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
    ) -> Self {
        let (target, pool, changed) = (target.clone(), Mutex::default(), Notify::new());
        Self { shared: Arc::new(Shared { target, trust, connect_timeout, vitals, pool, changed }) }
    }

    /// Opens the connections that are kept. Within a runtime.
    pub(super) fn warm_up(&self) {
        let mut pool = self.pool();
        while pool.links.len() + pool.connecting < WARM {
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

    /// Room for a stream on the connection that has most of it. Waits for a new one where all are full.
    pub(super) async fn lease(&self) -> Result<Lease, Unreachable> {
        let deadline = Instant::now() + self.shared.connect_timeout;
        let failures = self.pool().failures;
        loop {
            let mut changed = std::pin::pin!(self.shared.changed.notified());
            changed.as_mut().enable();
            let look_again = {
                let mut pool = self.pool();
                if let Some(lease) = self.lease_from(&pool) {
                    return Ok(lease);
                }
                if pool.links.is_empty() && pool.failures > failures {
                    return Err(self.unreachable(&pool.failure));
                }
                let pause = pool.pause_until.filter(|until| *until > Instant::now());
                if pool.connecting == 0 && pool.links.len() < MOST && pause.is_none() {
                    self.connect(&mut pool);
                }
                pause.map_or(deadline, |until| until.min(deadline))
            };
            _ = timeout_at(look_again, changed).await;
            if Instant::now() >= deadline {
                // What woke this one may be for another.
                self.shared.changed.notify_one();
                let waited = self.shared.connect_timeout;
                return Err(
                    self.unreachable(&format!("no connection within {}", humantime::format_duration(waited)))
                );
            }
        }
    }

    fn lease_from(&self, pool: &Pool) -> Option<Lease> {
        let open = |link: &Link| link.streams.load(Ordering::Relaxed);
        let with_room = pool.links.iter().filter(|link| open(link) < link.send.current_max_send_streams());
        let link = with_room.min_by_key(|link| open(link))?;
        link.streams.fetch_add(1, Ordering::Relaxed);
        let (send, streams) = (link.send.clone(), link.streams.clone());
        Some(Lease { send, id: link.id, streams, engine: self.clone() })
    }

    fn connect(&self, pool: &mut Pool) {
        pool.connecting += 1;
        let engine = self.clone();
        tokio::spawn(async move {
            let connected = timeout(engine.shared.connect_timeout, engine.open()).await;
            let result = connected.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()));
            let mut pool = engine.pool();
            pool.connecting -= 1;
            match result {
                Ok(send) => {
                    if pool.links.is_empty() {
                        info!("Connected to engine {}", engine.url());
                    }
                    let id = pool.next_id;
                    pool.next_id += 1;
                    let counted = engine.shared.vitals.connected();
                    pool.links.push(Link { id, send, streams: Arc::default(), _counted: counted });
                }
                Err(error) => {
                    engine.shared.vitals.failed(&error);
                    if pool.failures == 0 || pool.failure != error.to_string() {
                        warn!("Engine {} cannot be reached: {error}", engine.url());
                    }
                    pool.failures += 1;
                    pool.failure = error.to_string();
                    pool.pause_until = Some(Instant::now() + PAUSE);
                }
            }
            drop(pool);
            engine.shared.changed.notify_waiters();
        });
    }

    /// A connection on which the engine has said what it allows.
    async fn open(&self) -> io::Result<SendRequest<Bytes>> {
        let (send, connection) = connect(&self.shared.target, self.shared.trust.as_ref()).await?;
        let engine = self.clone();
        tokio::spawn(async move {
            if let Err(error) = connection.await {
                debug!("connection to engine {}: {error}", engine.url());
            }
            engine.tidy().await;
        });
        Ok(send)
    }

    /// Drops connections that take nothing more, and sees that some are open.
    async fn tidy(&self) {
        self.pool().links.retain_mut(|link| {
            let mut cx = std::task::Context::from_waker(std::task::Waker::noop());
            !matches!(link.send.poll_ready(&mut cx), std::task::Poll::Ready(Err(_)))
        });
        self.shared.changed.notify_waiters();
        sleep(PAUSE).await;
        self.warm_up();
    }

    fn unreachable(&self, why: &str) -> Unreachable {
        Unreachable { url: self.shared.target.url.clone(), why: why.to_owned() }
    }

    fn pool(&self) -> MutexGuard<'_, Pool> {
        self.shared.pool.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Lease {
    /// The connection takes no more streams: nobody else gets it.
    pub(super) fn give_up(&self) {
        self.engine.pool().links.retain(|link| link.id != self.id);
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        self.streams.fetch_sub(1, Ordering::Relaxed);
        self.engine.shared.changed.notify_one();
    }
}
