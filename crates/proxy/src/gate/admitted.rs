//! A call that was let in: its answer is passed on as planned.

use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use http::{HeaderMap, HeaderValue, Response, header::CONTENT_LENGTH, response::Parts};
use http_body::Body;
use protocol::Method;
use switch::{RequestGuard, StrategyMismatch};

use super::{
    Shared,
    connection::Connection,
    header::NEW_STRATEGY,
    observe::{ObserveCall, ObserveConnection},
    plan::{Circumstances, Plan, PlannedNotice, Rest},
    reject,
    response::{Answer, Hold, ResponseBody},
    response_override::ResponseOverride,
};

/// A call that was let in and is not answered.
pub(super) struct AdmittedCall<C> {
    pub(super) guard: RequestGuard,
    pub(super) method: Arc<Method>,
    pub(super) observer: Option<C>,
}

impl<C: ObserveCall> AdmittedCall<C> {
    /// Answers for an engine that teal leaves: the call waits no longer.
    pub(super) fn leave(self) -> Response<Option<Bytes>> {
        let Self { guard, observer, .. } = self;
        let why = guard.left().map(|left| left.why().to_owned()).unwrap_or_default();
        let response = reject::unavailable(&why);
        let effect = guard.answered(false);
        if let Some(observer) = observer {
            observer.over(Some(response.headers()), effect);
        }
        response
    }

    /// Tells that there is no answer.
    #[cold]
    pub(super) fn fail(&mut self) {
        if let Some(observer) = &mut self.observer {
            observer.failed();
        }
    }

    /// Passes the engine's answer on, with the notice that is due as its head passes.
    pub(super) fn answer<B: Body<Data = Bytes>>(
        mut self,
        shared: &Shared,
        connection: &Connection<impl ObserveConnection>,
        response: Response<B>,
    ) -> Response<ResponseBody<B, C>> {
        let (mut head, body) = response.into_parts();
        let circumstances = Circumstances {
            method: &self.method,
            due: self.guard.notice(),
            response_override: head.extensions.remove::<ResponseOverride>(),
            is_trailers_only: body.is_end_stream(),
            reads_session: self.observer.is_some(),
        };
        let has_body = !circumstances.is_trailers_only;
        let plan = Plan::new(&head, circumstances);
        if let Some(observer) = &mut self.observer {
            observer.answered(&head.headers, has_body);
        }
        match plan {
            Plan::Reject => self.reject(shared, head.headers).map(ResponseBody::own),
            Plan::Pass { notice, rest } => {
                if let Some(notice) = notice {
                    self.announce(notice, &mut head.headers, connection);
                }
                self.pass(head, body, rest, shared)
            }
        }
    }

    /// The 456 that a fault wants. What the engine sent in its head stays there.
    fn reject(self, shared: &Shared, headers: HeaderMap) -> Response<Option<Bytes>> {
        let strategy = self.guard.strategy();
        let refused = StrategyMismatch { expected: strategy.other() };
        let received = HeaderValue::from_static(strategy.as_str());
        let mut rejection = reject::response(shared.mismatch, refused, Some(received));
        rejection.headers_mut().extend(headers);
        rejection
    }

    /// Puts the notice into the head.
    fn announce(
        &mut self,
        planned: PlannedNotice,
        headers: &mut HeaderMap,
        connection: &Connection<impl ObserveConnection>,
    ) {
        let value = HeaderValue::from_static(planned.notice.strategy.as_str());
        headers.insert(NEW_STRATEGY, value.clone());
        if planned.is_doubled {
            headers.append(NEW_STRATEGY, value);
        }
        if planned.is_due {
            connection.announce(planned.notice);
            if let Some(observer) = &mut self.observer {
                observer.notified(planned.notice);
            }
        }
    }

    /// Sends the head, and after it what follows as planned.
    fn pass<B: Body<Data = Bytes>>(
        self,
        mut head: Parts,
        body: B,
        rest: Rest,
        shared: &Shared,
    ) -> Response<ResponseBody<B, C>> {
        let Self { guard, observer, .. } = self;
        let answer = match rest {
            Rest::End { is_success } => {
                let effect = guard.answered(is_success);
                if let Some(observer) = observer {
                    observer.over(Some(&head.headers), effect);
                }
                return Response::from_parts(head, ResponseBody::foreign(body));
            }
            Rest::Passing => Answer::passing(guard, observer),
            Rest::Held(message) => {
                if message.notice.is_some() || message.query_id.is_some() && guard.is_shared() {
                    head.headers.remove(CONTENT_LENGTH);
                }
                let hold = Hold { held: BytesMut::new(), message, counters: shared.counters.clone() };
                Answer::holding(guard, observer, hold)
            }
        };
        Response::from_parts(head, ResponseBody::answer(body, answer))
    }
}
