//! One call on its way to an engine, and its answer on the way back. This is the fast path.

use std::{
    future::poll_fn,
    pin::Pin,
    task::{Context, Poll},
};

use bytes::Bytes;
use h2::{Reason, client};
use http::{
    HeaderValue, Request, Response, Uri,
    header::{CONTENT_TYPE, HOST},
    uri::Scheme,
};
use http_body::{Body, Frame, SizeHint};
use tokio_util::task::AbortOnDropHandle;
use tower::Service;

use super::{
    Health, Target, Targets,
    engine::{Engine, Lease},
    replay::Replay,
};
use crate::{
    gate::header::{GRPC_MESSAGE, GRPC_STATUS},
    server::{BoxError, Incoming, Pump},
    strategy::Strategy,
};

/// How often a call is sent, if it is known not to have been served.
const ATTEMPTS: u32 = 3;
/// gRPC's UNAVAILABLE.
const UNAVAILABLE: HeaderValue = HeaderValue::from_static("14");

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
            let engine = Engine::new(target, trust, targets.connect_timeout, vitals);
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

impl<B> Service<Request<B>> for Upstream
where
    B: Body<Data = Bytes, Error: Into<BoxError>> + Send + Unpin + 'static,
{
    type Response = Response<ForwardBody>;
    type Error = BoxError;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, BoxError>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        // The gate says under which strategy it let the request in.
        let strategy = request.extensions().get::<Strategy>();
        let engine = self.engines[strategy.map_or(0, |strategy| strategy.index())].clone();
        Box::pin(forward(engine, request))
    }
}

async fn forward<B>(engine: Engine, request: Request<B>) -> Result<Response<ForwardBody>, BoxError>
where
    B: Body<Data = Bytes, Error: Into<BoxError>> + Send + Unpin + 'static,
{
    let (mut head, body) = request.into_parts();
    if head.uri.authority().is_none() {
        head.uri = absolute(&head, &engine)?;
    }
    let mut body = Replay::new(body);
    for attempt in 1.. {
        let mut lease = match engine.lease().await {
            Ok(lease) => lease,
            Err(unreachable) => {
                engine.metrics().unreachable.increment(1);
                return Ok(unavailable(&unreachable.to_string()));
            }
        };
        let is_end = body.is_end_stream();
        let sent = match poll_fn(|cx| lease.send.poll_ready(cx)).await {
            Ok(()) => lease.send.send_request(again(&head), is_end),
            Err(error) => Err(error),
        };
        let (response, stream) = match sent {
            Ok(sent) => sent,
            // The request's own fault: other connections would not take it either.
            Err(error) if !(error.is_io() || error.is_go_away() || error.is_library()) => {
                return Err(error.into());
            }
            Err(error) => {
                // Never sent: the connection takes nothing more.
                lease.give_up();
                if attempt == ATTEMPTS {
                    return fail(&engine, error);
                }
                continue;
            }
        };
        let mut upload = Pump::new(body, stream);
        let error = match answered(response, &mut upload, is_end).await {
            Ok((response, is_sent)) => {
                return Ok(response.map(|stream| ForwardBody {
                    live: Some(Live {
                        incoming: Incoming::new(stream),
                        _upload: (!is_sent).then(|| finish(upload)),
                        _lease: lease,
                    }),
                }));
            }
            Err(error) => error,
        };
        let is_unserved =
            error.is_remote() && (error.is_go_away() || error.reason() == Some(Reason::REFUSED_STREAM));
        body = upload.into_body();
        if !(is_unserved && attempt < ATTEMPTS && body.rewind()) {
            return fail(&engine, error);
        }
    }
    unreachable!("the last attempt returns")
}

/// The URI of a request that came without an authority: `Host` or the engine says it.
fn absolute(head: &http::request::Parts, engine: &Engine) -> Result<Uri, BoxError> {
    let mut uri = head.uri.clone().into_parts();
    let host = head.headers.get(HOST).and_then(|host| host.to_str().ok()).unwrap_or(engine.address());
    uri.scheme = Some(Scheme::HTTP);
    uri.authority = Some(host.parse()?);
    Ok(Uri::from_parts(uri)?)
}

/// The head of a request, to be sent now and perhaps once more.
fn again(head: &http::request::Parts) -> Request<()> {
    let mut request = Request::new(());
    *request.method_mut() = head.method.clone();
    *request.uri_mut() = head.uri.clone();
    *request.version_mut() = head.version;
    *request.headers_mut() = head.headers.clone();
    request
}

/// Sends what is left of a request beside its answer, for as long as somebody wants the answer.
fn finish<B>(mut upload: Pump<Replay<B>>) -> AbortOnDropHandle<()>
where
    B: Body<Data = Bytes, Error: Into<BoxError>> + Send + Unpin + 'static,
{
    upload.body().forget();
    AbortOnDropHandle::new(tokio::spawn(async move { poll_fn(|cx| upload.poll(cx)).await }))
}

/// The head of the answer, and whether the whole request is sent by then.
async fn answered<B>(
    mut response: client::ResponseFuture,
    upload: &mut Pump<B>,
    mut is_sent: bool,
) -> Result<(Response<h2::RecvStream>, bool), h2::Error>
where
    B: Body<Data = Bytes, Error: Into<BoxError>> + Unpin,
{
    poll_fn(|cx| {
        is_sent = is_sent || upload.poll(cx).is_ready();
        Pin::new(&mut response).poll(cx).map_ok(|response| (response, is_sent))
    })
    .await
}

/// What a client is told that gets no answer: the engine's own code where it reset the stream.
fn fail(engine: &Engine, error: h2::Error) -> Result<Response<ForwardBody>, BoxError> {
    if error.is_reset() {
        engine.metrics().reset.increment(1);
        return Err(error.into());
    }
    engine.metrics().lost.increment(1);
    Ok(unavailable(&format!("engine {} was lost: {error}", engine.url())))
}

/// UNAVAILABLE, in one HEADERS frame.
fn unavailable(why: &str) -> Response<ForwardBody> {
    let mut response = Response::new(ForwardBody { live: None });
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/grpc"));
    headers.insert(GRPC_STATUS, UNAVAILABLE);
    // A message is percent-encoded; ours are short and have nothing else to encode.
    let message: String = why.replace('%', "%25").chars().filter(|c| matches!(c, ' '..='~')).collect();
    if let Ok(message) = HeaderValue::try_from(message) {
        headers.insert(GRPC_MESSAGE, message);
    }
    response
}

/// The body of an engine's answer.
#[derive(Debug)]
pub struct ForwardBody {
    live: Option<Live>,
}

#[derive(Debug)]
struct Live {
    incoming: Incoming,
    /// What is left of the request is sent until this is dropped.
    _upload: Option<AbortOnDropHandle<()>>,
    _lease: Lease,
}

impl Body for ForwardBody {
    type Data = Bytes;
    type Error = h2::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, h2::Error>>> {
        let Some(live) = &mut self.live else { return Poll::Ready(None) };
        Pin::new(&mut live.incoming).poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.live.as_ref().is_none_or(|live| live.incoming.is_end_stream())
    }

    fn size_hint(&self) -> SizeHint {
        self.live.as_ref().map_or_else(|| SizeHint::with_exact(0), |live| live.incoming.size_hint())
    }
}

#[cfg(test)]
mod tests;
