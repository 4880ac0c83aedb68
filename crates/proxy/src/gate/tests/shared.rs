//! The gate where several instances share the switch: calls wait for a simulated etcd.

use std::time::Duration;

use grpc::header::{GRPC_MESSAGE, GRPC_STATUS};
use http_body_util::BodyExt;
use protocol::Strategy::Green;
use switch::{
    Actor, Command,
    etcd::{Prefix, Store, Task},
};
use teal_etcd::simulated::Etcd;
use tokio::time::{sleep, timeout};

use super::*;

const TTL: Duration = Duration::from_secs(10);
/// Longer than anything that is not held back takes.
const A_WHILE: Duration = Duration::from_secs(1);

async fn shared(etcd: &Etcd, name: &str, response: Response<Frames>) -> (Bench, Task) {
    let bench = bench(Mismatch::Both, response);
    let store = Store::new(etcd.client(etcd.settings()), Prefix::new("teal/").unwrap());
    let task = bench.switch.share(store, name, TTL).await.unwrap();
    (bench, task)
}

fn begun(id: &str) -> Response<Frames> {
    let message = framed(0, &prepared(id));
    let mut response = grpc(Frames::data([message.clone()]).status("0"));
    response.headers_mut().insert(http::header::CONTENT_LENGTH, message.len().into());
    response
}

fn ask(method: &str, strategy: &str, id: &str) -> Request<Frames> {
    request(method, Some(strategy), Frames::data([about(id)]))
}

/// Waits until the copy of the record has come to so many queries of each strategy.
async fn comes_to(bench: &Bench, queries: [u64; 2]) {
    let copied = async {
        while bench.on_record() != queries {
            sleep(Duration::from_millis(10)).await;
        }
    };
    timeout(TTL, copied).await.unwrap();
}

fn status(headers: &HeaderMap) -> (&str, &str) {
    let text = |name| headers.get(name).map_or("", |value: &HeaderValue| value.to_str().unwrap());
    (text(GRPC_STATUS), text(GRPC_MESSAGE))
}

#[tokio::test(start_paused = true)]
async fn begins_message_waits_for_its_record() {
    let etcd = Etcd::new(1);
    let (bench, _task) = shared(&etcd, "web-1", begun("q")).await;
    etcd.stop(0);
    let response = bench.send(request("prepareStatement", Some("blue"), Frames::default())).await;
    assert!(response.headers().get(http::header::CONTENT_LENGTH).is_none(), "it may end in an error");
    let mut body = response.into_body();
    assert!(timeout(A_WHILE, body.frame()).await.is_err(), "etcd has not answered");
    assert!(!body.is_end_stream());
    etcd.resume(0);
    let collected = body.collect().await.unwrap();
    assert_eq!(status(collected.trailers().unwrap()), ("0", ""));
    assert_eq!(collected.to_bytes(), framed(0, &prepared("q")));
}

#[tokio::test(start_paused = true)]
async fn begin_without_a_record_is_unavailable() {
    let etcd = Etcd::new(1);
    let (bench, _task) = shared(&etcd, "web-1", begun("q")).await;
    etcd.stop(0);
    let (head, bytes, trailers) =
        bench.fetch(request("prepareStatement", Some("blue"), Frames::default())).await;
    assert_eq!(status(&head.headers), ("", ""));
    assert!(bytes.is_empty(), "its client never learns the id");
    assert_eq!(status(&trailers.unwrap()), ("14", "teal web-1 has lost etcd"));

    // Now nothing is let in that needs etcd, and nothing reaches the engine.
    let calls = bench.calls();
    for method in ["prepareStatement", "getNextResultBatch"] {
        let (head, ..) = bench.fetch(ask(method, "blue", "other")).await;
        assert_eq!(status(&head.headers), ("14", "teal web-1 has lost etcd"), "{method}");
    }
    assert_eq!(bench.calls(), calls);
}

#[tokio::test(start_paused = true)]
async fn query_goes_on_where_it_did_not_begin() {
    let etcd = Etcd::new(1);
    let (one, _one) = shared(&etcd, "web-1", begun("q")).await;
    let (two, _two) = shared(&etcd, "web-2", grpc(Frames::data([framed(0, b"")]).status("0"))).await;
    one.fetch(request("prepareStatement", Some("blue"), Frames::default())).await;
    // The header is wrong on purpose: what counts is the record.
    let (_, _, trailers) = two.fetch(ask("getNextResultBatch", "green", "q")).await;
    assert_eq!(status(&trailers.unwrap()), ("0", ""));
    comes_to(&two, [1, 0]).await;
    let (_, _, trailers) = two.fetch(ask("clear", "blue", "q")).await;
    assert_eq!(status(&trailers.unwrap()), ("0", ""));
    comes_to(&two, [0, 0]).await;
    comes_to(&one, [0, 0]).await;
}

#[tokio::test(start_paused = true)]
async fn refusal_waits_for_the_truth() {
    let etcd = Etcd::new(1);
    let (one, _one) = shared(&etcd, "web-1", begun("q")).await;
    let (two, _two) = shared(&etcd, "web-2", begun("r")).await;
    let (head, ..) = one.fetch(request("prepareStatement", Some("green"), Frames::default())).await;
    assert_eq!(head.status, 456);
    let announce = Command::Announce { to: Some(Green) };
    one.switch.order(announce, Actor::Operator, None, async |_| Ok(())).await.unwrap();
    // The other instance follows before it refuses: the strategy is let in by then.
    let (head, ..) = two.fetch(request("prepareStatement", Some("green"), Frames::default())).await;
    assert_eq!(head.status, 200);

    etcd.stop(0);
    let strange = request("prepareStatement", Some("red"), Frames::default());
    assert_eq!(timeout(A_WHILE, two.fetch(strange)).await.unwrap().0.status, 456, "it is no strategy");
}
