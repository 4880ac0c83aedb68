//! The tower layer between the gate and the backend that delays or fails chosen calls. For effects on streams and
//! connections it relies on the server, and for 456s and notices on the gate.

mod answer;
mod body;
mod call;
pub(crate) mod hits;
mod known;
mod registry;
pub mod rule;

#[cfg(test)]
mod tests;

use std::{
    fmt,
    pin::Pin,
    task::{Context, Poll},
};

use bytes::Bytes;
use http::{HeaderName, Request, Response};
use http_body::Body;
use pin_project_lite::pin_project;
use tower::{Layer, Service};

pub(crate) use self::rule::glob;
pub use self::{
    body::FaultBody,
    registry::{CallObserver, FaultContext, Faults, Listed, Refused, Source},
    rule::{BadRule, Rule},
};
use crate::{gate::RequestBody, server::BoxError};

/// In a request: a rule for this call. In a response: the rules that changed it.
pub(crate) const TEAL_FAULT: HeaderName = HeaderName::from_static("teal-fault");

/// Wraps a backend in a [`FaultService`].
#[derive(Clone, Debug)]
pub struct FaultLayer {
    faults: Faults,
}

impl FaultLayer {
    /// Creates a layer that applies these rules.
    pub fn new(faults: Faults) -> Self {
        Self { faults }
    }
}

impl<S> Layer<S> for FaultLayer {
    type Service = FaultService<S>;

    fn layer(&self, inner: S) -> FaultService<S> {
        FaultService { inner, faults: self.faults.clone() }
    }
}

/// A backend behind the fault rules.
#[derive(Clone, Debug)]
pub struct FaultService<S> {
    inner: S,
    faults: Faults,
}

impl<S, B, R> Service<Request<RequestBody<B>>> for FaultService<S>
where
    S: Service<Request<RequestBody<B>>, Response = Response<R>, Error: Into<BoxError>>
        + Clone
        + Send
        + 'static,
    S::Future: Send,
    B: Body<Data = Bytes, Error: Send> + Send + Unpin + 'static,
    R: Body<Data = Bytes, Error: Into<BoxError>> + Send + Unpin + 'static,
{
    type Response = Response<FaultBody<R>>;
    type Error = BoxError;
    type Future = ResponseFuture<S::Future, R>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.inner.poll_ready(cx).map_err(Into::into)
    }

    fn call(&mut self, request: Request<RequestBody<B>>) -> Self::Future {
        if !self.faults.is_armed() {
            return ResponseFuture { kind: Kind::Passing { future: self.inner.call(request) } };
        }
        // The clone that is ready serves the request.
        let ready = self.inner.clone();
        let inner = std::mem::replace(&mut self.inner, ready);
        let future = Box::pin(call::call(inner, self.faults.clone(), request));
        ResponseFuture { kind: Kind::Watched { future } }
    }
}

type Watched<R> = Pin<Box<dyn Future<Output = Result<Response<FaultBody<R>>, BoxError>> + Send>>;

pin_project! {
    /// One call, matched against rules or passed through.
    pub struct ResponseFuture<F, R> {
        #[pin]
        kind: Kind<F, R>,
    }
}

pin_project! {
    #[project = KindProj]
    enum Kind<F, R> {
        /// There are no rules.
        Passing { #[pin] future: F },
        /// There are rules.
        Watched { future: Watched<R> },
    }
}

impl<F, R, E> Future for ResponseFuture<F, R>
where
    F: Future<Output = Result<Response<R>, E>>,
    E: Into<BoxError>,
{
    type Output = Result<Response<FaultBody<R>>, BoxError>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        match self.project().kind.project() {
            KindProj::Passing { future } => {
                future.poll(cx).map_ok(|response| response.map(FaultBody::passing)).map_err(Into::into)
            }
            KindProj::Watched { future } => future.as_mut().poll(cx),
        }
    }
}

impl<F, R> fmt::Debug for ResponseFuture<F, R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ResponseFuture").finish_non_exhaustive()
    }
}
