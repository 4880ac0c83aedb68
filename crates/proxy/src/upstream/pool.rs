//! The connections to one engine, and which of them gets the next call.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use http2::client::SendRequest;
use tokio::time::Instant;

use super::{
    connect::STREAMS,
    endpoint::Endpoint,
    permit::{ConnectionStats, PooledStream, StreamPermit},
    stats::Counted,
};

/// So many streams on one connection are as good as none.
const SHARING: usize = 32;
/// Connections that are kept open while calls come. While none come it is one.
pub(super) const MIN_IDLE: usize = 2;
/// From the end of a connection to the next one that no call waits for: four times as long each time that a
/// connection has ended without a call, up to `MAX_PAUSE`.
pub(super) const PAUSE: Duration = Duration::from_millis(500);
const MAX_PAUSE: Duration = Duration::from_secs(300);

/// What is open, and what became of the attempts.
#[derive(Debug)]
pub(super) struct Pool {
    connections: Vec<Connection>,
    pub(super) connecting: usize,
    /// Calls that wait for a connection.
    pub(super) waiting: usize,
    /// Attempts that failed, ever.
    pub(super) failures: u64,
    /// Why the last attempt failed; empty since one succeeded.
    pub(super) failure: String,
    /// No connection is tried before: the last one failed just now.
    pause_until: Option<Instant>,
    /// A call came since a connection ended.
    is_used: bool,
    /// Connections that ended without a call since one came.
    unused: u32,
    /// Connections that are kept open.
    pub(super) min_idle: usize,
    /// Addresses that calls are to be spread over, and those that they are.
    pub(super) spread: usize,
    covered: usize,
    /// Which of the connections that have as much to carry comes first.
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
    /// Streams that it takes, as far as known.
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
    /// How many connections are open.
    pub(super) fn len(&self) -> usize {
        self.connections.len()
    }

    /// A stream on a connection with few of them. Where the engine does not read, calls would wait for those
    /// before them: such a connection is taken only where `any` will do.
    pub(super) fn checkout(&mut self, endpoint: &Endpoint, any: bool) -> Option<PooledStream> {
        self.is_used = true;
        loop {
            let best = self.best(any);
            // What is known of the limits may be old.
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

    /// The connection for the next call. Few calls share one: what they send leaves in one write. But where the
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

    /// Asks each connection for its limit. Whether there is room now; if not, whoever drives a connection is to
    /// tell when the engine allows more.
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

    /// Whether the engine allows more streams on that connection than are open.
    pub(super) fn has_capacity(&self, stats: &ConnectionStats) -> bool {
        let is_it = |one: &&Connection| std::ptr::eq(&*one.stats, stats);
        let found = self.connections.iter().find(is_it);
        found.is_some_and(|one| one.send.current_max_send_streams().min(STREAMS) > stats.streams())
    }

    /// How many connections those who wait would fill.
    pub(super) fn wanted(&self) -> usize {
        match self.connections.iter().map(|one| one.limit).max() {
            // The engine allows no streams at present: more connections change nothing.
            Some(0) => MIN_IDLE.saturating_sub(self.len()),
            most => self.waiting.div_ceil(most.unwrap_or(STREAMS)),
        }
    }

    pub(super) fn add(&mut self, connection: Connection) {
        self.failure.clear();
        self.connections.push(connection);
        self.count_addresses();
    }

    /// Notes a failed attempt. When the next one may be.
    pub(super) fn fail(&mut self, failure: String) -> Instant {
        let until = Instant::now() + PAUSE;
        self.failures += 1;
        self.failure = failure;
        self.pause_until = Some(until);
        until
    }

    /// Notes that a connection has ended. How long to wait before another is opened that no call needs.
    pub(super) fn ended(&mut self) -> Duration {
        self.remove_closed();
        if self.wake() {
            return PAUSE;
        }
        self.min_idle = 1;
        self.unused = self.unused.saturating_add(1);
        PAUSE.saturating_mul(4_u32.saturating_pow(self.unused)).min(MAX_PAUSE)
    }

    /// Keeps connections for calls, if some came since this was asked last.
    pub(super) fn wake(&mut self) -> bool {
        let is_used = std::mem::take(&mut self.is_used);
        if is_used {
            (self.min_idle, self.unused) = (MIN_IDLE.max(self.spread), 0);
        }
        is_used
    }

    /// Open connections to an address.
    pub(super) fn connections_to(&self, address: SocketAddr) -> usize {
        self.connections.iter().filter(|one| one.address == address).count()
    }

    /// Takes connections to addresses that the engine does not have any more out of the pool: they end with their
    /// calls. The last connection stays for calls until there is another; false then.
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

    /// The end of the pause, while there is one.
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

    /// Whether there are calls, and an address that has no part of them yet.
    pub(super) fn lacks_address(&self) -> bool {
        (1..self.spread).contains(&self.covered) && self.connecting == 0 && self.pause().is_none()
    }

    /// Gives up a connection, if there are more than are kept. It ends without calls on it.
    pub(super) fn remove_surplus(&mut self, stats: &ConnectionStats) {
        if self.connections.len() > MIN_IDLE.max(self.spread) {
            self.keep(|one| !std::ptr::eq(&*one.stats, stats));
        }
    }
}
