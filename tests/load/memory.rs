//! Memory does not depend on the length of messages, nor on completed calls. Points 7, 26 and 30.

#![allow(clippy::unwrap_used, reason = "a peer that fails is a test that fails")]

use std::time::Duration;

use bytes::Bytes;
use h2::Reason;

use crate::support::{
    alone,
    peers::{
        Answer, Call, before, client, echo, engine, framed, open, request, send, status, unary, until, within,
    },
};

const LONG: usize = 300 << 20;
const CHUNK: usize = 1 << 20;
const MOST: usize = 20 << 20;

/// The prefix of a message of [`LONG`].
fn prefix() -> Bytes {
    Bytes::from([&[0], &(LONG as u32).to_be_bytes()[..]].concat())
}

/// An engine that reads and writes long messages in chunks.
async fn long(mut call: Call) {
    if call.path() == "/down/call" {
        let mut stream = call.accept();
        assert!(send(&mut stream, prefix()).await);
        for _ in 0..LONG / CHUNK {
            if !send(&mut stream, Bytes::from(vec![7; CHUNK])).await {
                return;
            }
        }
        _ = stream.send_trailers(status("0"));
        return;
    }
    let body = call.request.body_mut();
    let mut read = 0;
    while let Some(Ok(chunk)) = body.data().await {
        read += chunk.len();
        _ = body.flow_control().release_capacity(chunk.len());
    }
    call.answer(read.to_string().as_bytes());
}

#[tokio::test]
async fn point_26_long_messages_pass_in_little_memory() {
    let _alone = alone();
    let engine = engine(long).await;
    let server = before(engine.address);
    let client = client(server.address).await;
    unary(&client, "/up/call", b"").await;
    let before = server.resident();

    let (response, mut upload) = open(&client, request("/up/call"), false).await;
    assert!(within(send(&mut upload, prefix())).await);
    for _ in 0..LONG / CHUNK {
        assert!(within(send(&mut upload, Bytes::from(vec![7; CHUNK]))).await);
    }
    upload.send_data(Bytes::new(), true).unwrap();
    assert_eq!(Answer::of(response).await.body, framed((LONG + 5).to_string().as_bytes()));

    let (response, _) = open(&client, request("/down/call"), true).await;
    let mut body = within(response).await.unwrap().into_body();
    let mut read = 0;
    while let Some(chunk) = within(body.data()).await {
        let chunk = chunk.unwrap();
        read += chunk.len();
        body.flow_control().release_capacity(chunk.len()).unwrap();
    }
    assert_eq!(read, LONG + 5);
    let grown = server.resident().saturating_sub(before);
    assert!(grown < MOST, "{grown} bytes more");
}

#[tokio::test]
async fn point_30_stalled_readers_cost_little_memory() {
    let _alone = alone();
    let engine = engine(
        async |call: Call| {
            if call.path() == "/sibling/call" { echo(call).await } else { long(call).await }
        },
    )
    .await;
    let server = before(engine.address);
    let client = client(server.address).await;
    unary(&client, "/sibling/call", b"").await;
    let before = server.resident();
    let (response, _) = open(&client, request("/down/call"), true).await;
    let mut body = within(response).await.unwrap().into_body();
    within(body.data()).await.unwrap().unwrap();
    let (_response, mut upload) = open(&client, request("/down/call"), false).await;
    let uploading = tokio::spawn(async move {
        // An engine that reads nothing of this.
        while send(&mut upload, Bytes::from(vec![7; CHUNK])).await {}
    });
    // Unread bytes that were kept would fill memory in this time: loopback carries gigabytes.
    for _ in 0..20 {
        tokio::time::sleep(Duration::from_millis(250)).await;
        assert_eq!(unary(&client, "/sibling/call", b"x").await.body, framed(b"x"), "on the same connections");
        let grown = server.resident().saturating_sub(before);
        assert!(grown < MOST, "{grown} bytes more");
    }
    uploading.abort();
}

#[tokio::test]
async fn point_07_a_thousand_cancelled_calls_leave_nothing() {
    let _alone = alone();
    let engine = engine(async |mut call: Call| {
        if call.path() == "/streaming/call" {
            let mut stream = call.accept();
            while send(&mut stream, Bytes::from_static(&[7; 1000])).await {}
        } else {
            _ = std::future::poll_fn(|cx| call.respond.poll_reset(cx)).await;
        }
    })
    .await;
    let server = before(engine.address);
    let client = client(server.address).await;
    let mut before = 0;
    // Their resets are paced, 30 a second on each connection: more calls would take minutes.
    for round in 0..10 {
        let mut calls = Vec::new();
        for number in 0..100 {
            let path = if number % 2 == 0 { "/streaming/call" } else { "/silent/call" };
            calls.push(open(&client, request(path), number % 3 == 0).await);
        }
        for (number, (response, upload)) in calls.iter_mut().enumerate() {
            if number % 4 == 0 {
                _ = within(response).await;
            }
            upload.send_reset(Reason::CANCEL);
        }
        drop(calls);
        until(|| engine.open() == 0).await;
        if round == 2 {
            before = server.resident();
        }
    }
    assert!(engine.calls() <= 1_000);
    // Each connection carries a limited number of resets.
    assert!(engine.connections() <= 2 + 10, "{} connections for 100 calls at a time", engine.connections());
    let grown = server.resident().saturating_sub(before);
    eprintln!("{grown} bytes more after 700 calls");
    assert!(grown < MOST / 5, "{grown} bytes more");
}
