//! The connections to one engine, and the choice of one for the next call.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use http2::client::SendRequest;
use tokio::time::Instant;

use super::{
    connect::STREAMS,
    endpoint::Endpoint,
    permit::{ConnectionStats, PooledStream, StreamPermit},
    stats::Counted,
};

/// Connections with up to this many streams count as unused.
const SHARING: usize = 32;
/// Connections kept open while there are calls. Without calls it is one.
pub(super) const MIN_IDLE: usize = 2;
/// The pause between the end of a connection and a new one that no call waits for. It is four times as long each time
/// a connection ends without a call, up to `MAX_PAUSE`.
pub(super) const PAUSE: Duration = Duration::from_millis(500);
const MAX_PAUSE: Duration = Duration::from_secs(300);

/// The open connections, and the outcome of attempts to open more.
#[derive(Debug)]
pub(super) struct Pool {
    connections: Vec<Connection>,
    pub(super) connecting: usize,
    /// Calls that wait for a connection.
    pub(super) waiting: usize,
    /// The number of failed attempts so far.
    pub(super) failures: u64,
    /// Why the last attempt failed; empty after a success.
    pub(super) failure: String,
    /// No connection is attempted before this time, because the last attempt failed.
    pause_until: Option<Instant>,
    /// There was a call since a connection ended.
    is_used: bool,
    /// Connections that ended without a call, since the last call.
    unused: u32,
    /// The number of connections to keep open.
    pub(super) min_idle: usize,
    /// The number of addresses to spread calls over.
    pub(super) spread: usize,
    covered: usize,
    /// Rotates among connections with equal load.
    turn: usize,
}

impl Default for Pool {
    fn default() -> Self {
        Self {
            connections: Vec::new(),
            connecting: 0,
            waiting: 0,
            failures: 0,
            failure: String::new(),
            pause_until: None,
            is_used: false,
            unused: 0,
            min_idle: MIN_IDLE,
            spread: 1,
            covered: 0,
            turn: 0,
        }
    }
}

/// An open connection that calls share.
#[derive(Debug)]
pub(super) struct Connection {
    pub(super) send: SendRequest,
    pub(super) address: SocketAddr,
    /// The number of streams it accepts, as far as is known.
    limit: usize,
    pub(super) stats: Arc<ConnectionStats>,
    _counted: Counted,
}

impl Connection {
    pub(super) fn new(
        send: SendRequest,
        address: SocketAddr,
        stats: Arc<ConnectionStats>,
        counted: Counted,
    ) -> Self {
        let limit = send.current_max_send_streams().min(STREAMS);
        Self { send, address, limit, stats, _counted: counted }
    }

    fn look_again(&mut self) {
        self.limit = self.send.current_max_send_streams().min(STREAMS);
    }

    fn has_capacity(&self) -> bool {
        self.stats.streams() < self.limit
    }
}

impl Pool {
    /// The number of open connections.
    pub(super) fn len(&self) -> usize {
        self.connections.len()
    }

    /// Takes a stream on a lightly used connection. If the engine does not read, calls would wait behind earlier
    /// ones, so such a connection is used only if `any` is set.
    pub(super) fn checkout(&mut self, endpoint: &Endpoint, any: bool) -> Option<PooledStream> {
        self.is_used = true;
        loop {
            let best = self.best(any);
            // The known limits may be outdated.
            let Some(best) = best else {
                return self.look_again(any).then(|| self.checkout(endpoint, any))?;
            };
            if best.send.is_closed() {
                self.remove_closed();
                continue;
            }
            best.look_again();
            if !best.has_capacity() {
                continue;
            }
            let permit = StreamPermit::new(best.stats.clone(), endpoint.clone());
            return Some(PooledStream { send: best.send.clone(), permit });
        }
    }

    /// The connection for the next call. A few calls share one, so that their data is written together; but if the
    /// engine has several addresses, all of them get calls.
    fn best(&mut self, any: bool) -> Option<&mut Connection> {
        let (spread, all) = (self.spread, self.connections.len().max(1));
        self.turn = (self.turn + 1) % all;
        let turn = self.turn;
        let usable = |(_, one): &(usize, &mut Connection)| {
            (any || !one.stats.has_backpressure()) && one.has_capacity()
        };
        let order = |(at, one): &(usize, &mut Connection)| {
            let streams = one.stats.streams();
            let place = if spread > 1 { (streams, (at + turn) % all) } else { (streams / SHARING, 0) };
            (one.stats.has_backpressure(), place)
        };
        let best = self.connections.iter_mut().enumerate().filter(usable).min_by_key(order);
        best.map(|(_, one)| one)
    }

