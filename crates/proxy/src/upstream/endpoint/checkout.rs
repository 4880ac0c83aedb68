//! Takes a stream on a connection, or waits until there is one.

use std::{io, pin::pin};

use tokio::time::{Instant, sleep_until, timeout_at};

use super::Endpoint;
use crate::upstream::permit::{PooledStream, StreamPermit};

/// The most connections, however few streams the engine allows on each.
const MAX_CONNECTIONS: usize = 256;
/// The most connections opened because the engine does not read on the others.
const MAX_OVERFLOW: usize = 8;
/// The most connections being opened at the same time.
const MAX_CONNECTING: usize = 8;

/// No connection was available.
#[derive(Debug, thiserror::Error)]
#[error("engine {url} {why}")]
pub(in crate::upstream) struct Unreachable {
    url: String,
    why: String,
}

impl Endpoint {
    /// Takes a stream on a lightly used connection. Waits for a new connection if all are full.
    pub(in crate::upstream) async fn checkout(&self) -> Result<PooledStream, Unreachable> {
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
    pub(in crate::upstream) async fn checkout_alone(&self) -> Result<PooledStream, Unreachable> {
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

    fn unreachable(&self, why: String) -> Unreachable {
        Unreachable { url: self.shared.target.url.clone(), why }
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
