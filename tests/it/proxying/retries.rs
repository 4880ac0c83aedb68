//! Point 35: which calls are retried, how often, and on which connection.

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
};

use http::{HeaderName, HeaderValue};

use super::{
    peers::{Answer, client, framed, open, request, unary, until, within},
    raw::{self, DATA, END_HEADERS, END_STREAM, GOAWAY, HEADERS, Raw},
};
use crate::support::{Server, teal};

const NO_ERROR: u8 = 0;
const PROTOCOL_ERROR: u8 = 1;

/// How an engine ends the connection of a poisonous call.
#[derive(Clone, Copy, Debug)]
enum End {
    /// With a GOAWAY that excludes the call, with debug data.
    GoAway(u8),
    /// With a GOAWAY that excludes nothing, as Netty sends for requests it cannot decode.
    Hard(u8),
    /// By closing the connection after reading the call.
    Close,
}

/// What an engine has seen.
#[derive(Debug, Default)]
struct Seen {
    connections: AtomicUsize,
    calls: AtomicUsize,
    /// Poisonous calls, and whether the last one had a connection of its own.
    poisonous: AtomicUsize,
    was_alone: AtomicBool,
}

/// An engine that ends the connection of any call with `poison` in its message, holds calls with `hold` until
/// `go`, and answers all others.
async fn fragile(end: End, go: tokio::sync::watch::Receiver<bool>) -> (SocketAddr, Arc<Seen>) {
    let seen: Arc<Seen> = Arc::default();
    let known = seen.clone();
    let address = raw::engine(move |mut engine| {
        let (seen, mut go) = (known.clone(), go.clone());
        seen.connections.fetch_add(1, Ordering::SeqCst);
        async move {
            let (mut held, mut last) = (Vec::new(), 0);
            loop {
                let Some(frame) = next(&mut engine, &mut held, &mut go).await else { return };
                if frame.kind != DATA {
                    continue;
                }
                seen.calls.fetch_add(1, Ordering::SeqCst);
                if frame.payload.ends_with(b"poison") {
                    seen.poisonous.fetch_add(1, Ordering::SeqCst);
                    seen.was_alone.store(frame.stream == 1, Ordering::SeqCst);
                    match end {
                        End::GoAway(code) => {
                            let last = u32::to_be_bytes(last);
                            let goodbye = [&last[..], &[0, 0, 0, code], b"can't bear it\n"].concat();
                            engine.write(GOAWAY, 0, 0, &goodbye).await;
                        }
                        End::Hard(code) => {
                            let goodbye =
                                [&[0x7f, 0xff, 0xff, 0xff, 0, 0, 0, code][..], b"can't bear it"].concat();
                            engine.write(GOAWAY, 0, 0, &goodbye).await;
                            return engine.close().await;
                        }
                        End::Close => return engine.close().await,
                    }
                } else if frame.payload.ends_with(b"hold") {
                    held.push(frame.stream);
                } else {
                    answer(&mut engine, frame.stream).await;
                }
                last = frame.stream;
            }
        }
    })
    .await;
    (address, seen)
}

/// The next frame. Before it, calls that are held are answered once they may be.
async fn next(
    engine: &mut Raw,
    held: &mut Vec<u32>,
    go: &mut tokio::sync::watch::Receiver<bool>,
) -> Option<raw::Frame> {
    if !held.is_empty() {
        tokio::select! {
            frame = engine.next() => return frame,
            _ = async { go.wait_for(|go| *go).await.is_ok() } => {}
        }
        for stream in std::mem::take(held) {
            answer(engine, stream).await;
        }
    }
    engine.next().await
}

async fn answer(engine: &mut Raw, stream: u32) {
    engine.write(HEADERS, END_HEADERS, stream, &raw::answer()).await;
    engine.write(DATA, 0, stream, &framed(b"x")).await;
    engine.write(HEADERS, END_HEADERS | END_STREAM, stream, &raw::block(&[("grpc-status", "0")])).await;
}

/// teal with one thread, so that all clients share its connections.
fn before(engine: SocketAddr) -> Server {
    teal().switch_every("0").with("--threads", "1").with("--log-level", "debug").upstream(engine).run()
}

/// Calls of others that the engine holds, on its connections.
async fn held(server: &Server, seen: &Seen) -> Vec<tokio::task::JoinHandle<Answer>> {
    let other = client(server.address).await;
    let calls = (0..40).map(|_| {
        let other = other.clone();
        tokio::spawn(async move { unary(&other, "/a/b", b"hold").await })
    });
    let calls: Vec<_> = calls.collect();
    until(|| seen.calls.load(Ordering::SeqCst) == 40).await;
    calls
}

