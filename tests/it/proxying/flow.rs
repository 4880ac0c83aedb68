//! Points 29 to 34: flow control and concurrency.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use h2::server::Builder;
use http::HeaderValue;

use super::{
    peers::{
        Answer, Call, before, client, echo, engine, engine_with, framed, open, request, send, status, still,
        unary, until, within,
    },
    raw::{self, END_HEADERS, END_STREAM, HEADERS, RESET, Raw},
};
use crate::support::teal;

/// MAX_CONCURRENT_STREAMS in SETTINGS.
const STREAMS: u16 = 3;

#[tokio::test]
async fn point_29_slow_readers_of_small_messages_pass() {
    // A stream's window is full with some thousands of them, of which each costs more than its bytes.
    const STREAMS: usize = 10;
    const MESSAGES: usize = 80_000;
    let sent = Arc::new(AtomicUsize::new(0));
    let count = sent.clone();
    let engine = engine(move |mut call: Call| {
        let count = count.clone();
        async move {
            let mut stream = call.accept();
            for _ in 0..MESSAGES {
                if !send(&mut stream, framed(b"0123456789").into()).await {
                    return;
                }
                count.fetch_add(1, Ordering::Relaxed);
            }
            _ = stream.send_trailers(status("0"));
        }
    })
    .await;
    let server = teal().switch_every("0").with("--threads", "1").upstream(engine.address).run();
    let client = client(server.address).await;
    let mut calls = Vec::new();
    for _ in 0..STREAMS {
        calls.push(open(&client, request("/a/b"), true).await.0);
    }
    // Nothing is read until all windows are full.
    until(|| sent.load(Ordering::Relaxed) > STREAMS * 8_000).await;
    for response in calls {
        let answer = Answer::of(response).await;
        assert_eq!((answer.body.len(), answer.status()), (MESSAGES * 15, Some("0")), "{:?}", answer.error);
    }
}

#[tokio::test]
async fn point_29_many_small_calls_are_no_flood() {
    let engine = engine(async |call: Call| call.answer(b"0123456789")).await;
    let server = before(engine.address);
    let client = client(server.address).await;
    for _ in 0..2 {
        // What a connection may have open at a time.
        let mut calls = Vec::new();
        for _ in 0..1000 {
            calls.push(open(&client, request("/a/b"), true).await.0);
        }
        for response in calls {
            assert_eq!(Answer::of(response).await.body.len(), 15);
        }
    }
}

#[tokio::test]
async fn point_29_engines_may_read_small_messages_late() {
    const STREAMS: usize = 8;
    const MESSAGES: usize = 60_000;
    let (go, late) = tokio::sync::watch::channel(false);
    let engine = engine(move |call: Call| {
        let mut late = late.clone();
        async move {
            if call.path() != "/prompt/call" {
                _ = late.wait_for(|go| *go).await;
            }
            echo(call).await;
        }
    })
    .await;
    let server = teal().switch_every("0").with("--threads", "1").upstream(engine.address).run();
    let client = client(server.address).await;
    let sent = Arc::new(AtomicUsize::new(0));
    // A thread that sends this much has no time for a handshake.
    unary(&client, "/prompt/call", b"").await;
    let mut calls = Vec::new();
    for _ in 0..STREAMS {
        let (response, mut upload) = open(&client, request("/a/b"), false).await;
        let count = sent.clone();
        let uploading = tokio::spawn(async move {
            for _ in 0..MESSAGES {
                assert!(send(&mut upload, framed(b"0123456789").into()).await);
                count.fetch_add(1, Ordering::Relaxed);
            }
            upload.send_data(Bytes::new(), true).unwrap();
        });
        calls.push((response, uploading));
    }
    // Nothing is read until all windows are full.
    until(|| sent.load(Ordering::Relaxed) > STREAMS * 4_000).await;
    go.send_replace(true);
    for (response, uploading) in calls {
        within(uploading).await.unwrap();
        let answer = Answer::of(response).await;
        assert_eq!(answer.body.len(), MESSAGES * 15, "{:?}", answer.error);
    }
}

