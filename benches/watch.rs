//! The cost of recording a call: the gate alone, with all telemetry, and with the history of calls.
#![allow(missing_docs)]

use std::{convert::Infallible, hint::black_box, net::IpAddr};

use bytes::Bytes;
use criterion::{Criterion, criterion_group, criterion_main};
use grpc::string_field;
use http::{HeaderMap, HeaderValue, Request, Response};
use http_body_util::{BodyExt, Full, StreamBody};
use protocol::Protocol;
use proxy::{
    gate::{GateLayer, Mismatch},
    telemetry::{Collector, Metrics, history::Limits},
};
use switch::{Rules, Switch};
use tower::{Layer, Service, service_fn};

const HERE: IpAddr = IpAddr::V4(std::net::Ipv4Addr::LOCALHOST);

fn framed(message: &[u8]) -> Bytes {
    let len = u32::try_from(message.len()).expect("a short message");
    [&[0][..], &len.to_be_bytes(), message].concat().into()
}

fn request(method: &str, body: Bytes) -> Request<Full<Bytes>> {
    Request::post(format!("/QueryEngineService/{method}"))
        .header("content-type", "application/grpc")
        .header("user-agent", "grpc-python/1.85.1 grpc-c/54.0.0 (linux; chttp2)")
        .header("strategy", "blue")
        .body(Full::new(body))
        .expect("a valid request")
}

/// The two gates have different types.
macro_rules! measure {
    ($group:ident, $name:literal, $gate:ident, $runtime:ident, $method:ident, $body:ident) => {
        $group.bench_function($name, |bencher| {
            bencher.iter(|| {
                $runtime.block_on(async {
                    let response = $gate.call(request($method, $body.clone())).await.expect("infallible");
                    black_box(response.into_body().collect().await.expect("a body"))
                })
            });
        });
    };
}

fn benches(criterion: &mut Criterion) {
    let answer = framed(&string_field(1, &"x".repeat(64)));
    let service = service_fn(move |_| {
        let frames = [
            Ok::<_, Infallible>(http_body::Frame::data(answer.clone())),
            Ok(http_body::Frame::trailers(HeaderMap::from_iter([(
                http::HeaderName::from_static("grpc-status"),
                HeaderValue::from_static("0"),
            )]))),
        ];
        let response = Response::builder().header("content-type", "application/grpc");
        let body = StreamBody::new(futures::stream::iter(frames));
        std::future::ready(Ok::<_, Infallible>(response.body(body).expect("a valid response")))
    });
    let (switch, _timer) = Switch::new(Rules::default());
    let protocol = Protocol::default();
    let watch = Collector::new(&protocol, Some(switch.clone()), Metrics::default(), None);
    let limits = Limits { calls: 10_000, bytes: 32 << 20, messages: 0, threads: 1 };
    let keeping = Collector::keeping(limits, &protocol, Some(switch.clone()), Metrics::default(), None);
    let layer = GateLayer::new(switch, protocol, Mismatch::Both);
    let mut alone = layer.layer(service.clone());
    let mut watched = layer.watched(watch.shard().connection(HERE), service.clone());
    let mut kept = layer.watched(keeping.shard().connection(HERE), service);
    let session = string_field(2, "0b7b2f04-30cf-4b39-9a43-1b6d2f1f0c55");
    let query = string_field(3, "e7c9a3a2-4e0e-4d0e-9a43-1b6d2f1f0c55");
    let about = framed(&[session.clone(), query].concat());
    let begin = framed(&string_field(1, "0b7b2f04-30cf-4b39-9a43-1b6d2f1f0c55"));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    for (name, method, body) in [
        ("neutral", "getSchemaNames", framed(&session)),
        ("continues a query", "getResultMetadata", about),
        ("begins a query", "prepareStatement", begin),
    ] {
        let mut group = criterion.benchmark_group(name);
        measure!(group, "gate", alone, runtime, method, body);
        measure!(group, "watched", watched, runtime, method, body);
        measure!(group, "kept", kept, runtime, method, body);
        group.finish();
    }
}

criterion_group!(all, benches);
criterion_main!(all);