#[tokio::test]
async fn point_35_connection_killers_are_retried_once_alone() {
    let (go, going) = tokio::sync::watch::channel(false);
    let (address, seen) = fragile(End::GoAway(PROTOCOL_ERROR), going).await;
    let server = before(address);
    let others = held(&server, &seen).await;
    let refused = unary(&client(server.address).await, "/a/b", b"poison").await;
    assert_eq!(refused.status(), Some("14"), "{refused:?}");
    assert!(refused.message().ends_with(": can't bear it"), "{}", refused.message());
    assert_eq!(seen.poisonous.load(Ordering::SeqCst), 2);
    assert!(seen.was_alone.load(Ordering::SeqCst), "the second time it was the only call there");
    go.send_replace(true);
    for call in others {
        assert_eq!(within(call).await.unwrap().body, framed(b"x"), "it was there before, and is answered");
    }
    until(|| !server.lines_with("can't bear it").is_empty()).await;
}

#[tokio::test]
async fn point_35_perhaps_served_calls_are_not_retried() {
    let (_go, going) = tokio::sync::watch::channel(false);
    for (end, said) in
        [(End::Close, "has closed the connection"), (End::Hard(PROTOCOL_ERROR), ": can't bear it")]
    {
        let (address, seen) = fragile(end, going.clone()).await;
        let server = before(address);
        let lost = unary(&client(server.address).await, "/a/b", b"poison").await;
        assert_eq!(lost.status(), Some("14"), "{lost:?}");
        assert!(lost.message().ends_with(said), "{}", lost.message());
        assert_eq!(seen.poisonous.load(Ordering::SeqCst), 1);
    }
}

#[tokio::test]
async fn point_35_untaken_calls_are_tried_three_times() {
    let (_go, going) = tokio::sync::watch::channel(false);
    let (address, seen) = fragile(End::GoAway(NO_ERROR), going).await;
    let server = before(address);
    let refused = unary(&client(server.address).await, "/a/b", b"poison").await;
    assert_eq!(refused.status(), Some("14"), "{refused:?}");
    assert_eq!(seen.poisonous.load(Ordering::SeqCst), 3);
    let seen_before = seen.connections.load(Ordering::SeqCst);
    assert_eq!(unary(&client(server.address).await, "/a/b", b"").await.body, framed(b"x"));
    assert!(seen.connections.load(Ordering::SeqCst) <= seen_before + 2);
}

/// An engine that names no limit of header lists, and ends the connection of one that is longer than `limit`.
async fn silent_about(limit: usize) -> (SocketAddr, Arc<Seen>, tokio::sync::watch::Sender<bool>) {
    let seen: Arc<Seen> = Arc::default();
    let (go, going) = tokio::sync::watch::channel(false);
    let known = seen.clone();
    let address = raw::engine(move |mut engine| {
        let (seen, mut going) = (known.clone(), going.clone());
        seen.connections.fetch_add(1, Ordering::SeqCst);
        async move {
            let mut held = Vec::new();
            loop {
                let Some(frame) = next(&mut engine, &mut held, &mut going).await else { return };
                if frame.kind == HEADERS && frame.payload.len() > limit {
                    return engine.close().await;
                }
                if frame.ends_stream() {
                    seen.calls.fetch_add(1, Ordering::SeqCst);
                    if frame.payload.ends_with(b"hold") {
                        held.push(frame.stream);
                    } else {
                        answer(&mut engine, frame.stream).await;
                    }
                }
            }
        }
    })
    .await;
    (address, seen, go)
}

/// Makes a call with this many KiB of metadata.
async fn large(server: &Server, kib: usize) -> Answer {
    let mut sent = request("/a/b");
    // All different, because repeated fields compress well.
    for number in 0..kib {
        let name = HeaderName::try_from(format!("key-{number}")).unwrap();
        let text: String = (0..1024).map(|at| char::from(b'!' + ((at * 7 + number) % 90) as u8)).collect();
        sent.headers_mut().insert(name, HeaderValue::try_from(text).unwrap());
    }
    let (response, _) = open(&client(server.address).await, sent, true).await;
    Answer::of(response).await
}

#[tokio::test]
async fn point_20_deadly_metadata_end_no_other_call() {
    let (address, seen, go) = silent_about(10 << 10).await;
    let server = before(address);
    let others = held(&server, &seen).await;
    for _ in 0..3 {
        let lost = large(&server, 14).await;
        assert_eq!(lost.status(), Some("14"), "{lost:?}");
    }
    go.send_replace(true);
    for call in others {
        assert_eq!(within(call).await.unwrap().body, framed(b"x"));
    }
}

#[tokio::test]
async fn point_20_sizes_answered_before_are_no_risk() {
    let (address, seen, _go) = silent_about(usize::MAX).await;
    let server = before(address);
    assert_eq!(large(&server, 14).await.body, framed(b"x"));
    let connections = seen.connections.load(Ordering::SeqCst);
    for _ in 0..5 {
        assert_eq!(large(&server, 14).await.body, framed(b"x"));
    }
    assert_eq!(seen.connections.load(Ordering::SeqCst), connections, "they share those that are there");
    assert_eq!(large(&server, 15).await.body, framed(b"x"));
    assert_eq!(seen.connections.load(Ordering::SeqCst), connections + 1, "larger ones are a risk again");
}
