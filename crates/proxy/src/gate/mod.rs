//! The tower layer that judges calls: asks the switch about each one, rejects it or lets it through, and
//! appends the notice to the response. It knows nothing of the service behind it.

mod admitted;
mod arriving;
mod connection;
mod future;
pub(crate) mod header;
mod left;
mod observe;
mod plan;
mod preview;
mod reject;
mod request;
mod response;
mod response_override;
mod undecided;

#[cfg(test)]
mod tests;

use std::{
    convert::Infallible,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    task::{Context, Poll},
};

use bytes::Bytes;
use http::{Request, Response};
use http_body::Body;
use protocol::Protocol;
use switch::Switch;
use tower::{Layer, Service};

use self::connection::Connection;
pub(crate) use self::request::message;
pub use self::{
    future::ResponseFuture,
    observe::{Arriving, Caller, ObserveCall, ObserveConnection},
    preview::Preview,
    reject::Mismatch,
    request::RequestBody,
    response::ResponseBody,
    response_override::ResponseOverride,
};

/// Puts a [`Gate`] in front of a service.
#[derive(Clone, Debug)]
pub struct GateLayer {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    switch: Switch,
    protocol: Protocol,
    mismatch: Mismatch,
    counters: Arc<Counters>,
}

/// The gate's counters.
#[derive(Debug, Default)]
pub struct Counters {
    untouched: AtomicU64,
}

impl Counters {
    fn count_untouched(&self) {
        self.untouched.fetch_add(1, Ordering::Relaxed);
    }

    /// Returns the number of compressed responses whose message could not carry the notice that was due.
    pub fn untouched(&self) -> u64 {
        self.untouched.load(Ordering::Relaxed)
    }
}

impl GateLayer {
    /// Creates a gate that asks `switch`, and encodes rejections as `mismatch` says.
    pub fn new(switch: Switch, protocol: Protocol, mismatch: Mismatch) -> Self {
        let counters = Arc::default();
        Self { shared: Arc::new(Shared { switch, protocol, mismatch, counters }) }
    }

    /// The gate's counters.
    pub fn counters(&self) -> &Counters {
        &self.shared.counters
    }

    /// Creates the service of the preview listener, which calls the inactive strategy.
    pub fn preview<S>(&self, inner: S) -> Preview<S> {
        Preview::new(inner, self.shared.clone())
    }

    /// Creates a gate for one client's connection, with an observer of its calls. On a server that hides its connections
    /// from layers, one gate with [`Peers`](crate::telemetry::Peers) is for all of them.
    pub fn watched<S, O>(&self, observer: O, inner: S) -> Gate<S, O> {
        Gate { inner, shared: self.shared.clone(), connection: Arc::new(Connection::new(Some(observer))) }
    }
}

impl<S> Layer<S> for GateLayer {
    type Service = Gate<S>;

    /// Creates a gate for one client's connection. The log shows each announcement once per connection.
    fn layer(&self, inner: S) -> Gate<S> {
        Gate { inner, shared: self.shared.clone(), connection: Arc::new(Connection::new(None)) }
    }
}

/// A service with the gate in front of it. Clones belong to the same connection.
#[derive(Debug)]
pub struct Gate<S, O = Infallible> {
    inner: S,
    shared: Arc<Shared>,
    connection: Arc<Connection<O>>,
}

impl<S: Clone, O> Clone for Gate<S, O> {
    fn clone(&self) -> Self {
        let Self { inner, shared, connection } = self;
        Self { inner: inner.clone(), shared: shared.clone(), connection: connection.clone() }
    }
}

impl<S, O, B, ResBody> Service<Request<B>> for Gate<S, O>
where
    O: ObserveConnection,
    S: Service<Request<RequestBody<B>>, Response = Response<ResBody>> + Clone,
    B: Body<Data = Bytes> + Unpin,
    ResBody: Body<Data = Bytes>,
{
    type Response = Response<ResponseBody<ResBody, O::Call>>;
    type Error = S::Error;
    type Future = ResponseFuture<S, B, O>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<B>) -> ResponseFuture<S, B, O> {
        // The clone that was made ready goes with the request.
        let ready = self.inner.clone();
        let inner = std::mem::replace(&mut self.inner, ready);
        let connection = self.connection.clone();
        ResponseFuture::new(inner, self.shared.clone(), connection, request.map(RequestBody::new))
    }
}
