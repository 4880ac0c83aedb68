//! Where a call's request and its response are recorded.

use std::{cell::RefCell, sync::Arc};

use binlog::Peer;
use bytes::Bytes;
use http::{HeaderMap, Request, response};
use parking_lot::Mutex;

use super::{Recording, call::Call};

/// The most allocations that a thread keeps for the calls to come.
pub(super) const SPARE: usize = 64;

thread_local! {
    /// The allocation that was used last is still in the cache; a new one is not.
    static SPARES: RefCell<Vec<Shared>> = const { RefCell::new(Vec::new()) };
}

/// `None` while no call uses it.
type Shared = Arc<Mutex<Option<Call>>>;

/// Records a call. If the last clone is dropped before the end, the client has given up.
#[derive(Clone, Debug)]
pub(crate) struct Tap {
    call: Shared,
}

/// Records what the client sends.
#[derive(Debug)]
pub(crate) struct RequestTap(Tap);

impl Tap {
    /// Begins the record of a call. `None` if it is not gRPC: then it may be a request for a token.
    pub(super) fn new<B>(recording: Arc<Recording>, peer: Peer, request: &Request<B>) -> Option<Self> {
        let call = Call::new(recording, peer, request)?;
        let shared = SPARES.with_borrow_mut(Vec::pop).unwrap_or_default();
        *shared.lock() = Some(call);
        Some(Self { call: shared })
    }

    fn with(&self, then: impl FnOnce(&mut Call)) {
        if let Some(call) = &mut *self.call.lock() {
            call.touch();
            then(call);
        }
    }

    /// Creates the reader of the request's body.
    pub(super) fn request(&self) -> RequestTap {
        RequestTap(self.clone())
    }

    /// Records the head of the response. Returns itself if a body follows.
    pub(super) fn answered(self, head: &response::Parts) -> Option<Self> {
        let mut has_body = false;
        self.with(|call| has_body = call.answered(head));
        has_body.then_some(self)
    }

    /// Takes a chunk of the response's body.
    pub(super) fn data(&self, chunk: &Bytes) {
        self.with(|call| call.received(chunk));
    }

    pub(super) fn trailers(&self, trailers: &HeaderMap) {
        self.with(|call| call.trailers(trailers));
    }

    /// The response's body ended, if there were trailers or not.
    pub(super) fn ended(&self) {
        self.with(Call::ended);
    }

    /// Records that the stream was reset.
    pub(super) fn broken(&self, why: &str) {
        self.with(|call| call.broken(why));
    }
}

/// The allocations that this thread keeps.
#[cfg(test)]
pub(super) fn spares() -> usize {
    SPARES.with_borrow(Vec::len)
}

impl Drop for Tap {
    fn drop(&mut self) {
        let Some(call) = Arc::get_mut(&mut self.call) else { return };
        *call.get_mut() = None;
        // A thread that ends has none any more.
        _ = SPARES.try_with(|spares| {
            let mut spares = spares.borrow_mut();
            if spares.len() < SPARE {
                spares.push(self.call.clone());
            }
        });
    }
}

impl RequestTap {
    /// Takes a chunk of the body, if there is one. Returns itself unless the client has sent all.
    pub(crate) fn data(self, chunk: Option<&Bytes>, is_end: bool) -> Option<Self> {
        if chunk.is_some() || is_end {
            self.0.with(|call| call.sent(chunk, is_end));
        }
        (!is_end).then_some(self)
    }
}
