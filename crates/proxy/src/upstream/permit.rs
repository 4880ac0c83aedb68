//! The part that a call has in a connection, for as long as its stream is open.

use std::sync::{
    Arc,
    atomic::{AtomicBool, AtomicUsize, Ordering},
};

use http2::{Reason, SendStream, client::SendRequest};
use tokio::{
    sync::{
        OwnedSemaphorePermit,
        mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel},
    },
    time::sleep_until,
};

use super::{endpoint::Endpoint, pacing::Pacing, pool::Connection};

/// What a connection has to carry.
#[derive(Debug)]
pub(super) struct ConnectionStats {
    streams: AtomicUsize,
    /// Uploads that wait for the engine to read.
    stalled: AtomicUsize,
    /// A call waits for the engine to allow more streams.
    is_awaited: AtomicBool,
    pacing: Pacing,
    /// Calls that were given up, and that the engine is not told of yet.
    parked: AtomicUsize,
    park: UnboundedSender<Parked>,
}

/// The stream of a call that was given up, and the code for it. There are no more of them than streams.
pub(super) type Parked = (SendStream, Reason);

impl ConnectionStats {
    /// Of a new connection, with what receives its parked streams.
    pub(super) fn new() -> (Self, UnboundedReceiver<Parked>) {
        let (park, parked) = unbounded_channel();
        let (streams, stalled, is_awaited) = Default::default();
        let pacing = Pacing::default();
        (Self { streams, stalled, is_awaited, pacing, parked: AtomicUsize::new(0), park }, parked)
    }

    /// Resets a stream: now, or when its engine bears one more. Until then it keeps its place.
    pub(super) fn reset(&self, mut stream: SendStream, code: Reason) {
        if self.parked.load(Ordering::Relaxed) == 0 && self.pacing.take().is_ok() {
            return stream.send_reset(code);
        }
        self.parked.fetch_add(1, Ordering::Relaxed);
        self.streams.fetch_add(1, Ordering::Relaxed);
        if self.park.send((stream, code)).is_err() {
            // The connection is over.
            self.unpark();
        }
    }

    /// Resets parked streams as its engine bears them, and calls `told` after each.
    pub(super) async fn unpark_all(&self, mut parked: UnboundedReceiver<Parked>, told: impl Fn()) {
        while let Some((mut stream, code)) = parked.recv().await {
            while let Err(at) = self.pacing.take() {
                sleep_until(at).await;
            }
            stream.send_reset(code);
            drop(stream);
            self.unpark();
            told();
        }
    }

    fn unpark(&self) {
        self.parked.fetch_sub(1, Ordering::Relaxed);
        self.streams.fetch_sub(1, Ordering::Relaxed);
    }

    pub(super) fn streams(&self) -> usize {
        self.streams.load(Ordering::Relaxed)
    }

    pub(super) fn is_idle(&self) -> bool {
        self.streams() == 0
    }

    /// Whether an upload waits for the engine to read, or a reset for its turn: calls go elsewhere meanwhile.
    pub(super) fn has_backpressure(&self) -> bool {
        self.stalled.load(Ordering::Relaxed) > 0 || self.parked.load(Ordering::Relaxed) > 0
    }

    /// An upload began to wait for the engine to read, or has ended to.
    pub(super) fn backpressure(&self, is_stalled: bool) {
        if is_stalled {
            self.stalled.fetch_add(1, Ordering::Relaxed);
        } else {
            self.stalled.fetch_sub(1, Ordering::Relaxed);
        }
    }

    /// A call waits for the engine to allow more streams.
    pub(super) fn await_limit(&self) {
        self.is_awaited.store(true, Ordering::Relaxed);
    }

    /// Whether one does.
    pub(super) fn is_awaited(&self) -> bool {
        self.is_awaited.load(Ordering::Relaxed)
    }

    /// Those who wait were told that more streams are allowed.
    pub(super) fn told_limit(&self) {
        self.is_awaited.store(false, Ordering::Relaxed);
    }
}

/// Room for one stream on a connection.
#[derive(Debug)]
pub(super) struct PooledStream {
    pub(super) send: SendRequest,
    pub(super) permit: StreamPermit,
}

/// The place that a stream takes on its connection.
#[derive(Debug)]
pub(super) struct StreamPermit {
    stats: Arc<ConnectionStats>,
    endpoint: Endpoint,
    /// The connection, where no other call has a part in it yet.
    own: Option<Box<Own>>,
}

/// A connection that was opened for one call.
#[derive(Debug)]
struct Own {
    connection: Connection,
    /// One of the few such connections that there are at a time, until the call is answered.
    _turn: OwnedSemaphorePermit,
}

impl StreamPermit {
    pub(super) fn new(stats: Arc<ConnectionStats>, endpoint: Endpoint) -> Self {
        stats.streams.fetch_add(1, Ordering::Relaxed);
        Self { stats, endpoint, own: None }
    }

    /// The only stream of a connection, until it is answered.
    pub(super) fn alone(connection: Connection, endpoint: Endpoint, turn: OwnedSemaphorePermit) -> Self {
        let mut permit = Self::new(connection.stats.clone(), endpoint);
        permit.own = Some(Box::new(Own { connection, _turn: turn }));
        permit
    }

    pub(super) fn stats(&self) -> &Arc<ConnectionStats> {
        &self.stats
    }

    /// The call is answered: other calls may share its connection now, if that is needed.
    pub(super) fn answered(&mut self) {
        if let Some(own) = self.own.take() {
            self.endpoint.share(own.connection);
        }
    }

    /// The call has come to an error: counted, if it is that the engine has reset it.
    pub(super) fn was_reset(&self, error: &http2::Error) {
        if error.is_reset() && error.is_remote() {
            self.endpoint.metrics().reset.increment(1);
        }
    }

    /// The connection was lost under the call: counted, and put in words.
    pub(super) fn lost(&self, error: &http2::Error) -> String {
        self.endpoint.metrics().lost.increment(1);
        format!("engine {} was lost: {error}", self.endpoint.url())
    }
}

impl Drop for StreamPermit {
    fn drop(&mut self) {
        self.stats.streams.fetch_sub(1, Ordering::Relaxed);
        self.endpoint.has_capacity();
    }
}
