//! The simulated engines: slow, they forget idle queries, and check which strategy they serve.

use std::{
    collections::HashMap,
    convert::Infallible,
    pin::Pin,
    rc::Rc,
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use grpc::{Prefix, read_string, string_field};
use http::{HeaderMap, HeaderValue, Request, Response, header::CONTENT_TYPE};
use http_body::{Body, Frame};
use http_body_util::{BodyExt, Full};
use proxy::gate::RequestBody;
use rand::Rng;
use tokio::time::{Sleep, sleep};

use super::*;

/// The queries on the engines, and the engine of each.
#[derive(Debug, Default)]
pub(super) struct Engines {
    queries: HashMap<String, (Strategy, u64)>,
    named: u64,
}

impl Engines {
    /// An engine died and lost its queries.
    pub(super) fn lose(&mut self, strategy: Strategy) {
        self.queries.retain(|_, (owner, _)| *owner != strategy);
    }
}

/// A response: a message, a pause, and the status.
pub(super) struct Reply {
    message: Option<Bytes>,
    pause: Option<Pin<Box<Sleep>>>,
    status: Option<&'static str>,
}

impl Body for Reply {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        if let Some(message) = self.message.take() {
            return Poll::Ready(Some(Ok(Frame::data(message))));
        }
        if let Some(pause) = &mut self.pause {
            ready!(pause.as_mut().poll(cx));
            self.pause = None;
        }
        let trailers =
            |status| HeaderMap::from_iter([(http::HeaderName::from_static("grpc-status"), status)]);
        Poll::Ready(
            self.status.take().map(|status| Ok(Frame::trailers(trailers(HeaderValue::from_static(status))))),
        )
    }

    fn is_end_stream(&self) -> bool {
        self.message.is_none() && self.pause.is_none() && self.status.is_none()
    }
}

pub(super) fn framed(message: &[u8]) -> Bytes {
    let mut bytes = Vec::with_capacity(message.len() + 5);
    Prefix { flag: 0, len: message.len() as u32 }.write(&mut bytes);
    bytes.extend_from_slice(message);
    bytes.into()
}

/// Serves one call, as the engine of the strategy it was admitted under.
pub(super) async fn serve(
    world: Rc<World>,
    request: Request<RequestBody<Full<Bytes>>>,
) -> Result<Response<Reply>, Infallible> {
    let strategy = request.body().strategy().unwrap();
    // A query that is begun while its drain times out is never put on record.
    let epoch = world.switch.snapshot().epoch;
    let method = request.uri().path().rsplit('/').next().unwrap_or_default().to_owned();
    let body = request.into_body().collect().await?.to_bytes();
    let id = read_string(body.get(5..).unwrap_or_default(), 3).unwrap().map(str::to_owned);
    let (pause, trailing, fails) = {
        let mut random = world.random.borrow_mut();
        // If the time without service is measured, only the fates of engines are slow.
        let slow = if world.fates.steady.is_none() && random.random_ratio(1, 40) { 6_000 } else { 40 };
        let trailing = if random.random_ratio(1, 10) { random.random_range(1..100) } else { 0 };
        (random.random_range(0..slow), trailing, random.random_ratio(1, 40))
    };
    // Most responses take some time; some are immediate.
    if pause > 4 {
        sleep(millis(pause)).await;
    }
    let response = Response::builder().header(CONTENT_TYPE, "application/grpc");
    if !world.fates.serves(strategy).await {
        let nothing = Reply { message: None, pause: None, status: None };
        return Ok(response.header("grpc-status", "14").body(nothing).unwrap());
    }
    let engines = &mut *world.engines.borrow_mut();
    let known = id.as_ref().and_then(|id| engines.queries.get(id).copied());
    if let Some((owner, begun)) = known {
        let was_given_up = world.timed_out_since(owner, begun);
        assert!(
            owner == strategy || was_given_up || world.is_limited(),
            "promise 3: {method} of {owner} at the engine of {strategy}"
        );
    }
    let is_here = known.is_some_and(|(owner, _)| owner == strategy);
    let (message, status) = match method.as_str() {
        _ if fails => (Vec::new(), "13"),
        "prepareStatement" => {
            engines.named += 1;
            let id = format!("q{}", engines.named);
            let message = [string_field(1, "10.0.0.1"), string_field(2, &id)].concat();
            engines.queries.insert(id, (strategy, epoch));
            (message, "0")
        }
        "clearOrCancelQuery" | "cancelQuery" | "clear" => {
            if let Some(id) = id.filter(|_| is_here) {
                engines.queries.remove(&id);
            }
            (Vec::new(), "0")
        }
        _ if id.is_some() && !is_here => (Vec::new(), "5"),
        _ => (vec![], "0"),
    };
    let pause = (trailing > 0).then(|| Box::pin(sleep(millis(trailing))));
    // An error has no message.
    let message = (status == "0").then(|| framed(&message));
    let reply = Reply { message, pause, status: Some(status) };
    Ok(response.body(reply).unwrap())
}
