//! Forwards one call to an engine, and the response back. This is the fast path.

use std::{
    future::poll_fn,
    pin::Pin,
    task::{Context, Poll},
};

use bytes::Bytes;
use grpc::{Failure, header::is_grpc};
use http::{
    Request, Response, Uri,
    header::HOST,
    request::Parts,
    uri::{self, Scheme},
};
use http_body::Body;
use http2::{RawAuthority, client};
use protocol::Strategy;
use tokio::task::yield_now;
use tower::Service;

use super::{
    Authority, Health, Target, Targets,
    body::{ForwardBody, Live},
    endpoint::{Endpoint, Pace},
    metadata,
    permit::PooledStream,
    refusal,
    replay::Replay,
    retry::{Retry, Way, is_orderly},
    upload::Upload,
};
use crate::{
    gate::RequestBody,
    server::{BoxError, Incoming},
};

/// How many connections may fail to accept a call before anything of it is sent.
const NOT_SENT: u32 = 10;

/// Forwards each call to the engine of its strategy.
#[derive(Clone, Debug)]
pub struct Upstream {
    /// By [`Strategy::index`]; the same endpoint twice if one engine serves both.
    endpoints: [Endpoint; 2],
    /// The authorities under which the engines get calls; `None` if these keep the client's.
    authorities: [Option<uri::Authority>; 2],
}

impl Upstream {
    /// Creates the upstream of one network thread. It reports to `health`. Call it within the thread's runtime.
    pub fn connect(targets: &Targets, health: &Health) -> Self {
        let endpoint = |target: &Target, strategy| {
            let (trust, stats) = (targets.trust.clone(), health.stats(strategy));
            let endpoint = Endpoint::new(target, trust, targets.connect_timeout, stats, Pace::default());
            endpoint.warm_up();
            endpoint.keep_resolved(targets.resolve_every);
            endpoint
        };
        let blue = endpoint(&targets.blue, Strategy::Blue);
        let green = if targets.green == targets.blue {
            blue.clone()
        } else {
            endpoint(&targets.green, Strategy::Green)
        };
        let authorities = [&targets.blue, &targets.green].map(|target| match targets.authority {
            Authority::Client => None,
            Authority::Engine => Some(target.authority()),
        });
        Self { endpoints: [blue, green], authorities }
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
        let index = strategy.map_or(0, |strategy| strategy.index());
        let (endpoint, authority) = (self.endpoints[index].clone(), self.authorities[index].clone());
        let (head, body) = request.into_parts();
        Box::pin(forward(endpoint, authority, head, Replay::new(body)))
    }
}

/// Sends a call, and retries it if it is known not to have been processed.
#[expect(clippy::manual_async_fn, reason = "an async fn holds its arguments twice")]
fn forward<B>(
    endpoint: Endpoint,
    authority: Option<uri::Authority>,
    head: Parts,
    mut body: Replay<B>,
) -> impl Future<Output = Result<Response<ForwardBody>, BoxError>> + Send
where
    B: Body<Data = Bytes, Error: Into<BoxError>> + Send + Unpin + 'static,
{
    async move {
        let mut request = Request::from_parts(head, ());
        let is_grpc = is_grpc(request.headers());
        let header_list = match metadata::check(request.headers()) {
            Ok(size) => size,
            Err(name) => {
                let why = format!("malformed binary metadata: the value of {name} is not base64");
                return Ok(refusal::answer(Failure::Internal, &why, is_grpc));
            }
        };
        set_authority(&mut request, authority, &endpoint)?;
        let (mut retry, mut way, mut not_sent) = (Retry::default(), Way::Shared, 0);
        loop {
            let stream = match way {
                Way::Shared => endpoint.checkout().await,
                Way::Alone => endpoint.checkout_alone().await,
            };
            let stream = match stream {
                // If the call breaks the connection, no other call is affected.
                Ok(stream) if way == Way::Shared && endpoint.is_suspect(&stream, header_list) => {
                    way = Way::Alone;
                    continue;
                }
                Ok(stream) => stream,
                Err(unreachable) => {
                    endpoint.metrics().unreachable.increment(1);
                    return Ok(refusal::answer(Failure::Unavailable, &unreachable.to_string(), is_grpc));
                }
            };
            let PooledStream { mut send, mut permit } = stream;
            let is_end = body.is_end_stream();
            let (response, stream) = match send.send_request(&request, is_end) {
                Ok(sent) => sent,
                // The connection has ended, or a completed call still holds its place. Nothing was sent.
                Err(error) if (is_lost(&error) || error.is_full()) && not_sent < NOT_SENT => {
                    not_sent += 1;
                    yield_now().await;
                    continue;
                }
                Err(error) if is_lost(&error) || error.is_full() => {
                    return Ok(refusal::answer(Failure::Unavailable, &permit.lost(&error), is_grpc));
                }
                Err(error) => match error.oversized_header_list() {
                    Some((size, most)) => {
                        let why = format!(
                            "the request metadata has {size} bytes, engine {} accepts {most}",
                            endpoint.url()
                        );
                        return Ok(refusal::answer(Failure::ResourceExhausted, &why, is_grpc));
                    }
                    // The request itself is invalid; other connections would not accept it either.
                    None => return Err(error.into()),
                },
            };
            drop(send);
            let mut upload = Upload::new(body, stream, permit.stats().clone());
            let error = match answered(response, &mut upload, is_end).await {
                Ok((response, is_sent)) => {
                    permit.answered();
                    endpoint.prove(header_list);
                    return Ok(response.map(|stream| {
                        let incoming = Incoming::new(stream);
                        let request = if is_sent { upload.into_sent() } else { upload.send_beside() };
                        ForwardBody::new(Live { incoming, request, permit, is_grpc })
                    }));
                }
                Err(error) => error,
            };
            if is_lost(&error) && !is_orderly(&error) {
                endpoint.forget();
            }
            let unserved = upload.into_body().and_then(Replay::rewound);
            match unserved.zip(retry.after(&error)) {
                Some((unserved, next)) => (body, way) = (unserved, next),
                // The engine itself failed this call.
                None if !is_lost(&error) => {
                    permit.was_reset(&error);
                    return Err(error.into());
                }
                None => return Ok(refusal::answer(Failure::Unavailable, &permit.lost(&error), is_grpc)),
            }
        }
    }
}

/// Returns whether the connection failed, rather than one call.
fn is_lost(error: &http2::Error) -> bool {
    error.is_io() || error.is_go_away()
}

/// Sets the authority of a request to this one. With `None` it keeps its own; if it has none, it gets that of `Host`, or
/// the engine's address.
fn set_authority(
    request: &mut Request<()>,
    authority: Option<uri::Authority>,
    endpoint: &Endpoint,
) -> Result<(), BoxError> {
    let is_replaced = authority.is_some();
    let has_one = request.uri().authority().is_some() || request.extensions().get::<RawAuthority>().is_some();
    if has_one && !is_replaced {
        return Ok(());
    }
    let host = || request.headers().get(HOST).and_then(|host| host.to_str().ok());
    let authority = match authority {
        Some(authority) => authority,
        None => host().unwrap_or(endpoint.address()).parse()?,
    };
    let mut uri = request.uri().clone().into_parts();
    uri.scheme = Some(uri.scheme.unwrap_or(Scheme::HTTP));
    uri.authority = Some(authority);
    *request.uri_mut() = Uri::from_parts(uri)?;
    if is_replaced {
        // They would contradict it.
        request.extensions_mut().remove::<RawAuthority>();
        request.headers_mut().remove(HOST);
    }
    Ok(())
}

/// Builds the response from its head and the state of the request body.
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
