//! The cost of each part of the gate: framing, the switch, and the gate alone.

use std::{
    convert::Infallible,
    fmt::Debug,
    future::{Ready, ready},
    hint::black_box,
    thread,
    time::{Duration, Instant},
};

use bytes::Bytes;
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use grpc::{Appender, read_string, string_field};
use http::{HeaderValue, Request, Response, header::CONTENT_TYPE};
use http_body_util::{BodyExt, Full};
use protocol::{CallKind, Protocol, Strategy};
use proxy::{
    fault::{FaultContext, FaultLayer, Faults, Rule, Source},
    gate::{GateLayer, Mismatch},
};
use switch::{Actor, Arrival, Command, Header, Order, Rules, Switch};
use tower::{Layer, Service, service_fn};

const ID: &str = "e7c9a3a2-4e0e-4d0e-9a43-1b6d2f1f0c55";
const BLUE: Header = Header::Names(Strategy::Blue);

fn framed(message: &[u8]) -> Bytes {
    let len = u32::try_from(message.len()).expect("a short message");
    [&[0][..], &len.to_be_bytes(), message].concat().into()
}

fn frame(c: &mut Criterion) {
    let notice = string_field(5, "green");
    let mut group = c.benchmark_group("frame");
    for len in [64, 16 * 1024] {
        let message = framed(&vec![7; len]);
        group.throughput(Throughput::Bytes(len as u64));
        group.bench_function(format!("append to {len} bytes"), |b| {
            // A chunk off a connection belongs to nobody else.
            let own = || Bytes::from(message.to_vec());
            b.iter_batched(
                own,
                |chunk| Appender::new(notice.clone()).push(chunk),
                criterion::BatchSize::SmallInput,
            );
        });
    }
    let request = [&string_field(1, "catalog")[..], &string_field(3, ID)].concat();
    group.throughput(Throughput::Bytes(request.len() as u64));
    group.bench_function("read a query id", |b| b.iter(|| read_string(black_box(&request), 3).is_ok()));
    group.finish();
}

fn switch() -> Switch {
    let (switch, _timer) =
        Switch::new(Rules { switch_every: None, announce_timeout: None, ..Rules::default() });
    let mut begin =
        switch.arrive(Arrival { kind: CallKind::Begin, query: None, header: BLUE }).expect("blue is active");
    begin.begun(ID);
    begin.answered(true);
    switch
}

fn come_and_go(switch: &Switch, kind: CallKind, query: Option<&str>) {
    switch.arrive(Arrival { kind, query, header: BLUE }).expect("blue is served").answered(true);
}

/// Makes `calls` calls on each of `threads` threads. Returns the mean time of one thread.
fn on_threads(threads: u32, calls: u64, call: impl Fn() + Sync) -> Duration {
    let time = || {
        let start = Instant::now();
        (0..calls).for_each(|_| call());
        start.elapsed()
    };
    let times: Vec<Duration> = thread::scope(|scope| {
        let threads: Vec<_> = (0..threads).map(|_| scope.spawn(time)).collect();
        threads.into_iter().map(|thread| thread.join().expect("it doesn't panic")).collect()
    });
    times.iter().sum::<Duration>() / threads
}

fn arrive(c: &mut Criterion) {
    let switch = switch();
    let mut group = c.benchmark_group("switch");
    for (name, kind, query) in [
        ("a neutral call", CallKind::Neutral, None),
        ("about a query", CallKind::Continue, Some(ID)),
        ("a begin", CallKind::Begin, None),
    ] {
        for threads in [1, 2] {
            group.bench_function(format!("{name}, threads: {threads}"), |b| {
                b.iter_custom(|calls| on_threads(threads, calls, || come_and_go(&switch, kind, query)));
            });
        }
    }
    group.finish();
}

fn request(method: &str, body: Bytes) -> Request<Full<Bytes>> {
    Request::post(format!("/QueryEngineService/{method}"))
        .header("content-type", "application/grpc")
        .header("strategy", "blue")
        .body(Full::new(body))
        .expect("a valid request")
}

/// Answers at once with 64 bytes.
fn answer<B>(_: Request<B>) -> Ready<Result<Response<Full<Bytes>>, Infallible>> {
    let mut response = Response::new(Full::new(framed(&[7; 64])));
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/grpc"));
    ready(Ok(response))
}

async fn call<S, B>(mut service: S, request: Request<Full<Bytes>>)
where
    S: Service<Request<Full<Bytes>>, Response = Response<B>, Error: Debug>,
    B: http_body::Body<Data = Bytes, Error: Debug>,
{
    let response = service.call(request).await.expect("it is answered");
    black_box(response.into_body().collect().await.expect("it has a body"));
}

fn gate(c: &mut Criterion) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let switch = switch();
    let layer = GateLayer::new(switch.clone(), Protocol::default(), Mismatch::Both);
    let neutral = request("getSchemaNames", Bytes::new());
    let about = request("getResultMetadata", framed(&string_field(3, ID)));
    let mut group = c.benchmark_group("gate");
    group.bench_function("none", |b| {
        b.to_async(&runtime).iter(|| call(service_fn(answer), neutral.clone()));
    });
    for notice in ["", ", a notice due"] {
        group.bench_function(format!("a neutral call{notice}"), |b| {
            b.to_async(&runtime).iter(|| call(layer.layer(service_fn(answer)), neutral.clone()));
        });
        group.bench_function(format!("about a query{notice}"), |b| {
            b.to_async(&runtime).iter(|| call(layer.layer(service_fn(answer)), about.clone()));
        });
        _ = switch.command(Command::Announce { to: None }, Order::by(Actor::Operator));
    }
    group.finish();
}

/// Behind the gate: no layer for faults, one without rules, and one with rules about other calls.
fn fault(c: &mut Criterion) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let gate = GateLayer::new(switch(), Protocol::default(), Mismatch::Both);
    let neutral = request("getSchemaNames", Bytes::new());
    let mut group = c.benchmark_group("fault");
    // A connection has one of these; each call goes to a clone.
    let service = gate.layer(service_fn(answer));
    group.bench_function("no layer", |b| {
        b.to_async(&runtime).iter(|| call(service.clone(), neutral.clone()));
    });
    let faults = Faults::new(false, FaultContext::default());
    let service = gate.layer(FaultLayer::new(faults.clone()).layer(service_fn(answer)));
    for rules in ["no rule", "1 rule about other calls", "100 rules about other calls"] {
        group.bench_function(rules, |b| {
            b.to_async(&runtime).iter(|| call(service.clone(), neutral.clone()));
        });
        for _ in 0..if faults.list().is_empty() { 1 } else { 99 } {
            let rule: Rule = "method=clear,hang".parse().expect("it is a rule");
            faults.add(rule, Source::Start).expect("it fits");
        }
    }
    group.finish();
}

criterion_group!(benches, frame, arrive, gate, fault);
criterion_main!(benches);
