//! The connections to one engine, and which of them gets the next call.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use http2::client::SendRequest;
use tokio::time::Instant;

use super::{connect::STREAMS, engine::Engine, health::Counted};

/// So many streams on one connection are as good as none.
const SHARING: usize = 32;

/// What is open, and what became of the attempts.
#[derive(Debug, Default)]
pub(super) struct Pool {
    links: Vec<Link>,
    pub(super) connecting: usize,
    /// Calls that wait for a connection.
    pub(super) waiting: usize,
    /// Attempts that failed, ever.
    pub(super) failures: u64,
    /// Why the last attempt failed; empty since one succeeded.
    pub(super) failure: String,
    /// No connection is tried before: the last one failed just now.
    pause_until: Option<Instant>,
}

#[derive(Debug)]
struct Link {
    send: SendRequest,
    /// Streams that it takes, as far as known.
    limit: usize,
    load: Arc<Load>,
    _counted: Counted,
}

/// What a connection has to carry.
#[derive(Debug, Default)]
pub(super) struct Load {
    streams: AtomicUsize,
    /// Uploads that wait for the engine to read.
    stalled: AtomicUsize,
}

/// Room for one stream on a connection.
#[derive(Debug)]
pub(super) struct Lease {
    pub(super) send: SendRequest,
    pub(super) place: Place,
}

/// The place that a stream takes on its connection.
#[derive(Debug)]
pub(super) struct Place {
    load: Arc<Load>,
    engine: Engine,
}

impl Pool {
    pub(super) fn links(&self) -> usize {
        self.links.len()
    }

    /// Room on a connection with few streams. Where the engine does not read, calls would wait for
    /// those before them: such a connection is taken only where `any` will do.
    pub(super) fn lease(&mut self, engine: &Engine, any: bool) -> Option<Lease> {
        loop {
            let usable = |link: &&mut Link| (any || !link.load.is_stalled()) && link.streams() < link.limit;
            let best = self.links.iter_mut().filter(usable).min_by_key(|link| link.order());
            // What is known of the limits may be old.
            let Some(link) = best else { return self.look_again(any).then(|| self.lease(engine, any))? };
            if link.is_closed() {
                self.remove_closed();
                continue;
            }
            link.limit = link.send.current_max_send_streams().min(STREAMS);
            if link.streams() >= link.limit {
                continue;
            }
            link.load.streams.fetch_add(1, Ordering::Relaxed);
            let place = Place { load: link.load.clone(), engine: engine.clone() };
            return Some(Lease { send: link.send.clone(), place });
        }
    }

    /// Asks each connection for its limit. Whether there is room now.
    fn look_again(&mut self, any: bool) -> bool {
        self.remove_closed();
        let mut has_room = false;
        for link in &mut self.links {
            link.limit = link.send.current_max_send_streams().min(STREAMS);
            has_room |= (any || !link.load.is_stalled()) && link.streams() < link.limit;
        }
        has_room
    }

    /// How many connections those who wait would fill.
    pub(super) fn wanted(&self) -> usize {
        let each = self.links.iter().map(|link| link.limit).max().unwrap_or(STREAMS);
        self.waiting.div_ceil(each.max(1))
    }

    pub(super) fn add(&mut self, send: SendRequest, load: Arc<Load>, counted: Counted) {
        self.failure.clear();
        let limit = send.current_max_send_streams().min(STREAMS);
        self.links.push(Link { send, limit, load, _counted: counted });
    }

    /// Notes a failed attempt. When the next one may be.
    pub(super) fn fail(&mut self, failure: String, pause: Duration) -> Instant {
        let until = Instant::now() + pause;
        self.failures += 1;
        self.failure = failure;
        self.pause_until = Some(until);
        until
    }

    pub(super) fn is_failing(&self) -> bool {
        !self.failure.is_empty()
    }

    /// The end of the pause, while there is one.
    pub(super) fn pause(&self) -> Option<Instant> {
        self.pause_until.filter(|until| *until > Instant::now())
    }

    pub(super) fn remove_closed(&mut self) {
        self.links.retain(|link| !link.is_closed());
    }

    /// Gives up a connection, if more than so many are there. It ends without calls on it.
    pub(super) fn remove_surplus(&mut self, load: &Load, kept: usize) {
        if self.links.len() > kept {
            self.links.retain(|link| !std::ptr::eq(&*link.load, load));
        }
    }
}

impl Link {
    fn streams(&self) -> usize {
        self.load.streams.load(Ordering::Relaxed)
    }

    /// Few calls share a connection: what they send leaves in one write.
    fn order(&self) -> (bool, usize) {
        (self.load.is_stalled(), self.streams() / SHARING)
    }

    /// Whether it takes no more streams.
    fn is_closed(&self) -> bool {
        self.send.is_closed()
    }
}

impl Load {
    pub(super) fn is_idle(&self) -> bool {
        self.streams.load(Ordering::Relaxed) == 0
    }

    fn is_stalled(&self) -> bool {
        self.stalled.load(Ordering::Relaxed) > 0
    }

    /// An upload began to wait for the engine to read, or has ended to.
    pub(super) fn stall(&self, is_stalled: bool) {
        if is_stalled {
            self.stalled.fetch_add(1, Ordering::Relaxed);
        } else {
            self.stalled.fetch_sub(1, Ordering::Relaxed);
        }
    }
}

impl Place {
    pub(super) fn load(&self) -> &Arc<Load> {
        &self.load
    }

    /// The call has come to an error: counted, if it is that the engine has reset it.
    pub(super) fn was_reset(&self, error: &http2::Error) {
        if error.is_reset() && error.is_remote() {
            self.engine.metrics().reset.increment(1);
        }
    }

    /// The connection was lost under the call: counted, and put in words.
    pub(super) fn lost(&self, error: &http2::Error) -> String {
        self.engine.metrics().lost.increment(1);
        format!("engine {} was lost: {error}", self.engine.url())
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.load.streams.fetch_sub(1, Ordering::Relaxed);
        self.engine.has_room();
    }
}
