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
use switch::{Arrival, Notice, Pass, Refused};
use tower::Service;

use super::{
    Shared,
    connection::Connection,
    header::{self, NEW_STRATEGY},
    left::{self, Leaving},
    order::Order,
    reject,
    request::RequestBody,
    response::{Answer, Hold, ResponseBody},
};
use crate::telemetry::{self, Line, Said, Status};

pin_project! {
    /// Resolves to the answer from behind the gate, or to a rejection.
    pub struct ResponseFuture<S, B>
    where
        S: Service<Request<RequestBody<B>>>,
        B: Body,
    {
        shared: Arc<Shared>,
        connection: Arc<Connection>,
        // When it came, where that is watched.
        arrived: Option<Instant>,
        #[pin]
        phase: Phase<S, S::Future, B>,
    }
}

pin_project! {
    #[project = PhaseProj]
    enum Phase<S, F, B: Body> {
        /// What has to be read of it is on its way in; `None` once it is judged.
        Arriving { arriving: Option<Box<Arriving<S, B>>> },
        /// Let in: the answer is awaited.
        Inside { #[pin] future: F, call: Option<Call>, left: Option<Leaving> },
        /// Not let in, and what it named.
        Refused { refused: Refused, received: Option<HeaderValue> },
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
struct Call {
    pass: Pass,
    method: Arc<Method>,
    watched: Option<telemetry::Call>,
}

impl<S, B> ResponseFuture<S, B>
where
    S: Service<Request<RequestBody<B>>>,
    B: Body<Data = Bytes> + Unpin,
{
    pub(super) fn new(
        mut inner: S,
        shared: Arc<Shared>,
        connection: Arc<Connection>,
        mut request: Request<RequestBody<B>>,
    ) -> Self {
        let arrived = connection.line.as_ref().map(|_| Instant::now());
        let phase = if is_grpc(request.headers()) {
            let method = shared.protocol.method(request.uri().path()).clone();
            let arriving = Arriving::new(inner, request, method, connection.line.as_ref());
            match arriving.reads {
                [None, None] => arriving.judge(&shared, connection.line.as_ref().zip(arrived), [None, None]),
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
    fn new(inner: S, request: Request<RequestBody<B>>, method: Arc<Method>, line: Option<&Line>) -> Self {
        let head = request.headers();
        // A begin is named by its response.
        let query_id = method.query_id.filter(|_| method.kind != CallKind::Begin);
        let caller = method.caller.filter(|_| line.is_some_and(|line| line.asks(method.kind, head)));
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
    fn judge(
        self,
        shared: &Shared,
        watch: Option<(&Line, Instant)>,
        [query, caller]: [Option<&str>; 2],
    ) -> Phase<S, S::Future, B> {
        let Self { mut inner, mut request, method, .. } = self;
        // No query has an empty id.
        let kind = if query == Some("") { CallKind::Neutral } else { method.kind };
        let query = query.filter(|id| !id.is_empty());
        let mut watched = watch.map(|(line, arrived)| {
            let said = caller.map(|caller| match method.kind {
                CallKind::LogIn => Said::User(caller),
                _ => Said::Session(caller),
            });
            line.call(arrived, &method, request.headers(), said, shared.switch.heading())
        });
        let header = header::strategy(request.headers());
        match shared.switch.arrive(Arrival { kind, query, header }) {
            Err(refused) => {
                if let Some(watched) = watched {
                    watched.rejected(header.named());
                }
                Phase::Refused { refused, received: header::received(request.headers()) }
            }
            Ok(pass) => {
                request.body_mut().let_in(pass.strategy());
                if let Some(watched) = &mut watched {
                    watched.let_in(pass.strategy(), request.headers_mut());
                }
                let left = pass.left().map(Leaving::of);
                let call = Some(Call { pass, method, watched });
                Phase::Inside { future: inner.call(request), call, left }
            }
        }
    }
}

impl<S, B, ResBody> Future for ResponseFuture<S, B>
where
    S: Service<Request<RequestBody<B>>, Response = Response<ResBody>>,
    B: Body<Data = Bytes> + Unpin,
    ResBody: Body<Data = Bytes>,
{
    type Output = Result<Response<ResponseBody<ResBody>>, S::Error>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut this = self.project();
        loop {
            let next = match this.phase.as_mut().project() {
                PhaseProj::Foreign { future } => {
                    let response = ready!(future.poll(cx)?);
                    if let (Some(line), Some(arrived)) = (&this.connection.line, this.arrived) {
                        line.shard().foreign(*arrived);
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
                    let watch = this.connection.line.as_ref().zip(*this.arrived);
                    arriving.judge(this.shared, watch, read.each_ref().map(Option::as_deref))
                }
            };
            this.phase.set(next);
        }
    }
}

impl Call {
    /// Its engine is left: it waits no longer.
    fn leave(self) -> Response<Option<Bytes>> {
        let Self { pass, watched, .. } = self;
        let why = pass.left().map(|left| left.why().to_owned()).unwrap_or_default();
        let response = left::response(&why);
        let effect = pass.answered(false);
        if let Some(watched) = watched {
            watched.over(Status::of(response.headers()), effect);
        }
        response
    }

    /// Gives the answer the notice that is due as its head passes.
    fn answer<B: Body<Data = Bytes>>(
        self,
        shared: &Shared,
        connection: &Connection,
        response: Response<B>,
    ) -> Response<ResponseBody<B>> {
        let Self { pass, method, watched } = self;
        let (mut head, body) = response.into_parts();
        let order = head.extensions.remove::<Order>();
        if order == Some(Order::Mismatch) {
            let refused = Refused { expected: pass.strategy().other() };
            let received = HeaderValue::from_static(pass.strategy().as_str());
            let mut rejection = reject::response(shared.mismatch, refused, Some(received));
            rejection.headers_mut().extend(head.headers);
            return rejection.map(ResponseBody::own);
        }
        let is_trailers_only = body.is_end_stream();
        let is_refusal = is_trailers_only && !is_success(&head.headers);
        let due = pass.notice();
        let notice = match order {
            Some(Order::Notice(strategy)) => Some(Notice { strategy, announcement: 0 }),
            _ => due,
        };
        let notice = notice.filter(|_| !is_refusal);
        if let Some(notice) = notice {
            let value = HeaderValue::from_static(notice.strategy.as_str());
            head.headers.insert(NEW_STRATEGY, value.clone());
            if order == Some(Order::DuplicateNotice) {
                head.headers.append(NEW_STRATEGY, value);
            }
            if due == Some(notice) {
                connection.tell(notice);
                if let Some(watched) = &watched {
                    watched.told(notice);
                }
            }
        }
        if is_trailers_only {
            let effect = pass.answered(!is_refusal);
            if let Some(watched) = watched {
                watched.over(Status::of(&head.headers), effect);
            }
            return Response::from_parts(head, ResponseBody::foreign(body));
        }
        // An engine that tells the outcome before a message is out of order: its client is to see that.
        let is_message = head.status == StatusCode::OK
            && is_protobuf(&head.headers)
            && !head.headers.contains_key(GRPC_STATUS);
        let notice = notice.filter(|_| is_message).and_then(|notice| method.notice(notice.strategy));
        let notice = notice.map(|field| Order::repeat(order, field));
        let query_id = match method.kind {
            CallKind::Begin if is_message => method.query_id,
            _ => None,
        };
        let session = method.session.filter(|_| is_message && watched.is_some());
        let answer = if notice.is_some() || query_id.is_some() || session.is_some() {
            let coding = Coding::of(&head.headers);
            let counters = shared.counters.clone();
            if notice.is_some() {
                head.headers.remove(CONTENT_LENGTH);
            }
            let hold = Hold { held: BytesMut::new(), query_id, session, notice, coding, counters };
            Answer::holding(pass, watched, hold)
        } else {
            Answer::passing(pass, watched)
        };
        Response::from_parts(head, ResponseBody::answer(body, answer))
    }
}

impl<S, B> fmt::Debug for ResponseFuture<S, B>
where
    S: Service<Request<RequestBody<B>>>,
    B: Body,
{
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ResponseFuture").finish_non_exhaustive()
    }
}
