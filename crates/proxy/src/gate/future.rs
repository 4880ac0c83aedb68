//! One call on its way through the gate.

use std::{
    fmt,
    future::Future,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
    time::Instant,
};

use bytes::{Bytes, BytesMut};
use grpc::{
    Coding,
    header::{GRPC_STATUS, is_grpc, is_protobuf, is_success},
};
use http::{HeaderValue, Request, Response, StatusCode, header::CONTENT_LENGTH};
use http_body::Body;
use pin_project_lite::pin_project;
use protocol::{CallKind, Method};
use switch::{Arrival, Notice, RequestGuard, StrategyMismatch};
use tower::Service;

use super::{
    Shared,
    connection::Connection,
    header::{self, NEW_STRATEGY},
    left::{self, Leaving},
    observe::{Caller, ObserveCall, ObserveConnection},
    reject,
    request::RequestBody,
    response::{Answer, Hold, ResponseBody},
    response_override::ResponseOverride,
};

pin_project! {
    /// Resolves to the answer from behind the gate, or to a rejection.
    pub struct ResponseFuture<S, B, O>
    where
        S: Service<Request<RequestBody<B>>>,
        B: Body,
        O: ObserveConnection,
    {
        shared: Arc<Shared>,
        connection: Arc<Connection<O>>,
        // When it came, where that is observer.
        arrived: Option<Instant>,
        #[pin]
        phase: Phase<S, S::Future, B, O::Call>,
    }
}

