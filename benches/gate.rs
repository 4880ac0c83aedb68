//! What the gate costs a call: a service alone, behind the gate, and with a notice to append, in turn.

use std::{
    convert::Infallible,
    hint::black_box,
    time::{Duration, Instant},
};

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{BodyExt, Full};
use teal::{
    frame::string_field,
    gate::{GateLayer, Mismatch},
    protocol::Protocol,
    switch::{Rules, Switch},
};
use tower::{Layer, Service, service_fn};

const CALLS: u32 = 200_000;
const ROUNDS: u32 = 5;

fn framed(message: &[u8]) -> Bytes {
    let len = u32::try_from(message.len()).expect("a short message");
    [&[0][..], &len.to_be_bytes(), message].concat().into()
}

fn request(method: &str, body: Bytes) -> Request<Full<Bytes>> {
    Request::post(format!("/QueryEngineService/{method}"))
        .header("content-type", "application/grpc")
        .header("strategy", "blue")
        .body(Full::new(body))
        .expect("a valid request")
}

/// Nanoseconds a call.
async fn time<S, Req, B>(service: &mut S, make: impl Fn() -> Request<Req>) -> f64
where
    S: Service<Request<Req>, Response = Response<B>, Error = Infallible>,
    B: http_body::Body<Data = Bytes, Error: std::fmt::Debug>,
{
    let start = Instant::now();
    for _ in 0..CALLS {
        let response = service.call(make()).await.expect("infallible");
        black_box(response.into_body().collect().await.expect("a body"));
    }
    start.elapsed().as_secs_f64() * 1e9 / f64::from(CALLS)
}

fn main() {
    let answer = framed(&string_field(1, &"x".repeat(64)));
    let mut alone = service_fn({
        let answer = answer.clone();
        move |_: Request<Full<Bytes>>| {
            let answer = answer.clone();
            async move { Ok::<_, Infallible>(Response::new(Full::new(answer))) }
        }
    });
    let rules = Rules { announce_timeout: None, grace: Duration::ZERO, ..Rules::default() };
    let (switch, _timer) = Switch::new(rules);
    let gated = GateLayer::new(switch.clone(), Protocol::default(), Mismatch::Both);
    let mut gated = gated.layer(service_fn(move |_| {
        let answer = answer.clone();
        async move {
            let response = Response::builder().header("content-type", "application/grpc");
            Ok::<_, Infallible>(response.body(Full::new(answer)).expect("a valid response"))
        }
    }));
    let neutral = || request("getSchemaNames", Bytes::new());
    let about = framed(&string_field(3, "e7c9a3a2-4e0e-4d0e-9a43-1b6d2f1f0c55"));
    let about = || request("getResultMetadata", about.clone());
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(async {
        for _ in 0..ROUNDS {
            let alone = time(&mut alone, neutral).await;
            let judged = time(&mut gated, neutral).await;
            let read = time(&mut gated, about).await;
            switch.announce().expect("it is STABLE");
            let told = time(&mut gated, neutral).await;
            switch.abort().expect("it is ANNOUNCED");
            eprintln!(
                "ns a call: alone {alone:.0}, judged +{:.0}, with its query id read +{:.0}, told +{:.0}",
                judged - alone,
                read - alone,
                told - alone,
            );
        }
    });
}
