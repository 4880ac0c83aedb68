//! One call on its way to an engine, and its answer on the way back. This is the fast path.

use std::{
    future::poll_fn,
    pin::Pin,
    task::{Context, Poll},
};

use bytes::Bytes;
use http::{Request, Response, Uri, header::HOST, request::Parts, uri::Scheme};
use http_body::Body;
use http2::{RawAuthority, client};
use tokio::task::yield_now;
use tower::Service;

use super::{
    Health, Target, Targets,
    body::{ForwardBody, Live, unavailable},
    engine::{Engine, Pace},
    pool::Lease,
    replay::Replay,
    upload::Upload,
};
use crate::{
    gate::{RequestBody, header::is_grpc},
    server::{BoxError, Incoming},
    strategy::Strategy,
};

/// How often a call is sent that an engine refuses.
const ATTEMPTS: u32 = 3;
/// How often, where it is connections that end before it is served: that says nothing of the call.
const CONNECTIONS: u32 = 10;

/// Forwards each call to the engine of its strategy.
#[derive(Clone, Debug)]
pub struct Upstream {
    /// By [`Strategy::index`]: the same one twice, where one engine serves both.
    engines: [Engine; 2],
}

impl Upstream {
    /// Forwards to these engines, from one network thread, and tells `health` how they are. Within the
    /// thread's runtime.
    pub fn connect(targets: &Targets, health: &Health) -> Self {
        let engine = |target: &Target, strategy| {
            let (trust, vitals) = (targets.trust.clone(), health.vitals(strategy));
            let engine = Engine::new(target, trust, targets.connect_timeout, vitals, Pace::default());
            engine.warm_up();
            engine
        };
        let blue = engine(&targets.blue, Strategy::Blue);
        let green = if targets.green == targets.blue {
            blue.clone()
        } else {
            engine(&targets.green, Strategy::Green)
        };
        Self { engines: [blue, green] }
    }
}

impl<B> Service<Request<RequestBody<B>>> for Upstream
where
    B: Body<Data = Bytes, Error: Into<BoxError> + Send> + Send + Unpin + 'static,
{
    type Response = Response<ForwardBody>;
    type Error = BoxError;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, BoxError>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<RequestBody<B>>) -> Self::Future {
        let strategy = request.body().strategy();
        let engine = self.engines[strategy.map_or(0, |strategy| strategy.index())].clone();
        let (head, body) = request.into_parts();
        Box::pin(forward(engine, head, Replay::new(body)))
    }
}

/// Sends a call, and again where it is known not to have been served.
#[expect(clippy::manual_async_fn, reason = "an async fn holds its arguments twice")]
fn forward<B>(
    engine: Engine,
    head: Parts,
    mut body: Replay<B>,
) -> impl Future<Output = Result<Response<ForwardBody>, BoxError>> + Send
where
    B: Body<Data = Bytes, Error: Into<BoxError>> + Send + Unpin + 'static,
{
    async move {
        let mut request = Request::from_parts(head, ());
        let is_grpc = is_grpc(request.headers());
        if request.uri().authority().is_none() && request.extensions().get::<RawAuthority>().is_none() {
            *request.uri_mut() = absolute(&request, &engine)?;
        }
        for attempt in 1.. {
            let Lease { mut send, place } = match engine.lease().await {
                Ok(lease) => lease,
                Err(unreachable) => {
                    engine.metrics().unreachable.increment(1);
                    return Ok(unavailable(&unreachable.to_string(), is_grpc));
                }
            };
            let is_end = body.is_end_stream();
            let (response, stream) = match send.send_request(&request, is_end) {
                Ok(sent) => sent,
                // Never sent: the connection took nothing more.
                Err(error) if is_lost(&error) && attempt < CONNECTIONS => continue,
                // A call that is over still has its place there.
                Err(error) if error.is_full() && attempt < CONNECTIONS => {
                    yield_now().await;
                    continue;
                }
                Err(error) if is_lost(&error) || error.is_full() => {
                    return Ok(unavailable(&place.lost(&error), is_grpc));
                }
                // The request's own fault: other connections would not take it either.
                Err(error) => return Err(error.into()),
            };
            drop(send);
            let mut upload = Upload::new(body, stream, place.load().clone());
            let error = match answered(response, &mut upload, is_end).await {
                Ok((response, is_sent)) => {
                    return Ok(response.map(|stream| {
                        let incoming = Incoming::new(stream);
                        let request = if is_sent { upload.into_sent() } else { upload.send_beside() };
                        ForwardBody::new(Live { incoming, request, place, is_grpc })
                    }));
                }
                Err(error) => error,
            };
            let is_unserved = error.is_unprocessed();
            let most = if is_lost(&error) { CONNECTIONS } else { ATTEMPTS };
            let unserved = upload.into_body().filter(|_| is_unserved && attempt < most);
            match unserved.and_then(Replay::rewound) {
                Some(unserved) => body = unserved,
                // The engine's own word on this call.
                _ if !is_lost(&error) => {
                    place.was_reset(&error);
                    return Err(error.into());
                }
                _ => return Ok(unavailable(&place.lost(&error), is_grpc)),
            }
        }
        unreachable!("the last attempt returns")
    }
}

/// Whether it is the connection that failed, not one call.
fn is_lost(error: &http2::Error) -> bool {
    error.is_io() || error.is_go_away()
}

/// The URI of a request that came without an authority: `Host` or the engine says it.
fn absolute(request: &Request<()>, engine: &Engine) -> Result<Uri, BoxError> {
    let mut uri = request.uri().clone().into_parts();
    let host = request.headers().get(HOST).and_then(|host| host.to_str().ok()).unwrap_or(engine.address());
    uri.scheme = Some(Scheme::HTTP);
    uri.authority = Some(host.parse()?);
    Ok(Uri::from_parts(uri)?)
}

/// The head of the answer, and whether the whole request is sent by then.
fn answered<B>(
    mut response: client::ResponseFuture,
    upload: &mut Upload<B>,
    mut is_sent: bool,
) -> impl Future<Output = Result<(Response<http2::RecvStream>, bool), http2::Error>>
where
    B: Body<Data = Bytes, Error: Into<BoxError>> + Unpin,
{
    poll_fn(move |cx| {
        is_sent = is_sent || upload.poll(cx).is_ready();
        Pin::new(&mut response).poll(cx).map_ok(|response| (response, is_sent))
    })
}

#[cfg(test)]
pub(super) mod tests;