#[tokio::test]
async fn point_31_stalled_answers_starve_no_other_call() {
    let sent = Arc::new(AtomicUsize::new(0));
    let count = sent.clone();
    let engine = engine(move |mut call: Call| {
        let count = count.clone();
        async move {
            if call.path() != "/endless/stream" {
                return echo(call).await;
            }
            let mut stream = call.accept();
            while send(&mut stream, Bytes::from(vec![7; 1 << 14])).await {
                count.fetch_add(1 << 14, Ordering::SeqCst);
            }
        }
    })
    .await;
    let server = teal()
        .switch_every("0")
        .with("--threads", "1")
        .with("--upstream", &format!("http://{}", engine.address))
        .run();
    // A reader whose streams are all full, each with 1 MiB and more waiting in teal.
    let mut stalled = Raw::connect(server.address).await;
    for stream in (1..80).step_by(2) {
        stalled.write(HEADERS, END_HEADERS | END_STREAM, stream, &raw::call("/endless/stream", &[])).await;
    }
    until(|| engine.open() == 40).await;
    still(|| sent.load(Ordering::SeqCst)).await;
    let client = client(server.address).await;
    for _ in 0..100 {
        let message = vec![1; 100_000];
        assert_eq!(unary(&client, "/a/b", &message).await.body, framed(&message));
    }
    assert_eq!(engine.open(), 40, "the stalled ones still wait");
    drop(stalled);
    until(|| engine.open() == 0).await;
}

#[tokio::test]
async fn point_31_stalled_uploads_starve_no_other_call() {
    // An engine whose connections have little window, which is used up by calls that it does not read.
    let settings = Builder::new();
    let engine = engine_with(&settings, async |call: Call| {
        if call.path() == "/never/read" {
            std::future::pending::<()>().await;
        }
        echo(call).await;
    })
    .await;
    let server = teal()
        .switch_every("0")
        .with("--threads", "1")
        .with("--upstream", &format!("http://{}", engine.address))
        .run();
    let client = client(server.address).await;
    let mut held = Vec::new();
    for calls in 1..=5 {
        let (response, mut upload) = open(&client, request("/never/read"), false).await;
        let uploading = tokio::spawn(async move { send(&mut upload, Bytes::from(vec![7; 1 << 20])).await });
        until(|| engine.calls() == calls).await;
        held.push((response, uploading));
    }
    for _ in 0..20 {
        assert_eq!(unary(&client, "/a/b", b"hello").await.body, framed(b"hello"));
    }
    assert_eq!(engine.open(), 5);
}

/// Opens `calls` that all stay open, at an engine that allows `limit` streams on a connection.
async fn fit(limit: u32, calls: usize) {
    let engine = engine_with(Builder::new().max_concurrent_streams(limit), async |mut call: Call| {
        let mut stream = call.accept();
        _ = call.body().await;
        _ = stream.send_trailers(status("0"));
    })
    .await;
    let server = teal()
        .switch_every("0")
        .with("--threads", "2")
        .with("--upstream", &format!("http://{}", engine.address))
        .run();
    let clients = [client(server.address).await, client(server.address).await];
    let mut held = Vec::new();
    for number in 0..calls {
        held.push(open(&clients[number % 2], request("/a/b"), false).await);
    }
    let mut answers = Vec::new();
    for (response, upload) in held {
        let response = within(response).await.unwrap_or_else(|error| panic!("{limit} streams: {error}"));
        assert!(response.headers().get("grpc-status").is_none(), "{limit} streams: {response:?}");
        answers.push((response, upload));
    }
    assert_eq!(engine.open(), calls, "all at the same time");
    let connections = engine.connections();
    assert!(connections >= calls / limit as usize, "{connections} connections");
    for (response, mut upload) in answers {
        upload.send_data(Bytes::new(), true).unwrap();
        let mut body = response.into_body();
        assert!(within(body.data()).await.is_none());
        assert_eq!(within(body.trailers()).await.unwrap().unwrap()["grpc-status"], "0");
    }
}

#[tokio::test]
async fn point_32_connections_are_opened_at_stream_limits() {
    for limit in [1, 10, 100] {
        fit(limit, 500).await;
    }
}

#[tokio::test]
async fn point_32_full_engines_are_told_in_time() {
    let engine = engine_with(Builder::new().max_concurrent_streams(1), async |call: Call| {
        std::future::pending::<()>().await;
        drop(call);
    })
    .await;
    let server = teal()
        .switch_every("0")
        .with("--threads", "1")
        .with("--connect-timeout", "1s")
        .with("--upstream", &format!("http://{}", engine.address))
        .run();
    let client = client(server.address).await;
    let mut held = Vec::new();
    for _ in 0..256 {
        held.push(open(&client, request("/a/b"), true).await);
    }
    until(|| engine.open() == 256).await;
    let answer = unary(&client, "/a/b", b"").await;
    assert!(answer.is_trailers_only());
    assert_eq!(answer.status(), Some("14"));
    assert!(answer.message().contains(&engine.address.to_string()), "{}", answer.message());
    drop(held);
}

