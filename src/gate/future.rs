//! One call on its way through the gate.

use std::{
    fmt,
    future::Future,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

use bytes::{Bytes, BytesMut};
use http::{HeaderValue, Request, Response, StatusCode, header::CONTENT_LENGTH};
use http_body::Body;
use pin_project_lite::pin_project;
use tower::Service;

use super::{
    Shared,
    connection::Connection,
    header::{self, NEW_STRATEGY},
    inflate::Coding,
    order::Order,
    reject,
    request::RequestBody,
    response::{Answer, Hold, ResponseBody},
};
use crate::{
    protocol::{Method, Role},
    switch::{Action, Arrival, Notice, Pass, Refused},
};

pin_project! {
    /// Resolves to the answer from behind the gate, or to a rejection.
    pub struct ResponseFuture<S, B>
    where
        S: Service<Request<RequestBody<B>>>,
        B: Body,
    {
        shared: Arc<Shared>,
        connection: Arc<Connection>,
        #[pin]
        phase: Phase<S, S::Future, B>,
    }
}

pin_project! {
    #[project = PhaseProj]
    enum Phase<S, F, B: Body> {
        /// The request is on its way in; `None` once it is judged.
        Arriving { arriving: Option<Arriving<S, B>> },
        /// Let in: the answer is awaited.
        Inside { #[pin] future: F, call: Option<Call> },
        /// Not for the gate to judge.
        Foreign { #[pin] future: F },
    }
}

struct Arriving<S, B: Body> {
    inner: S,
    request: Request<RequestBody<B>>,
    method: Arc<Method>,
}

/// What is known of a call that was let in.
struct Call {
    pass: Pass,
    method: Arc<Method>,
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
        let phase = if header::is_grpc(request.headers()) {
            let method = shared.protocol.method(request.uri().path()).clone();
            Phase::Arriving { arriving: Some(Arriving { inner, request, method }) }
        } else {
            request.extensions_mut().insert(shared.switch.snapshot().phase.active());
            Phase::Foreign { future: inner.call(request) }
        };
        Self { shared, connection, phase }
    }
}

impl<S, B: Body<Data = Bytes> + Unpin> Arriving<S, B> {
    /// Reads the query id, where the request has one, and asks the switch.
    fn poll_judged(&mut self, shared: &Shared, cx: &mut Context<'_>) -> Poll<Result<Pass, Refused>> {
        let head = self.request.headers();
        let header = header::strategy(head);
        let id = match self.method.role {
            Role::Continue(field) | Role::End(field) if header::is_protobuf(head) => {
                let coding = Coding::of(head);
                ready!(Pin::new(self.request.body_mut()).poll_query_id(cx, field, coding))
            }
            _ => None,
        };
        let action = match (self.method.role, id.as_deref()) {
            (Role::LogIn, _) => Action::LogIn,
            (Role::Begin(_), _) => Action::Begin,
            (Role::Neutral, _) | (_, Some("")) => Action::Neutral,
            // Unreadable counts as not on record, and no query has an empty id.
            (Role::Continue(_), id) => Action::Continue(id.unwrap_or_default()),
            (Role::End(_), id) => Action::End(id.unwrap_or_default()),
        };
        Poll::Ready(shared.switch.arrive(Arrival { action, header }))
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
                    return future.poll(cx).map_ok(|response| response.map(ResponseBody::foreign));
                }
                PhaseProj::Inside { future, call } => {
                    let response = ready!(future.poll(cx)?);
                    let call = call.take().expect("polled after completion");
                    return Poll::Ready(Ok(call.answer(this.shared, this.connection, response)));
                }
                PhaseProj::Arriving { arriving } => {
                    let judged = {
                        let arriving = arriving.as_mut().expect("polled after completion");
                        ready!(arriving.poll_judged(this.shared, cx))
                    };
                    let Arriving { mut inner, mut request, method } =
                        arriving.take().expect("it was judged just now");
                    match judged {
                        Err(refused) => {
                            let received = header::received(request.headers());
                            let response = reject::response(this.shared.mismatch, refused, received);
                            return Poll::Ready(Ok(response.map(ResponseBody::own)));
                        }
                        Ok(pass) => {
                            request.extensions_mut().insert(pass.strategy());
                            let call = Some(Call { pass, method });
                            Phase::Inside { future: inner.call(request), call }
                        }
                    }
                }
            };
            this.phase.set(next);
        }
    }
}

impl Call {
    /// Gives the answer the notice that is due as its head passes.
    fn answer<B: Body<Data = Bytes>>(
        self,
        shared: &Shared,
        connection: &Connection,
        response: Response<B>,
    ) -> Response<ResponseBody<B>> {
        let Self { pass, method } = self;
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
        let is_refusal = is_trailers_only && !header::is_success(&head.headers);
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
            }
        }
        if is_trailers_only {
            pass.answered(!is_refusal);
            return Response::from_parts(head, ResponseBody::foreign(body));
        }
        let is_message = head.status == StatusCode::OK && header::is_protobuf(&head.headers);
        let notice = notice.filter(|_| is_message).and_then(|notice| method.notice(notice.strategy));
        let notice = notice.map(|field| Order::repeat(order, field));
        let query_id = match method.role {
            Role::Begin(field) if is_message => field,
            _ => None,
        };
        let answer = if notice.is_some() || query_id.is_some() {
            let coding = Coding::of(&head.headers);
            let counters = shared.counters.clone();
            if notice.is_some() {
                head.headers.remove(CONTENT_LENGTH);
            }
            Answer::holding(pass, Hold { held: BytesMut::new(), query_id, notice, coding, counters })
        } else {
            Answer::passing(pass)
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
