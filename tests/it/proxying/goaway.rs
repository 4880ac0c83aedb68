//! Point 35: calls on connections that the engine ends.

use std::{
    collections::HashMap,
    net::SocketAddr,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
};

use bytes::Bytes;

use super::{
    peers::{Answer, before, client, framed, open, request, send, unary},
    raw::{self, DATA, END_HEADERS, END_STREAM, GOAWAY, HEADERS, WINDOW_UPDATE},
};

/// How an engine announces that a connection accepts no more calls.
#[derive(Clone, Copy, Debug)]
enum Goodbye {
    /// One GOAWAY that excludes streams which had already arrived.
    Short,
    /// A GOAWAY that excludes nothing, then later one with the last stream, as gRPC servers send at
    /// `max_connection_age`.
    TwoSteps,
}

/// An engine that ends each connection after some calls, and counts how often each call is executed.
async fn leaving(goodbye: Goodbye) -> (SocketAddr, Arc<Mutex<HashMap<Vec<u8>, usize>>>) {
    let executed: Arc<Mutex<HashMap<Vec<u8>, usize>>> = Arc::default();
    let known = executed.clone();
    let address = raw::engine(move |mut engine| {
        let executed = known.clone();
        async move {
            let mut last = u32::MAX;
            let mut calls = 0;
            let mut bodies: HashMap<u32, Vec<u8>> = HashMap::new();
            while let Some(frame) = engine.next().await {
                if frame.stream > last {
                    continue;
                }
                if frame.kind == DATA {
                    bodies.entry(frame.stream).or_default().extend(&frame.payload);
                }
                if frame.ends_stream() {
                    *executed.lock().unwrap().entry(bodies.remove(&frame.stream).unwrap()).or_default() += 1;
                    calls += 1;
                    engine.write(HEADERS, END_HEADERS, frame.stream, &raw::answer()).await;
                    engine.write(DATA, 0, frame.stream, &framed(b"x")).await;
                    let trailers = raw::block(&[("grpc-status", "0")]);
                    engine.write(HEADERS, END_HEADERS | END_STREAM, frame.stream, &trailers).await;
                }
                match (goodbye, calls) {
                    (Goodbye::Short, 20) if last == u32::MAX => {
                        last = frame.stream;
                        engine.write(GOAWAY, 0, 0, &[&last.to_be_bytes()[..], &[0; 4]].concat()).await;
                    }
                    (Goodbye::TwoSteps, 20) => {
                        calls += 1;
                        engine.write(GOAWAY, 0, 0, &[0x7f, 0xff, 0xff, 0xff, 0, 0, 0, 0]).await;
                    }
                    _ => {}
                }
            }
        }
    })
    .await;
    (address, executed)
}

#[tokio::test]
async fn point_35_goaway_fails_and_repeats_no_call() {
    for goodbye in [Goodbye::Short, Goodbye::TwoSteps] {
        let (address, executed) = leaving(goodbye).await;
        let server = before(address);
        let client = client(server.address).await;
        let mut tasks = Vec::new();
        for task in 0..16 {
            let client = client.clone();
            tasks.push(tokio::spawn(async move {
                for number in 0..50 {
                    let answer = unary(&client, "/a/b", format!("{task}/{number}").as_bytes()).await;
                    assert_eq!(answer.status(), Some("0"), "{goodbye:?}: {answer:?}");
                    assert_eq!(answer.body, framed(b"x"));
                }
            }));
        }
        for task in tasks {
            task.await.unwrap();
        }
        let executed = executed.lock().unwrap();
        assert_eq!(executed.len(), 800);
        assert!(executed.values().all(|times| *times == 1), "{goodbye:?}: each call is executed once");
    }
}

#[tokio::test]
async fn point_35_calls_in_flight_finish_after_goaway() {
    let connections = Arc::new(AtomicUsize::new(0));
    let accepted = connections.clone();
    let address = raw::engine(move |mut engine| {
        accepted.fetch_add(1, Ordering::SeqCst);
        async move {
            let stream = engine.request().await;
            engine.write(HEADERS, END_HEADERS, stream, &raw::answer()).await;
            engine.write(GOAWAY, 0, 0, &[&stream.to_be_bytes()[..], &[0; 4]].concat()).await;
            engine.settled().await;
            engine.write(DATA, 0, stream, &framed(b"late")).await;
            let trailers = raw::block(&[("grpc-status", "0")]);
            engine.write(HEADERS, END_HEADERS | END_STREAM, stream, &trailers).await;
            while engine.next().await.is_some() {}
        }
    })
    .await;
    let server = before(address);
    let client = client(server.address).await;
    for _ in 0..5 {
        assert_eq!(unary(&client, "/a/b", b"").await.body, framed(b"late"));
    }
    assert!(connections.load(Ordering::SeqCst) >= 5);
}

#[tokio::test]
async fn point_35_long_started_bodies_are_not_resent() {
    let requests = Arc::new(AtomicUsize::new(0));
    let counted = requests.clone();
    let address = raw::engine(move |mut engine| {
        let counted = counted.clone();
        async move {
            let stream = engine.request().await;
            counted.fetch_add(1, Ordering::SeqCst);
            // More than teal keeps for a retry.
            for window in [0, stream] {
                engine.write(WINDOW_UPDATE, 0, window, &(1_u32 << 20).to_be_bytes()).await;
            }
            let mut read = 0;
            while read < 100_000 {
                let Some(frame) = engine.next().await else { return };
                read += frame.payload.len();
            }
            engine.write(GOAWAY, 0, 0, &[0; 8]).await;
            while engine.next().await.is_some() {}
        }
    })
    .await;
    let server = before(address);
    let client = client(server.address).await;
    let (response, mut upload) = open(&client, request("/a/b"), false).await;
    let uploading = tokio::spawn(async move { send(&mut upload, Bytes::from(vec![7; 1 << 20])).await });
    let answer = Answer::of(response).await;
    assert_eq!(answer.status(), Some("14"), "{answer:?}");
    assert_eq!(requests.load(Ordering::SeqCst), 1);
    uploading.abort();
}