#[tokio::test]
async fn point_32_engines_without_streams_are_waited_for() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (raise, raised) = tokio::sync::watch::channel(false);
    let connections = Arc::new(AtomicUsize::new(0));
    let accepted = connections.clone();
    tokio::spawn(async move {
        loop {
            let mut engine = Raw::accept(&listener, &[(STREAMS, 0)]).await;
            accepted.fetch_add(1, Ordering::SeqCst);
            let mut raised = raised.clone();
            tokio::spawn(async move {
                // It goes on answering pings meanwhile.
                tokio::select! { _ = engine.next() => return, _ = raised.wait_for(|raised| *raised) => {} }
                engine
                    .write(raw::SETTINGS, 0, 0, &[&STREAMS.to_be_bytes()[..], &[0, 0, 0, 100]].concat())
                    .await;
                while let Some(frame) = engine.next().await {
                    if frame.kind == HEADERS {
                        let head = [raw::answer(), raw::block(&[("grpc-status", "0")])].concat();
                        engine.write(HEADERS, END_HEADERS | END_STREAM, frame.stream, &head).await;
                    }
                }
            });
        }
    });
    let server = teal()
        .switch_every("0")
        .with("--threads", "1")
        .with("--connect-timeout", "100s")
        .with("--upstream", &format!("http://{address}"))
        .run();
    let client = client(server.address).await;
    let calls: Vec<_> = (0..50)
        .map(|_| {
            let client = client.clone();
            tokio::spawn(async move { unary(&client, "/a/b", b"").await })
        })
        .collect();
    until(|| connections.load(Ordering::SeqCst) == 2).await;
    // Time enough for many more, where each call wants one of its own.
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert_eq!(connections.load(Ordering::SeqCst), 2, "more of them change nothing");
    raise.send_replace(true);
    for call in calls {
        assert_eq!(within(call).await.unwrap().status(), Some("0"));
    }
}

#[tokio::test]
async fn point_33_cold_bursts_keep_the_engines_limit() {
    fit(10, 100).await;
}

#[tokio::test]
async fn point_33_refused_streams_are_sent_again() {
    let engine = engine(async |mut call: Call| {
        if call.request.headers().get("refused").is_none() {
            return echo(call).await;
        }
        call.respond.send_reset(h2::Reason::REFUSED_STREAM);
    })
    .await;
    let server = before(engine.address);
    let client = client(server.address).await;
    let mut sent = request("/a/b");
    sent.headers_mut().insert("refused", HeaderValue::from_static("always"));
    let (response, _) = open(&client, sent, true).await;
    assert_eq!(Answer::of(response).await.error.unwrap().reason(), Some(h2::Reason::REFUSED_STREAM));
    assert_eq!(engine.calls(), 3, "it was tried as often");
}

#[tokio::test]
async fn point_34_teal_enforces_its_stream_limit() {
    let engine = engine(async |call: Call| {
        std::future::pending::<()>().await;
        drop(call);
    })
    .await;
    let server = before(engine.address);
    let mut client = Raw::connect(server.address).await;
    client.settled().await;
    let limit = client.settings.iter().find(|(id, _)| *id == STREAMS).expect("a limit is set").1;
    for number in 0..=limit {
        let stream = 1 + 2 * number;
        client.write(HEADERS, END_HEADERS | END_STREAM, stream, &raw::call("/a/b", &[])).await;
    }
    let frames = client.stream(1 + 2 * limit).await;
    assert_eq!((frames[0].kind, frames[0].code()), (RESET, 7), "REFUSED_STREAM");
    until(|| engine.open() == limit as usize).await;
}

#[tokio::test]
async fn point_30_engines_are_held_by_readers_windows() {
    const WHOLE: usize = 64 << 20;
    let sent = Arc::new(AtomicUsize::new(0));
    let count = sent.clone();
    let engine = engine(move |mut call: Call| {
        let count = count.clone();
        async move {
            let mut stream = call.accept();
            while count.fetch_add(1 << 16, Ordering::SeqCst) < WHOLE {
                assert!(send(&mut stream, Bytes::from(vec![7; 1 << 16])).await);
            }
            stream.send_trailers(status("0")).unwrap();
        }
    })
    .await;
    let server = before(engine.address);
    let client = client(server.address).await;
    let (response, _) = open(&client, request("/a/b"), true).await;
    let mut body = within(response).await.unwrap().into_body();
    // However long nothing is read, the data in transit stays within the windows.
    let held = still(|| sent.load(Ordering::SeqCst)).await;
    assert!(held < 4 << 20, "{held} bytes are on their way");
    let mut read = 0;
    while let Some(chunk) = within(body.data()).await {
        let chunk = chunk.unwrap();
        body.flow_control().release_capacity(chunk.len()).unwrap();
        read += chunk.len();
    }
    assert_eq!(read, WHOLE);
    assert_eq!(within(body.trailers()).await.unwrap().unwrap()["grpc-status"], "0");
}
