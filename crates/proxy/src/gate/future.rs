//! One call on its way through the gate.

use std::{
    fmt,
    future::Future,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
    time::Instant,
};

use bytes::Bytes;
use futures::{FutureExt, future::BoxFuture};
use grpc::header::is_grpc;
use http::{HeaderValue, Request, Response};
use http_body::Body;
use pin_project_lite::pin_project;
use switch::{RequestGuard, StrategyMismatch, etcd::Rejected};
use tower::Service;

use super::{
    Shared, admitted::AdmittedCall, arriving::Arriving, connection::Connection, left::Leaving,
    observe::ObserveConnection, reject, request::RequestBody, response::ResponseBody, undecided::Undecided,
};

pin_project! {
    /// Resolves to the response of the inner service, or to a rejection.
    pub struct ResponseFuture<S, B, O>
    where
        S: Service<Request<RequestBody<B>>>,
        B: Body,
        O: ObserveConnection,
    {
        shared: Arc<Shared>,
        connection: Arc<Connection<O>>,
        // When it came, if somebody watches.
        arrived: Option<Instant>,
        #[pin]
        phase: Phase<S, S::Future, B, O::Call>,
    }
}

pin_project! {
    #[project = PhaseProj]
    pub(super) enum Phase<S, F, B: Body, C> {
        /// Its request is being read; `None` once it is judged.
        Arriving { arriving: Option<Box<Arriving<S, B>>> },
        /// Waits for etcd to be asked; `None` once that is done.
        Undecided {
            judged: BoxFuture<'static, Result<RequestGuard, Rejected>>,
            undecided: Option<Box<Undecided<S, B, C>>>,
        },
        /// Admitted: waits for the response.
        Inside { #[pin] future: F, call: Option<AdmittedCall<C>>, left: Option<Leaving> },
        /// Rejected, with the strategy that its header named.
        Refused { refused: StrategyMismatch, received: Option<HeaderValue> },
        /// Not judged, because etcd is lost.
        Failed { response: Option<Box<Response<Option<Bytes>>>> },
        /// Not gRPC: forwarded without judgement.
        Foreign { #[pin] future: F },
    }
}

impl<S, B, O> ResponseFuture<S, B, O>
where
    S: Service<Request<RequestBody<B>>>,
    B: Body<Data = Bytes> + Unpin,
    O: ObserveConnection,
{
    pub(super) fn new(
        mut inner: S,
        shared: Arc<Shared>,
        connection: Arc<Connection<O>>,
        mut request: Request<RequestBody<B>>,
    ) -> Self {
        let arrived = connection.observer.as_ref().map(|_| Instant::now());
        let phase = if is_grpc(request.headers()) {
            let method = shared.protocol.method(request.uri().path()).clone();
            let arriving = Arriving::new(inner, request, method, connection.observer.as_ref());
            match arriving.reads {
                [None, None] => {
                    arriving.judge(&shared, connection.observer.as_ref().zip(arrived), [None, None])
                }
                _ => Phase::Arriving { arriving: Some(Box::new(arriving)) },
            }
        } else {
            request.body_mut().let_in(shared.switch.snapshot().phase.active());
            Phase::Foreign { future: inner.call(request) }
        };
        Self { shared, connection, arrived, phase }
    }
}

impl<S, B, O, ResBody> Future for ResponseFuture<S, B, O>
where
    O: ObserveConnection,
    S: Service<Request<RequestBody<B>>, Response = Response<ResBody>>,
    B: Body<Data = Bytes> + Unpin,
    ResBody: Body<Data = Bytes>,
{
    type Output = Result<Response<ResponseBody<ResBody, O::Call>>, S::Error>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut this = self.project();
        loop {
            let next = match this.phase.as_mut().project() {
                PhaseProj::Foreign { future } => {
                    let response = ready!(future.poll(cx)?);
                    if let (Some(observer), Some(arrived)) = (&this.connection.observer, this.arrived) {
                        observer.foreign(*arrived);
                    }
                    return Poll::Ready(Ok(response.map(ResponseBody::foreign)));
                }
                PhaseProj::Inside { future, call, left } => {
                    let polled = future.poll(cx);
                    if let (Poll::Ready(Err(_)), Some(call)) = (&polled, call.as_mut()) {
                        call.fail();
                    }
                    let Poll::Ready(response) = polled? else {
                        ready!(left.as_mut().map_or(Poll::Pending, |left| left.poll(cx)));
                        let call = call.take().expect("polled after completion");
                        // What the engine is still doing for it is given up with this future.
                        return Poll::Ready(Ok(call.leave().map(ResponseBody::own)));
                    };
                    let call = call.take().expect("polled after completion");
                    return Poll::Ready(Ok(call.answer(this.shared, this.connection, response)));
                }
                PhaseProj::Refused { refused, received } => {
                    let response = reject::response(this.shared.mismatch, *refused, received.take());
                    return Poll::Ready(Ok(response.map(ResponseBody::own)));
                }
                PhaseProj::Failed { response } => {
                    let response = response.take().expect("polled after completion");
                    return Poll::Ready(Ok(response.map(ResponseBody::own)));
                }
                PhaseProj::Undecided { judged, undecided } => {
                    let judged = ready!(judged.poll_unpin(cx));
                    undecided.take().expect("polled after completion").decide(judged)
                }
                PhaseProj::Arriving { arriving } => {
                    let read = {
                        let arriving = arriving.as_mut().expect("polled after completion");
                        ready!(arriving.poll_read(cx))
                    };
                    let arriving = arriving.take().expect("it was there just now");
                    let observer = this.connection.observer.as_ref().zip(*this.arrived);
                    arriving.judge(this.shared, observer, read.each_ref().map(Option::as_deref))
                }
            };
            this.phase.set(next);
        }
    }
}

impl<S, B, O> fmt::Debug for ResponseFuture<S, B, O>
where
    S: Service<Request<RequestBody<B>>>,
    B: Body,
    O: ObserveConnection,
{
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ResponseFuture").finish_non_exhaustive()
    }
}
