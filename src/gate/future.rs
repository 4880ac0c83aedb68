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
    reject,
    request::RequestBody,
    response::{Answer, Hold, ResponseBody},
};
use crate::{
    protocol::{Method, Role},
    switch::{Action, Arrival, Pass, Refused},
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
        /// The query id is on its way in; `None` once it is judged.
        Arriving { arriving: Option<Box<Arriving<S, B>>> },
        /// Let in: the answer is awaited.
        Inside { #[pin] future: F, call: Option<Call> },
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
            let arriving = Arriving { inner, request, method };
            match arriving.query_id_field() {
                Some(_) => Phase::Arriving { arriving: Some(Box::new(arriving)) },
                None => arriving.judge(&shared, None),
            }
        } else {
            request.body_mut().let_in(shared.switch.snapshot().phase.active());
            Phase::Foreign { future: inner.call(request) }
        };
        Self { shared, connection, phase }
    }
}

impl<S, B> Arriving<S, B>
where
    S: Service<Request<RequestBody<B>>>,
    B: Body<Data = Bytes> + Unpin,
{
    /// Where the message of the request names a query, if it can be read.
    fn query_id_field(&self) -> Option<u32> {
        match self.method.role {
            Role::Continue(field) | Role::End(field) => {
                header::is_protobuf(self.request.headers()).then_some(field)
            }
            _ => None,
        }
    }

    fn poll_query_id(&mut self, cx: &mut Context<'_>) -> Poll<Option<String>> {
        let Some(field) = self.query_id_field() else { return Poll::Ready(None) };
        let coding = Coding::of(self.request.headers());
        Pin::new(self.request.body_mut()).poll_query_id(cx, field, coding)
    }

    /// Asks the switch, and goes on as it says.
    fn judge(self, shared: &Shared, id: Option<&str>) -> Phase<S, S::Future, B> {
        let Self { mut inner, mut request, method } = self;
        let action = match (method.role, id) {
            (Role::LogIn, _) => Action::LogIn,
            (Role::Begin(_), _) => Action::Begin,
            (Role::Neutral, _) | (_, Some("")) => Action::Neutral,
            // Unreadable counts as not on record, and no query has an empty id.
            (Role::Continue(_), id) => Action::Continue(id.unwrap_or_default()),
            (Role::End(_), id) => Action::End(id.unwrap_or_default()),
        };
        let header = header::strategy(request.headers());
        match shared.switch.arrive(Arrival { action, header }) {
            Err(refused) => Phase::Refused { refused, received: header::received(request.headers()) },
            Ok(pass) => {
                request.body_mut().let_in(pass.strategy());
                Phase::Inside { future: inner.call(request), call: Some(Call { pass, method }) }
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
                    return future.poll(cx).map_ok(|response| response.map(ResponseBody::foreign));
                }
                PhaseProj::Inside { future, call } => {
                    let response = ready!(future.poll(cx)?);
                    let call = call.take().expect("polled after completion");
                    return Poll::Ready(Ok(call.answer(this.shared, this.connection, response)));
                }
                PhaseProj::Refused { refused, received } => {
                    let response = reject::response(this.shared.mismatch, *refused, received.take());
                    return Poll::Ready(Ok(response.map(ResponseBody::own)));
                }
                PhaseProj::Arriving { arriving } => {
                    let id = {
                        let arriving = arriving.as_mut().expect("polled after completion");
                        ready!(arriving.poll_query_id(cx))
                    };
                    let arriving = arriving.take().expect("it was there just now");
                    arriving.judge(this.shared, id.as_deref())
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
        let is_trailers_only = body.is_end_stream();
        let is_refusal = is_trailers_only && !header::is_success(&head.headers);
        let notice = pass.notice().filter(|_| !is_refusal);
        if let Some(notice) = notice {
            head.headers.insert(NEW_STRATEGY, HeaderValue::from_static(notice.strategy.as_str()));
            connection.tell(notice);
        }
        if is_trailers_only {
            pass.answered(!is_refusal);
            return Response::from_parts(head, ResponseBody::foreign(body));
        }
        let is_message = head.status == StatusCode::OK && header::is_protobuf(&head.headers);
        let notice = notice.filter(|_| is_message).and_then(|notice| method.notice(notice.strategy)).cloned();
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
