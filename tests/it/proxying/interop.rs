//! grpc-go and grpc-java on both sides: the interop cases of gRPC (point 45), and requests that make grpc-java end connections.

use std::{net::SocketAddr, time::Duration};

use bytes::Bytes;
use h2::{SendStream, client::ResponseFuture};
use http::{HeaderValue, Request};

use super::peers::{Answer, before, client, framed, open, request, within};
use crate::support::{Running, go, java, teal};

const LONG: Duration = Duration::from_secs(240);
/// Calls of others, and how often they are put at risk.
const OTHERS: usize = 20;
const ATTEMPTS: usize = 40;

type Peer = fn(&[&str]) -> Option<Running>;

/// An engine of another implementation, and where it is.
fn engine(peer: Peer) -> Option<(Running, SocketAddr)> {
    let process = peer(&["serve"])?;
    let line = process.wait_for("serving ", 1, LONG).remove(0);
    let port: u16 = line.trim_start_matches("serving ").trim().parse().expect("a port");
    Some((process, SocketAddr::from(([127, 0, 0, 1], port))))
}

/// Every case holds through teal, as it does without.
fn cases_hold(by: Peer, at: Peer) {
    let Some((_engine, address)) = engine(at) else { return };
    let server = before(address);
    for address in [address, server.address] {
        let Some(client) = by(&["call", &address.to_string()]) else { return };
        let said = client.succeed(LONG);
        assert!(said.contains("ok empty_stream") && said.contains("13 cases hold"), "{said}");
    }
}

#[test]
fn point_45_grpc_go_calls_grpc_go() {
    cases_hold(go, go);
}

#[test]
fn point_45_grpc_go_calls_grpc_java() {
    cases_hold(go, java);
}

#[test]
fn point_45_grpc_java_calls_grpc_go() {
    cases_hold(java, go);
}

#[test]
fn point_45_grpc_java_calls_grpc_java() {
    cases_hold(java, java);
}

/// A call that is open: one message has come back.
struct Held {
    response: ResponseFuture,
    upload: SendStream<Bytes>,
}

/// A request for which grpc-java ends a connection does not harm other calls, and is answered itself.
async fn harms_nobody(poisonous: impl Fn() -> Request<()>, expected: &[&str]) {
    let Some((_engine, address)) = engine(java) else { return };
    // One thread: all calls share its connections.
    let server = teal().switch_every("0").with("--threads", "1").upstream(address).run();
    let (others, sender) = (client(server.address).await, client(server.address).await);
    let mut held = Vec::new();
    for _ in 0..OTHERS {
        let (response, mut upload) = open(&others, request("/teal.test.TestService/Bidi"), false).await;
        upload.send_data(framed(b"first").into(), false).unwrap();
        held.push(Held { response, upload });
    }
    for _ in 0..ATTEMPTS {
        let (response, mut upload) = open(&sender, poisonous(), false).await;
        _ = upload.send_data(framed(b"poison").into(), true);
        let answer = Answer::of(response).await;
        assert!(answer.status().is_some_and(|status| expected.contains(&status)), "{answer:?}");
    }
    for Held { response, mut upload } in held {
        upload.send_data(framed(b"last").into(), true).unwrap();
        let answer = within(Answer::of(response)).await;
        let both = [framed(b"first"), framed(b"last")].concat();
        assert_eq!((answer.status(), &answer.body), (Some("0"), &both), "{:?}", answer.error);
    }
    let lost = server.lines_with("was lost");
    assert!(lost.is_empty(), "{lost:?}");
}

#[tokio::test]
async fn broken_binary_metadata_are_harmless_to_grpc_java() {
    let poisonous = || {
        let mut poisonous = request("/teal.test.TestService/Unary");
        poisonous.headers_mut().insert("x-bin", HeaderValue::from_static("%%%"));
        poisonous
    };
    // INTERNAL, as gRPC servers say it.
    harms_nobody(poisonous, &["13"]).await;
}

#[tokio::test]
async fn more_metadata_than_grpc_java_takes_harm_nobody() {
    // Its limit is 8 KiB: just above, and far above.
    for size in [8 << 10, 20 << 10] {
        let poisonous = || {
            let mut poisonous = request("/teal.test.TestService/Unary");
            poisonous.headers_mut().insert("x-long", HeaderValue::from_str(&"a".repeat(size)).unwrap());
            poisonous
        };
        // RESOURCE_EXHAUSTED.
        harms_nobody(poisonous, &["8"]).await;
    }
}
