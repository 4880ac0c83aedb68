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
    /// The phase that follows a decision of etcd.
    pub(super) fn decide(self, judged: Result<RequestGuard, Rejected>) -> Phase<S, S::Future, B, C> {
        match judged {
            Ok(guard) => self.let_in(guard),
            Err(Rejected::Mismatch(refused)) => self.refuse(refused),
            Err(Rejected::Unavailable(why)) => self.fail(&why),
        }
    }

    /// Hands the request on.
    pub(super) fn let_in(self, guard: RequestGuard) -> Phase<S, S::Future, B, C> {
        let Self { mut inner, mut request, method, mut observer } = self;
        request.body_mut().let_in(guard.strategy());
        if tracing::enabled!(tracing::Level::DEBUG) {
            Span::current().record("strategy", guard.strategy().as_str());
        }
        if let Some(observer) = &mut observer {
            observer.let_in(guard.strategy(), request.headers_mut());
        }
        let left = guard.left().map(Leaving::of);
        let call = Some(AdmittedCall { guard, method, observer });
        Phase::Inside { future: inner.call(request), call, left }
    }

    /// Answers with a 456.
    pub(super) fn refuse(self, refused: StrategyMismatch) -> Phase<S, S::Future, B, C> {
        let headers = self.request.headers();
        if let Some(observer) = self.observer {
            observer.rejected(header::strategy(headers).named());
        }
        Phase::Refused { refused, received: header::received(headers) }
    }

    /// Answers UNAVAILABLE: nobody can say whether the call may be let in.
    fn fail(self, why: &str) -> Phase<S, S::Future, B, C> {
        let response = reject::unavailable(why);
        if let Some(observer) = self.observer {
            observer.over(Some(response.headers()), Effect::Nothing);
        }
        Phase::Failed { response: Some(response) }
    }
}
