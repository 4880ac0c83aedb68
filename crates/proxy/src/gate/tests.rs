//! The gate over a `service_fn`: what is judged, what reaches the backend, what comes back.

mod kept;
mod notices;
mod plans;
mod queries;
mod rejections;
mod shared;
mod watched;
mod wire;

use std::{
    collections::VecDeque,
    convert::Infallible,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    task::{Context, Poll},
};

use bytes::Bytes;
use grpc::{Prefix, string_field};
use http::{HeaderMap, HeaderValue, Request, Response, header::CONTENT_TYPE};
use http_body::{Body, Frame};
use http_body_util::BodyExt;
use parking_lot::Mutex;
use switch::Rules;
use tower::{Layer, ServiceExt, service_fn};

use super::*;

/// A body of given frames.
#[derive(Clone, Debug, Default)]
struct Frames {
    left: VecDeque<Result<Bytes, HeaderMap>>,
}

impl Frames {
    fn data(chunks: impl IntoIterator<Item = impl Into<Bytes>>) -> Self {
        Self { left: chunks.into_iter().map(|chunk| Ok(chunk.into())).collect() }
    }

    fn status(mut self, status: &'static str) -> Self {
        let trailers = HeaderMap::from_iter([(grpc::header::GRPC_STATUS, HeaderValue::from_static(status))]);
        self.left.push_back(Err(trailers));
        self
    }
}

impl Body for Frames {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        Poll::Ready(self.left.pop_front().map(|frame| Ok(frame.map_or_else(Frame::trailers, Frame::data))))
    }

    fn is_end_stream(&self) -> bool {
        self.left.is_empty()
    }
}

/// The requests that reached the backend.
#[derive(Clone, Debug, Default)]
struct Seen {
    calls: Arc<AtomicUsize>,
    body: Arc<Mutex<Vec<u8>>>,
}

/// A gate before a backend that answers everything with `response`.
struct Bench {
    switch: Switch,
    layer: GateLayer,
    seen: Seen,
    response: Response<Frames>,
}

fn bench(mismatch: Mismatch, response: Response<Frames>) -> Bench {
    let (switch, _timer) = Switch::new(Rules { switch_every: None, ..Rules::default() });
    let layer = GateLayer::new(switch.clone(), Protocol::default(), mismatch);
    Bench { switch, layer, seen: Seen::default(), response }
}

impl Bench {
    async fn send(&self, request: Request<Frames>) -> Response<ResponseBody<Frames>> {
        let (seen, response) = (self.seen.clone(), self.response.clone());
        let backend = service_fn(move |request: Request<RequestBody<Frames>>| {
            let (seen, response) = (seen.clone(), response.clone());
            async move {
                seen.calls.fetch_add(1, Ordering::Relaxed);
                let body = request.into_body().collect().await?.to_bytes();
                *seen.body.lock() = body.to_vec();
                Ok::<_, Infallible>(response)
            }
        });
        self.layer.layer(backend).oneshot(request).await.unwrap()
    }

    /// The head, the bytes and the trailers that a client gets.
    async fn fetch(&self, request: Request<Frames>) -> (http::response::Parts, Vec<u8>, Option<HeaderMap>) {
        let (head, body) = self.send(request).await.into_parts();
        let body = body.collect().await.unwrap();
        let trailers = body.trailers().cloned();
        (head, body.to_bytes().to_vec(), trailers)
    }

    fn calls(&self) -> usize {
        self.seen.calls.load(Ordering::Relaxed)
    }

    fn on_record(&self) -> [u64; 2] {
        let snapshot = self.switch.snapshot();
        assert_eq!(snapshot.requests, [0, 0], "nothing is in progress");
        snapshot.queries
    }
}

fn request(method: &str, strategy: Option<&str>, body: Frames) -> Request<Frames> {
    let mut request =
        Request::post(format!("/QueryEngineService/{method}")).header(CONTENT_TYPE, "application/grpc");
    if let Some(strategy) = strategy {
        request = request.header("strategy", strategy);
    }
    request.body(body).unwrap()
}

fn grpc(body: Frames) -> Response<Frames> {
    Response::builder().header(CONTENT_TYPE, "application/grpc").body(body).unwrap()
}

fn framed(flag: u8, message: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::new();
    Prefix { flag, len: message.len() as u32 }.write(&mut bytes);
    bytes.extend_from_slice(message);
    bytes
}

fn gzip(message: &[u8]) -> Vec<u8> {
    use std::io::Write;
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    encoder.write_all(message).unwrap();
    encoder.finish().unwrap()
}

fn zlib(message: &[u8]) -> Vec<u8> {
    use std::io::Write;
    let mut encoder = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::default());
    encoder.write_all(message).unwrap();
    encoder.finish().unwrap()
}

/// A request message with its query id in field 3, as most have it.
fn about(id: &str) -> Vec<u8> {
    framed(0, &[string_field(2, "session"), string_field(3, id)].concat())
}

/// The answer of a prepare.
fn prepared(id: &str) -> Vec<u8> {
    [string_field(1, "127.0.0.1"), string_field(2, id)].concat()
}
