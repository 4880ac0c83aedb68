//! A client's connection: makes one gRPC call at a time, and recognizes a 456 as clients do.

use std::{
    error::Error as _,
    pin::Pin,
    task::{Context, Poll, ready},
    time::Duration,
};

use bytes::Bytes;
use http::{Request, Response, uri::PathAndQuery};
use http_body::{Frame, SizeHint};
use prost::Message;
use tokio::time::{Instant, Sleep, sleep};
use tonic::{
    Code, Status,
    body::Body,
    client::Grpc,
    metadata::MetadataMap,
    transport::{Channel, Endpoint},
};
use tonic_prost::ProstCodec;

/// The pause between two parts of a response for a slow reader, and the size of a part.
const SLOWLY: Duration = Duration::from_millis(20);
const SMALL_WINDOW: u32 = 2 << 10;

/// Why a call failed.
#[derive(Clone, Debug)]
pub(super) struct CallError {
    pub(super) call: &'static str,
    pub(super) strategy: Option<protocol::Strategy>,
    pub(super) code: Option<Code>,
    pub(super) message: String,
    /// There was no response: the connection or the engine was lost.
    pub(super) is_broken: bool,
}

impl CallError {
    pub(super) fn of(call: &'static str, status: &Status) -> Self {
        let code = status.code();
        // A status from headers has no source; a transport error has one.
        let is_broken = status.source().is_some()
            || code == Code::Unavailable && !status.message().contains("status: 503");
        let message = match status.source() {
            Some(source) => format!("{}: {}", status.message(), last(source)),
            None => status.message().to_owned(),
        };
        Self { call, strategy: None, code: Some(code), message, is_broken }
    }

    /// A 456 in any encoding: clients look for it in the details.
    pub(super) fn is_refused(&self) -> bool {
        let said = |words| self.message.contains(words);
        self.code == Some(Code::Unknown) && (said("status: 456") || said("HTTP status code 456"))
    }

    /// An unknown session, by the engine's words.
    pub(super) fn is_access_denied(&self) -> bool {
        self.code == Some(Code::Internal) && self.message.contains("Access denied")
    }

    /// A 456 in the only encoding that clients with a token know.
    pub(super) fn is_refused_to_a_token(&self) -> bool {
        self.code == Some(Code::Unknown) && self.message == "status: 456"
    }

    /// The cluster is suspended, in words that the client knows.
    pub(super) fn is_suspended(&self, has_token: bool) -> bool {
        let is_known = match has_token {
            true => self.message == "status: 503, cluster is suspended",
            false => self.message.contains("status: 503"),
        };
        self.code == Some(Code::Unavailable) && is_known
    }
}

fn last<'a>(mut error: &'a (dyn std::error::Error + 'static)) -> &'a (dyn std::error::Error + 'static) {
    while let Some(source) = error.source() {
        error = source;
    }
    error
}

/// A connection, opened by its first call.
#[derive(Clone, Debug)]
pub(super) struct Line {
    grpc: Grpc<Slow>,
}

impl Line {
    pub(super) fn new(server: &Endpoint, is_slow: bool) -> Self {
        let channel = match is_slow {
            true => server.clone().initial_stream_window_size(SMALL_WINDOW).connect_lazy(),
            false => server.connect_lazy(),
        };
        let grpc = Grpc::new(Slow { channel, is_slow }).max_decoding_message_size(usize::MAX);
        Self { grpc }
    }

    /// Makes one call. `path` is `/Service/method`.
    pub(super) async fn call<Q, A>(
        &mut self,
        path: &'static str,
        metadata: MetadataMap,
        message: Q,
    ) -> Result<A, Status>
    where
        Q: Message + 'static,
        A: Message + Default + 'static,
    {
        self.grpc.ready().await.map_err(|error| Status::from_error(error.into()))?;
        let request = tonic::Request::from_parts(metadata, tonic::Extensions::new(), message);
        let codec = ProstCodec::<Q, A>::default();
        Ok(self.grpc.unary(request, PathAndQuery::from_static(path), codec).await?.into_inner())
    }
}

/// A channel whose responses may be read slowly.
#[derive(Clone, Debug)]
struct Slow {
    channel: Channel,
    is_slow: bool,
}

impl tower::Service<Request<Body>> for Slow {
    type Response = Response<Body>;
    type Error = tonic::transport::Error;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Self::Error>> + Send>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.channel.poll_ready(cx)
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        let (answer, is_slow) = (self.channel.call(request), self.is_slow);
        Box::pin(async move {
            let answer = answer.await?;
            Ok(match is_slow {
                true => answer.map(|inner| Body::new(SlowBody { inner, pause: Box::pin(sleep(SLOWLY)) })),
                false => answer,
            })
        })
    }
}

/// A body with a pause before each frame.
struct SlowBody {
    inner: Body,
    pause: Pin<Box<Sleep>>,
}

impl http_body::Body for SlowBody {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        ready!(self.pause.as_mut().poll(cx));
        let frame = ready!(Pin::new(&mut self.inner).poll_frame(cx));
        self.pause.as_mut().reset(Instant::now() + SLOWLY);
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}