    /// Refreshes the limit of each connection. Returns whether there is room. If not, the connections' drivers report
    /// when the engine allows more.
    fn look_again(&mut self, any: bool) -> bool {
        self.remove_closed();
        let mut has_capacity = false;
        for one in &mut self.connections {
            one.stats.await_limit();
            one.look_again();
            has_capacity |= (any || !one.stats.has_backpressure()) && one.has_capacity();
        }
        has_capacity
    }

    /// Returns whether the engine allows more streams on that connection.
    pub(super) fn has_capacity(&self, stats: &ConnectionStats) -> bool {
        let is_it = |one: &&Connection| std::ptr::eq(&*one.stats, stats);
        let found = self.connections.iter().find(is_it);
        found.is_some_and(|one| one.send.current_max_send_streams().min(STREAMS) > stats.streams())
    }

    /// The number of connections that waiting calls would fill.
    pub(super) fn wanted(&self) -> usize {
        match self.connections.iter().map(|one| one.limit).max() {
            // The engine currently allows no streams; more connections would not help.
            Some(0) => MIN_IDLE.saturating_sub(self.len()),
            most => self.waiting.div_ceil(most.unwrap_or(STREAMS)),
        }
    }

    pub(super) fn add(&mut self, connection: Connection) {
        self.failure.clear();
        self.connections.push(connection);
        self.count_addresses();
    }

    /// Records a failed attempt. Returns when the next one may start.
    pub(super) fn fail(&mut self, failure: String) -> Instant {
        let until = Instant::now() + PAUSE;
        self.failures += 1;
        self.failure = failure;
        self.pause_until = Some(until);
        until
    }

    /// Records that a connection ended. Returns how long to wait before opening another that no call needs.
    pub(super) fn ended(&mut self) -> Duration {
        self.remove_closed();
        if self.wake() {
            return PAUSE;
        }
        self.min_idle = 1;
        self.unused = self.unused.saturating_add(1);
        PAUSE.saturating_mul(4_u32.saturating_pow(self.unused)).min(MAX_PAUSE)
    }

    /// Keeps `MIN_IDLE` connections if there were calls since the last time.
    pub(super) fn wake(&mut self) -> bool {
        let is_used = std::mem::take(&mut self.is_used);
        if is_used {
            (self.min_idle, self.unused) = (MIN_IDLE.max(self.spread), 0);
        }
        is_used
    }

    /// The number of open connections to an address.
    pub(super) fn connections_to(&self, address: SocketAddr) -> usize {
        self.connections.iter().filter(|one| one.address == address).count()
    }

    /// Removes connections to addresses that the engine no longer has; they end with their calls. The last connection
    /// stays in use until there is another; then it returns false.
    pub(super) fn retire(&mut self, current: &[SocketAddr]) -> bool {
        let is_current = |one: &Connection| current.contains(&one.address);
        let has_other = self.connections.iter().any(is_current);
        if has_other {
            self.keep(is_current);
        }
        has_other || self.connections.is_empty()
    }

    pub(super) fn is_failing(&self) -> bool {
        !self.failure.is_empty()
    }

    /// The end of the current pause, if any.
    pub(super) fn pause(&self) -> Option<Instant> {
        self.pause_until.filter(|until| *until > Instant::now())
    }

    pub(super) fn remove_closed(&mut self) {
        self.keep(|one| !one.send.is_closed());
    }

    fn keep(&mut self, is_kept: impl Fn(&Connection) -> bool) {
        self.connections.retain(is_kept);
        self.count_addresses();
    }

    fn count_addresses(&mut self) {
        let is_first = |(at, one): &(usize, &Connection)| {
            !self.connections[..*at].iter().any(|before| before.address == one.address)
        };
        self.covered = self.connections.iter().enumerate().filter(is_first).count();
    }

    /// Returns whether there are calls and an address without its share of them.
    pub(super) fn lacks_address(&self) -> bool {
        (1..self.spread).contains(&self.covered) && self.connecting == 0 && self.pause().is_none()
    }

    /// Removes a connection if there are more than needed. It ends when it has no calls.
    pub(super) fn remove_surplus(&mut self, stats: &ConnectionStats) {
        if self.connections.len() > MIN_IDLE.max(self.spread) {
            self.keep(|one| !std::ptr::eq(&*one.stats, stats));
        }
    }
}
