//! The place of a call on a connection, held while its stream is open.

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

/// The load of a connection.
#[derive(Debug)]
pub(super) struct ConnectionStats {
    streams: AtomicUsize,
    /// Uploads that wait for the engine to read.
    stalled: AtomicUsize,
    /// A call waits for the engine to allow more streams.
    is_awaited: AtomicBool,
    pacing: Pacing,
    /// Cancelled calls whose reset was not sent yet.
    parked: AtomicUsize,
    park: UnboundedSender<Parked>,
}

/// The stream of a cancelled call, and its code. There are no more of them than streams.
pub(super) type Parked = (SendStream, Reason);

impl ConnectionStats {
    /// Creates the load of a new connection, and the receiver of its parked streams.
    pub(super) fn new() -> (Self, UnboundedReceiver<Parked>) {
        let (park, parked) = unbounded_channel();
        let (streams, stalled, is_awaited) = Default::default();
        let pacing = Pacing::default();
        (Self { streams, stalled, is_awaited, pacing, parked: AtomicUsize::new(0), park }, parked)
    }

    /// Resets a stream, now or when pacing allows. Until then the stream keeps its place.
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

    /// Resets parked streams as pacing allows, and calls `sent` after each.
    pub(super) async fn unpark_all(&self, mut parked: UnboundedReceiver<Parked>, sent: impl Fn()) {
        while let Some((mut stream, code)) = parked.recv().await {
            while let Err(at) = self.pacing.take() {
                sleep_until(at).await;
            }
            stream.send_reset(code);
            drop(stream);
            self.unpark();
            sent();
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

    /// Returns whether an upload waits for the engine to read, or a reset for its turn. Calls then use other
    /// connections.
    pub(super) fn has_backpressure(&self) -> bool {
        self.stalled.load(Ordering::Relaxed) > 0 || self.parked.load(Ordering::Relaxed) > 0
    }

    /// Records that an upload started or stopped waiting for the engine to read.
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

    /// Returns whether a call waits for that.
    pub(super) fn is_awaited(&self) -> bool {
        self.is_awaited.load(Ordering::Relaxed)
    }

    /// Records that waiting calls were notified.
    pub(super) fn stop_awaiting_limit(&self) {
        self.is_awaited.store(false, Ordering::Relaxed);
    }
}

/// A stream that can be opened on a connection.
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
    /// The connection, while it belongs to this call alone.
    own: Option<Box<Own>>,
}

/// A connection that was opened for one call.
#[derive(Debug)]
struct Own {
    connection: Connection,
    /// Limits the number of such connections; released when the call is answered.
    _turn: OwnedSemaphorePermit,
}

impl StreamPermit {
    pub(super) fn new(stats: Arc<ConnectionStats>, endpoint: Endpoint) -> Self {
        stats.streams.fetch_add(1, Ordering::Relaxed);
        Self { stats, endpoint, own: None }
    }

    /// Takes the only stream of a connection, until the call is answered.
    pub(super) fn alone(connection: Connection, endpoint: Endpoint, turn: OwnedSemaphorePermit) -> Self {
        let mut permit = Self::new(connection.stats.clone(), endpoint);
        permit.own = Some(Box::new(Own { connection, _turn: turn }));
        permit
    }

    pub(super) fn stats(&self) -> &Arc<ConnectionStats> {
        &self.stats
    }

    /// Called when the call is answered: other calls may now share its connection, if needed.
    pub(super) fn answered(&mut self) {
        if let Some(own) = self.own.take() {
            self.endpoint.share(own.connection);
        }
    }

    /// Counts an error of the call, if the engine reset it.
    pub(super) fn was_reset(&self, error: &http2::Error) {
        if error.is_reset() && error.is_remote() {
            self.endpoint.metrics().reset.increment(1);
        }
    }

    /// Counts a lost connection, and returns a message.
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
