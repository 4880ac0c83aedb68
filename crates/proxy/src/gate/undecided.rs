//! A call whose request is read, until the switch has decided about it. With several instances etcd may have to be asked.

use std::sync::Arc;

use bytes::Bytes;
use http::Request;
use http_body::Body;
use protocol::Method;
use switch::{Effect, RequestGuard, StrategyMismatch, etcd::Rejected};
use tower::Service;
use tracing::Span;

use super::{
    admitted::AdmittedCall, future::Phase, header, left::Leaving, observe::ObserveCall, reject,
    request::RequestBody,
};

/// The call, with all that the service behind needs.
pub(super) struct Undecided<S, B: Body, C> {
    pub(super) inner: S,
    pub(super) request: Request<RequestBody<B>>,
    pub(super) method: Arc<Method>,
    pub(super) observer: Option<C>,
}

impl<S, B, C> Undecided<S, B, C>
where
    S: Service<Request<RequestBody<B>>>,
    B: Body<Data = Bytes>,
    C: ObserveCall,
{
    /// The phase that follows once etcd was asked.
    pub(super) fn decide(self, judged: Result<RequestGuard, Rejected>) -> Phase<S, S::Future, B, C> {
        let Self { inner, request, method, observer } = self;
        match judged {
            Ok(guard) => let_in(inner, request, method, observer, guard),
            Err(Rejected::Mismatch(refused)) => refuse(&request, observer, refused),
            Err(Rejected::Unavailable(why)) => fail(observer, &why),
        }
    }
}

/// Hands the request on.
#[inline]
pub(super) fn let_in<S, B, C>(
    mut inner: S,
    mut request: Request<RequestBody<B>>,
    method: Arc<Method>,
    mut observer: Option<C>,
    guard: RequestGuard,
) -> Phase<S, S::Future, B, C>
where
    S: Service<Request<RequestBody<B>>>,
    B: Body<Data = Bytes>,
    C: ObserveCall,
{
    request.body_mut().let_in(guard.strategy());
    if tracing::enabled!(tracing::Level::DEBUG) {
        Span::current().record("strategy", guard.strategy().as_str());
    }
    if let Some(observer) = &mut observer {
        observer.let_in(guard.strategy(), request.headers_mut());
        if let Some(counter) = observer.request_counter() {
            request.body_mut().observe(counter, observer.message_tap());
        }
    }
    let left = guard.left().map(Leaving::of);
    let call = Some(AdmittedCall { guard, method, observer });
    Phase::Inside { future: inner.call(request), call, left }
}

/// Answers with a 456.
pub(super) fn refuse<S, F, B: Body, C: ObserveCall>(
    request: &Request<RequestBody<B>>,
    observer: Option<C>,
    refused: StrategyMismatch,
) -> Phase<S, F, B, C> {
    if let Some(observer) = observer {
        observer.rejected(header::strategy(request.headers()).named());
    }
    Phase::Refused { refused, received: header::received(request.headers()) }
}

/// Answers UNAVAILABLE: nobody can say whether the call may be let in.
fn fail<S, F, B: Body, C: ObserveCall>(observer: Option<C>, why: &str) -> Phase<S, F, B, C> {
    let response = reject::unavailable(why);
    if let Some(observer) = observer {
        observer.over(Some(response.headers()), Effect::Nothing);
    }
    Phase::Failed { response: Some(Box::new(response)) }
}
