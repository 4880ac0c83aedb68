//! An arriving call: reads what the switch needs from the request, then asks the switch.

use std::{
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
    time::Instant,
};

use bytes::Bytes;
use futures::FutureExt;
use grpc::{Coding, header::is_protobuf};
use http::Request;
use http_body::Body;
use protocol::{CallKind, Method};
use switch::{Arrival, etcd::Arrived};
use tower::Service;

use super::{
    Shared,
    future::Phase,
    header,
    observe::{self, Caller, ObserveConnection},
    request::RequestBody,
    undecided::{Undecided, let_in, refuse},
};

/// A call that the switch has not judged yet.
pub(super) struct Arriving<S, B: Body> {
    inner: S,
    request: Request<RequestBody<B>>,
    method: Arc<Method>,
    /// The message fields with the query id and the caller, where they are needed and readable.
    pub(super) reads: [Option<u32>; 2],
}

impl<S, B> Arriving<S, B>
where
    S: Service<Request<RequestBody<B>>>,
    B: Body<Data = Bytes> + Unpin,
{
    pub(super) fn new(
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

    /// Reads the query id and the caller, where `reads` names them.
    pub(super) fn poll_read(&mut self, cx: &mut Context<'_>) -> Poll<[Option<String>; 2]> {
        let coding = Coding::of(self.request.headers());
        let mut read = [None, None];
        for (read, field) in read.iter_mut().zip(self.reads) {
            if let Some(field) = field {
                *read = ready!(Pin::new(self.request.body_mut()).poll_string(cx, field, coding));
            }
        }
        Poll::Ready(read)
    }

    /// Asks the switch, and returns the phase that follows.
    pub(super) fn judge<O: ObserveConnection>(
        self,
        shared: &Shared,
        observer: Option<(&O, Instant)>,
        [query, caller]: [Option<&str>; 2],
    ) -> Phase<S, S::Future, B, O::Call> {
        let Self { inner, request, method, .. } = self;
        // No query has an empty id.
        let kind = if query == Some("") { CallKind::Neutral } else { method.kind };
        let query = query.filter(|id| !id.is_empty());
        let header = header::strategy(request.headers());
        let observer = observer.map(|(observer, arrived)| {
            let caller = caller.map(|caller| match method.kind {
                CallKind::LogIn => Caller::User(caller),
                _ => Caller::Session(caller),
            });
            let (head, extensions) = (request.headers(), request.extensions());
            observer.call(observe::Arriving {
                arrived,
                path: request.uri().path(),
                method: &method,
                head,
                extensions,
                caller,
                query,
                asked: header,
                heading: shared.switch.heading(),
            })
        });
        match shared.switch.try_arrive(Arrival { kind, query, header }) {
            Arrived::In(guard) => let_in(inner, request, method, observer, guard),
            Arrived::Refused(refused) => refuse(&request, observer, refused),
            Arrived::Unsure(unsure) => {
                let undecided = Box::new(Undecided { inner, request, method, observer });
                Phase::Undecided { judged: unsure.judged().boxed(), undecided: Some(undecided) }
            }
        }
    }
}
