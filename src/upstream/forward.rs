//! One call on its way to an engine, and its answer on the way back. This is the fast path.

use std::{
    future::poll_fn,
    pin::Pin,
    task::{Context, Poll},
};

use bytes::Bytes;
use h2::{Reason, client};
use http::{HeaderValue, Request, Response, header::CONTENT_TYPE};
use http_body::{Body, Frame, SizeHint};
use tower::Service;

use super::{
    Target, Targets,
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
    /// Forwards to these engines, from one network thread. Within its runtime.
    pub fn connect(targets: &Targets) -> Self {
        let engine = |target: &Target| {
            let engine = Engine::new(target, targets.connect_timeout);
            engine.warm_up();
            engine
        };
        let blue = engine(&targets.blue);
        let green = if targets.green == targets.blue { blue.clone() } else { engine(&targets.green) };
        Self { engines: [blue, green] }
    }
}

impl<B> Service<Request<B>> for Upstream
where
    B: Body<Data = Bytes, Error: Into<BoxError>> + Send + Unpin + 'static,
{
    type Response = Response<ForwardBody<B>>;
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

async fn forward<B>(engine: Engine, request: Request<B>) -> Result<Response<ForwardBody<B>>, BoxError>
where
    B: Body<Data = Bytes, Error: Into<BoxError>> + Unpin,
{
    let (head, body) = request.into_parts();
    let mut body = Replay::new(body);
    for attempt in 1.. {
        let mut lease = match engine.lease().await {
            Ok(lease) => lease,
            Err(unreachable) => return Ok(unavailable(&unreachable.into())),
        };
        let is_end = body.is_end_stream();
        let mut again = Request::new(());
        *again.method_mut() = head.method.clone();
        *again.uri_mut() = head.uri.clone();
        *again.version_mut() = head.version;
        *again.headers_mut() = head.headers.clone();
        let sent = match poll_fn(|cx| lease.send.poll_ready(cx)).await {
            Ok(()) => lease.send.send_request(again, is_end),
            Err(error) => Err(error),
        };
        let (response, stream) = match sent {
            Ok(sent) => sent,
            Err(error) if error.is_io() || error.is_go_away() || attempt < ATTEMPTS => {
                // Never sent: the connection takes nothing more.
                lease.give_up();
                continue;
            }
            Err(error) => return Err(error.into()),
        };
        let mut upload = (!is_end).then(|| Pump::new(body, stream));
        let error = match answered(response, &mut upload).await {
            Ok(response) => {
                if let Some(upload) = &mut upload {
                    upload.body().forget();
                }
                return Ok(response.map(|stream| ForwardBody {
                    live: Some(Live { incoming: Incoming::new(stream), upload, _lease: lease }),
                }));
            }
            Err(error) => error,
        };
        let is_unserved =
            error.is_remote() && (error.is_go_away() || error.reason() == Some(Reason::REFUSED_STREAM));
        let Some(upload) = upload else { return fail(&engine, error) };
        body = upload.into_body();
        if !(is_unserved && attempt < ATTEMPTS && body.rewind()) {
            return fail(&engine, error);
        }
    }
    unreachable!("the last attempt returns")
}

/// The head of the answer. What is left of the request is sent meanwhile.
async fn answered<B>(
    mut response: client::ResponseFuture,
    upload: &mut Option<Pump<B>>,
) -> Result<Response<h2::RecvStream>, h2::Error>
where
    B: Body<Data = Bytes, Error: Into<BoxError>> + Unpin,
{
    poll_fn(|cx| {
        if let Some(upload) = upload {
            _ = upload.poll(cx);
        }
        Pin::new(&mut response).poll(cx)
    })
    .await
}

/// What a client is told that gets no answer: the engine's own code where it reset the stream.
fn fail<B>(engine: &Engine, error: h2::Error) -> Result<Response<ForwardBody<B>>, BoxError> {
    if error.is_reset() {
        return Err(error.into());
    }
    Ok(unavailable(&format!("engine {} was lost: {error}", engine.url()).into()))
}

/// UNAVAILABLE, in one HEADERS frame.
fn unavailable<B>(why: &BoxError) -> Response<ForwardBody<B>> {
    let mut response = Response::new(ForwardBody { live: None });
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/grpc"));
    headers.insert(GRPC_STATUS, UNAVAILABLE);
    // A message is percent-encoded; ours are short and have nothing else to encode.
    let message: String =
        why.to_string().replace('%', "%25").chars().filter(|c| matches!(c, ' '..='~')).collect();
    if let Ok(message) = HeaderValue::try_from(message) {
        headers.insert(GRPC_MESSAGE, message);
    }
    response
}

/// The body of an engine's answer. Sends what is left of the request while it is read.
#[derive(Debug)]
pub struct ForwardBody<B> {
    live: Option<Live<B>>,
}

#[derive(Debug)]
struct Live<B> {
    incoming: Incoming,
    upload: Option<Pump<Replay<B>>>,
    _lease: Lease,
}

impl<B> Body for ForwardBody<B>
where
    B: Body<Data = Bytes, Error: Into<BoxError>> + Unpin,
{
    type Data = Bytes;
    type Error = h2::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, h2::Error>>> {
        let Some(live) = &mut self.live else { return Poll::Ready(None) };
        if let Some(upload) = &mut live.upload
            && upload.poll(cx).is_ready()
        {
            live.upload = None;
        }
        Pin::new(&mut live.incoming).poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.live.as_ref().is_none_or(|live| live.incoming.is_end_stream())
    }

    fn size_hint(&self) -> SizeHint {
        self.live.as_ref().map_or_else(|| SizeHint::with_exact(0), |live| live.incoming.size_hint())
    }
}
