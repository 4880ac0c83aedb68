//! Opens connections, and watches them to their end.

use std::{future::poll_fn, io, pin::pin, sync::Arc};

use http2::PingPong;
use tokio::time::{sleep, sleep_until, timeout};
use tracing::{debug, info, warn};

use super::{Endpoint, Pace};
use crate::upstream::{
    connect::Connected,
    dial::dial,
    permit::ConnectionStats,
    pool::{Connection, Pool},
};

impl Endpoint {
    pub(super) fn connect(&self, pool: &mut Pool) {
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
    pub(super) fn failed(&self, error: &io::Error) {
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
    pub(super) async fn open(&self) -> io::Result<Connection> {
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
}
