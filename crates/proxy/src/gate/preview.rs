//! The service of the preview listener: calls the inactive strategy, without judgement.

use std::{
    future::{Ready, ready},
    sync::Arc,
    task::{Context, Poll},
};

use bytes::Bytes;
use futures::{
    TryFutureExt,
    future::{Either, MapOk},
};
use http::{HeaderMap, Request, Response};
use http_body::Body;
use protocol::{CallKind, Strategy};
use switch::{Header, StrategyMismatch};
use tower::Service;

use super::{Shared, header, reject, request::RequestBody, response::ResponseBody};

/// The inner service, as clients of the preview listener reach it.
#[derive(Clone, Debug)]
pub struct Preview<S> {
    inner: S,
    shared: Arc<Shared>,
}

impl<S> Preview<S> {
    pub(super) fn new(inner: S, shared: Arc<Shared>) -> Self {
        Self { inner, shared }
    }

    /// Returns the strategy whose engine answers, or a mismatch if a login has to come back under the other one.
    ///
    /// Published clients do not know the strategy when they log in: they try blue, and green after a 456.
    /// Without the mismatch they would log in to the active engine, and report that the other one works.
    fn strategy(&self, path: &str, headers: &HeaderMap) -> Result<Strategy, StrategyMismatch> {
        let active = self.shared.switch.snapshot().phase.active();
        let other = active.other();
        match header::strategy(headers) {
            Header::Names(named) if named == active => match self.shared.protocol.method(path).kind {
                CallKind::LogIn => Err(StrategyMismatch { expected: other }),
                _ => Ok(active),
            },
            Header::Names(_) | Header::Absent | Header::Unknown => Ok(other),
        }
    }
}

/// Passes a response on as it is.
type Pass<R> = fn(Response<R>) -> Response<ResponseBody<R>>;

impl<S, B, R> Service<Request<B>> for Preview<S>
where
    S: Service<Request<RequestBody<B>>, Response = Response<R>>,
    B: Body<Data = Bytes>,
    R: Body<Data = Bytes>,
{
    type Response = Response<ResponseBody<R>>;
    type Error = S::Error;
    type Future = Either<Ready<Result<Self::Response, S::Error>>, MapOk<S::Future, Pass<R>>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        match self.strategy(request.uri().path(), request.headers()) {
            Ok(strategy) => {
                let mut request = request.map(RequestBody::new);
                request.body_mut().let_in(strategy);
                let pass: Pass<R> = |response| response.map(ResponseBody::foreign);
                Either::Right(self.inner.call(request).map_ok(pass))
            }
            Err(refused) => {
                let received = header::received(request.headers());
                let response = reject::response(self.shared.mismatch, refused, received);
                Either::Left(ready(Ok(response.map(ResponseBody::own))))
            }
        }
    }
}