pin_project! {
    #[project = PhaseProj]
    enum Phase<S, F, B: Body, C> {
        /// What has to be read of it is on its way in; `None` once it is judged.
        Arriving { arriving: Option<Box<Arriving<S, B>>> },
        /// Let in: the answer is awaited.
        Inside { #[pin] future: F, call: Option<Call<C>>, left: Option<Leaving> },
        /// Not let in, and what it named.
        Refused { refused: StrategyMismatch, received: Option<HeaderValue> },
        /// Not for the gate to judge.
        Foreign { #[pin] future: F },
    }
}

struct Arriving<S, B: Body> {
    inner: S,
    request: Request<RequestBody<B>>,
    method: Arc<Method>,
    /// Where its message names the query, and the caller, if that has to be read and can be.
    reads: [Option<u32>; 2],
}

/// What is known of a call that was let in.
struct Call<C> {
    pass: RequestGuard,
    method: Arc<Method>,
    observer: Option<C>,
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

impl<S, B> Arriving<S, B>
where
    S: Service<Request<RequestBody<B>>>,
    B: Body<Data = Bytes> + Unpin,
{
    fn new(
        inner: S,
        request: Request<RequestBody<B>>,
        method: Arc<Method>,
        observer: Option<&impl ObserveConnection>,
    ) -> Self {
        let head = request.headers();
        // A begin is named by its response.
        let query_id = method.query_id.filter(|_| method.kind != CallKind::Begin);
        let caller = method
            .caller
            .filter(|_| observer.is_some_and(|observer| observer.reads_caller(method.kind, head)));
        let reads = [query_id, caller].map(|field| field.filter(|_| is_protobuf(head)));
        Self { inner, request, method, reads }
    }

    /// The query id and the caller, as far as they are read.
    fn poll_read(&mut self, cx: &mut Context<'_>) -> Poll<[Option<String>; 2]> {
        let coding = Coding::of(self.request.headers());
        let mut read = [None, None];
        for (read, field) in read.iter_mut().zip(self.reads) {
            if let Some(field) = field {
                *read = ready!(Pin::new(self.request.body_mut()).poll_string(cx, field, coding));
            }
        }
        Poll::Ready(read)
    }

    /// Asks the switch, and goes on as it says.
    fn judge<O: ObserveConnection>(
        self,
        shared: &Shared,
        observer: Option<(&O, Instant)>,
        [query, caller]: [Option<&str>; 2],
    ) -> Phase<S, S::Future, B, O::Call> {
        let Self { mut inner, mut request, method, .. } = self;
        // No query has an empty id.
        let kind = if query == Some("") { CallKind::Neutral } else { method.kind };
        let query = query.filter(|id| !id.is_empty());
        let mut observer = observer.map(|(observer, arrived)| {
            let caller = caller.map(|caller| match method.kind {
                CallKind::LogIn => Caller::User(caller),
                _ => Caller::Session(caller),
            });
            observer.call(arrived, &method, request.headers(), caller, shared.switch.heading())
        });
        let header = header::strategy(request.headers());
        match shared.switch.arrive(Arrival { kind, query, header }) {
            Err(refused) => {
                if let Some(observer) = observer {
                    observer.rejected(header.named());
                }
                Phase::Refused { refused, received: header::received(request.headers()) }
            }
            Ok(pass) => {
                request.body_mut().let_in(pass.strategy());
                if let Some(observer) = &mut observer {
                    observer.let_in(pass.strategy(), request.headers_mut());
                }
                let left = pass.left().map(Leaving::of);
                let call = Some(Call { pass, method, observer });
                Phase::Inside { future: inner.call(request), call, left }
            }
        }
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
                    let Poll::Ready(response) = future.poll(cx)? else {
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

impl<C: ObserveCall> Call<C> {
    /// Its engine is left: it waits no longer.
    fn leave(self) -> Response<Option<Bytes>> {
        let Self { pass, observer, .. } = self;
        let why = pass.left().map(|left| left.why().to_owned()).unwrap_or_default();
        let response = left::response(&why);
        let effect = pass.answered(false);
        if let Some(observer) = observer {
            observer.over(Some(response.headers()), effect);
        }
        response
    }

    /// Gives the answer the notice that is due as its head passes.
    fn answer<B: Body<Data = Bytes>>(
        self,
        shared: &Shared,
        connection: &Connection<impl ObserveConnection>,
        response: Response<B>,
    ) -> Response<ResponseBody<B, C>> {
        let Self { pass, method, observer } = self;
        let (mut head, body) = response.into_parts();
        let order = head.extensions.remove::<ResponseOverride>();
        if order == Some(ResponseOverride::Mismatch) {
            let refused = StrategyMismatch { expected: pass.strategy().other() };
            let received = HeaderValue::from_static(pass.strategy().as_str());
            let mut rejection = reject::response(shared.mismatch, refused, Some(received));
            rejection.headers_mut().extend(head.headers);
            return rejection.map(ResponseBody::own);
        }
        let is_trailers_only = body.is_end_stream();
        let is_refusal = is_trailers_only && !is_success(&head.headers);
        let due = pass.notice();
        let notice = match order {
            Some(ResponseOverride::Notice(strategy)) => Some(Notice { strategy, announcement: 0 }),
            _ => due,
        };
        let notice = notice.filter(|_| !is_refusal);
        if let Some(notice) = notice {
            let value = HeaderValue::from_static(notice.strategy.as_str());
            head.headers.insert(NEW_STRATEGY, value.clone());
            if order == Some(ResponseOverride::DuplicateNotice) {
                head.headers.append(NEW_STRATEGY, value);
            }
            if due == Some(notice) {
                connection.tell(notice);
                if let Some(observer) = &observer {
                    observer.notified(notice);
                }
            }
        }
        if is_trailers_only {
            let effect = pass.answered(!is_refusal);
            if let Some(observer) = observer {
                observer.over(Some(&head.headers), effect);
            }
            return Response::from_parts(head, ResponseBody::foreign(body));
        }
        // An engine that tells the outcome before a message is out of order: its client is to see that.
        let is_message = head.status == StatusCode::OK
            && is_protobuf(&head.headers)
            && !head.headers.contains_key(GRPC_STATUS);
        let notice = notice.filter(|_| is_message).and_then(|notice| method.notice(notice.strategy));
        let notice = notice.map(|field| ResponseOverride::repeat(order, field));
        let query_id = match method.kind {
            CallKind::Begin if is_message => method.query_id,
            _ => None,
        };
        let session = method.session.filter(|_| is_message && observer.is_some());
        let answer = if notice.is_some() || query_id.is_some() || session.is_some() {
            let coding = Coding::of(&head.headers);
            let counters = shared.counters.clone();
            if notice.is_some() {
                head.headers.remove(CONTENT_LENGTH);
            }
            let hold = Hold { held: BytesMut::new(), query_id, session, notice, coding, counters };
            Answer::holding(pass, observer, hold)
        } else {
            Answer::passing(pass, observer)
        };
        Response::from_parts(head, ResponseBody::answer(body, answer))
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
