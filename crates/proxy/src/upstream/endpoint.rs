//! One engine, and this thread's connections to it.

mod addresses;
mod checkout;
mod connecting;
#[cfg(test)]
mod tests;

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use parking_lot::{Mutex, MutexGuard};
use tokio::sync::{Notify, Semaphore};

use super::{
    Target,
    permit::PooledStream,
    pool::{Connection, Pool},
    stats::EndpointStats,
};
use crate::{telemetry::UpstreamMetrics, tls::Trust};

/// The most unanswered calls with a connection of their own.
const MAX_ALONE: usize = 32;
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

    fn pool(&self) -> MutexGuard<'_, Pool> {
        self.shared.pool.lock()
    }
}
