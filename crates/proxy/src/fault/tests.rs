//! The layer over a `service_fn`, in paused time: the effect of each rule on a call.

mod answers;
mod matching;
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
    time::Duration,
};

use bytes::Bytes;
use grpc::{Prefix, header::GRPC_STATUS, string_field};
use http::{HeaderMap, HeaderValue, Request, Response, header::CONTENT_TYPE};
use http_body::{Body, Frame};
use http_body_util::BodyExt;
use protocol::{Protocol, Strategy};
use switch::{Rules, Switch};
use tokio::time::Instant;
use tower::{Layer, ServiceExt, service_fn};

use super::*;
use crate::gate::{GateLayer, Mismatch};

/// A body of fixed frames.
#[derive(Clone, Debug, Default)]
struct Frames {
    left: VecDeque<Result<Bytes, HeaderMap>>,
}

impl Frames {
    fn data(chunks: impl IntoIterator<Item = impl Into<Bytes>>) -> Self {
        Self { left: chunks.into_iter().map(|chunk| Ok(chunk.into())).collect() }
    }

    fn ok(mut self) -> Self {
        self.left.push_back(Err(HeaderMap::from_iter([(GRPC_STATUS, HeaderValue::from_static("0"))])));
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

/// A layer in front of a backend that responds to everything with `answer`.
struct Bench {
    faults: Faults,
    switch: Switch,
    calls: Arc<AtomicUsize>,
    answer: Vec<u8>,
}

/// Creates a bench with these rules.
fn bench(rules: &[&str]) -> Bench {
    bench_with(rules, false)
}

fn bench_with(rules: &[&str], by_header: bool) -> Bench {
    let settings = Rules { switch_every: None, ..Rules::default() };
    let (switch, _timer) = Switch::new(settings);
    let (switch_too, event_log) = (Some(switch.clone()), switch.event_log().clone());
    let faults = Faults::new(by_header, FaultContext { switch: switch_too, collector: None, event_log });
    for rule in rules {
        faults.add(rule.parse().unwrap(), Source::Start).unwrap();
    }
    Bench { faults, switch, calls: Arc::default(), answer: framed(b"\x0a\x03abc") }
}

/// The result of a call.
#[derive(Debug)]
struct Seen {
    head: http::response::Parts,
    data: Vec<u8>,
    trailers: Option<HeaderMap>,
    took: Duration,
}

impl Seen {
    fn faults(&self) -> Vec<&str> {
        self.head.headers.get_all(TEAL_FAULT).iter().map(|id| id.to_str().unwrap()).collect()
    }

    fn status(&self) -> (u16, &str, String) {
        let get = |name: &str| self.head.headers.get(name).map(|value| value.to_str().unwrap());
        (
            self.head.status.as_u16(),
            get("grpc-status").unwrap_or_default(),
            get("grpc-message").unwrap_or_default().to_owned(),
        )
    }
}

impl Bench {
    fn layer(&self) -> FaultLayer {
        FaultLayer::new(self.faults.clone())
    }

    async fn send(&self, request: Request<Frames>) -> Result<Seen, BoxError> {
        let (calls, answer) = (self.calls.clone(), self.answer.clone());
        let backend = service_fn(move |request: Request<RequestBody<Frames>>| {
            let (calls, answer) = (calls.clone(), answer.clone());
            async move {
                calls.fetch_add(1, Ordering::Relaxed);
                request.into_body().collect().await?;
                let body = Frames::data([answer]).ok();
                Ok::<_, Infallible>(
                    Response::builder().header(CONTENT_TYPE, "application/grpc").body(body).unwrap(),
                )
            }
        });
        let start = Instant::now();
        let mut request = request.map(RequestBody::new);
        // As the gate does.
        if let Some(strategy) = request.extensions_mut().remove::<Strategy>() {
            request.body_mut().let_in(strategy);
        }
        let response = self.layer().layer(backend).oneshot(request).await?;
        let (head, body) = response.into_parts();
        let body = body.collect().await?;
        let trailers = body.trailers().cloned();
        Ok(Seen { head, data: body.to_bytes().to_vec(), trailers, took: start.elapsed() })
    }

    async fn call(&self, method: &str) -> Seen {
        self.send(request(method, &[])).await.unwrap()
    }

    fn calls(&self) -> usize {
        self.calls.load(Ordering::Relaxed)
    }

    fn hits(&self) -> Vec<u64> {
        self.faults.list().iter().map(|listed| listed.hits).collect()
    }
}

fn request(method: &str, message: &[u8]) -> Request<Frames> {
    let request =
        Request::post(format!("/QueryEngineService/{method}")).header(CONTENT_TYPE, "application/grpc");
    request.body(Frames::data([framed(message)])).unwrap()
}

fn framed(message: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::new();
    Prefix { flag: 0, len: message.len() as u32 }.write(&mut bytes);
    bytes.extend_from_slice(message);
    bytes
}

/// A request that names a query.
fn about(method: &str, query: &str) -> Request<Frames> {
    request(method, &[string_field(2, "session"), string_field(3, query)].concat())
}
