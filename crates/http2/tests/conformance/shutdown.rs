//! RFC 9113, 6.8: shutdown of a connection, by the server and by its peer.

use super::{
    raw::*,
    side::{Limits, Server, server, server_with},
};

const NOT_YET: u32 = (1 << 31) - 1;

/// The next GOAWAY, with its last stream and code.
async fn next_goaway(raw: &mut Raw) -> (u32, u32) {
    loop {
        let frame = within(raw.next()).await.expect("a GOAWAY");
        if frame.kind == GOAWAY {
            return (frame.last(), frame.code());
        }
    }
}

/// The PING that a raw peer holds back.
async fn held_ping(raw: &mut Raw) -> Vec<u8> {
    loop {
        let frame = within(raw.next()).await.expect("a PING");
        if frame.kind == PING && frame.flags & ACK == 0 {
            return frame.payload;
        }
    }
}

/// Stops a server whose last stream is `last`, and waits for its GOAWAY.
async fn stopped(server: &Server, raw: &mut Raw, last: u32) {
    server.stop();
    assert_eq!(next_goaway(raw).await, (NOT_YET, NO_ERROR));
    assert_eq!(next_goaway(raw).await, (last, NO_ERROR));
}

#[tokio::test]
async fn graceful_shutdown_takes_what_was_under_way() {
    let server = server_with(Limits::default()).await;
    let mut raw = Raw::connect(server.address, &[]).await;
    raw.holds_pings = true;
    raw.write(HEADERS, END_HEADERS, 1, &post("/echo", &[])).await;
    raw.exactly(1, 0).await;
    server.stop();
    assert_eq!(next_goaway(&mut raw).await, (NOT_YET, NO_ERROR));
    let ping = held_ping(&mut raw).await;
    // Sent before the first GOAWAY was read.
    raw.write(HEADERS, END_HEADERS, 3, &post("/count", &[])).await;
    raw.write(PING, ACK, 0, &ping).await;
    assert_eq!(next_goaway(&mut raw).await, (3, NO_ERROR));
    raw.holds_pings = false;
    raw.write(HEADERS, WHOLE, 5, &post("/count", &[])).await;
    assert_eq!(raw.settled().await.iter().filter(|frame| frame.stream == 5).count(), 0);
    raw.data(3, b"three", true).await;
    assert_eq!(raw.answer(3).await, b"5");
    raw.data(1, b"one", true).await;
    assert_eq!(raw.rest(1).await, b"one");
    while let Some(frame) = within(raw.next()).await {
        assert!(frame.kind == GOAWAY && frame.code() == NO_ERROR, "{frame:?}");
    }
}

#[tokio::test]
async fn graceful_shutdown_of_an_idle_connection_closes_it() {
    let server = server_with(Limits::default()).await;
    let mut raw = Raw::connect(server.address, &[]).await;
    stopped(&server, &mut raw, 0).await;
    while let Some(frame) = within(raw.next()).await {
        assert!(frame.kind == GOAWAY && frame.code() == NO_ERROR, "{frame:?}");
    }
}

#[tokio::test]
async fn graceful_shutdown_goes_on_with_long_answers() {
    let server = server_with(Limits::default()).await;
    let mut raw = Raw::connect(server.address, &[(INITIAL_WINDOW_SIZE, 10)]).await;
    raw.write(HEADERS, WHOLE, 1, &post("/body/50000", &[])).await;
    raw.exactly(1, 10).await;
    stopped(&server, &mut raw, 1).await;
    raw.send(&window(1, 100_000)).await;
    assert_eq!(raw.rest(1).await.len(), 49_990);
    while within(raw.next()).await.is_some() {}
}

#[tokio::test]
async fn resetting_the_last_call_ends_graceful_shutdown() {
    let server = server_with(Limits::default()).await;
    let mut raw = Raw::connect(server.address, &[]).await;
    raw.write(HEADERS, END_HEADERS, 1, &post("/silent", &[])).await;
    stopped(&server, &mut raw, 1).await;
    raw.send(&reset(1, CANCEL)).await;
    while within(raw.next()).await.is_some() {}
}

#[tokio::test]
async fn abrupt_shutdown_says_why_and_closes() {
    let server = server_with(Limits::default()).await;
    let mut raw = Raw::connect(server.address, &[]).await;
    raw.write(HEADERS, END_HEADERS, 1, &post("/silent", &[])).await;
    assert_eq!(raw.settled().await, []);
    server.abort(ENHANCE_YOUR_CALM);
    let (last, code) = next_goaway(&mut raw).await;
    assert!(last == 1 && code == ENHANCE_YOUR_CALM, "GOAWAY({last}, {code})");
    while within(raw.next()).await.is_some() {}
}

#[tokio::test]
async fn errors_of_a_connection_name_its_last_stream() {
    let mut raw = Raw::connect(server().await, &[]).await;
    for stream in [1, 5] {
        raw.write(HEADERS, END_HEADERS, stream, &post("/silent", &[])).await;
    }
    raw.write(PING, 0, 3, &[0; 8]).await;
    assert_eq!(next_goaway(&mut raw).await, (5, PROTOCOL_ERROR));
    while within(raw.next()).await.is_some() {}
}

#[tokio::test]
async fn errors_after_graceful_shutdown_name_its_last_stream() {
    let server = server_with(Limits::default()).await;
    let mut raw = Raw::connect(server.address, &[]).await;
    raw.write(HEADERS, END_HEADERS, 1, &post("/silent", &[])).await;
    stopped(&server, &mut raw, 1).await;
    for stream in [3, 5] {
        raw.write(HEADERS, END_HEADERS, stream, &post("/silent", &[])).await;
    }
    raw.write(PING, 0, 3, &[0; 8]).await;
    assert_eq!(next_goaway(&mut raw).await, (1, PROTOCOL_ERROR));
    while within(raw.next()).await.is_some() {}
}

#[tokio::test]
async fn calls_go_on_after_the_clients_goaway() {
    let mut raw = Raw::connect(server().await, &[]).await;
    raw.write(HEADERS, END_HEADERS, 1, &post("/count", &[])).await;
    raw.send(&goaway(0, NO_ERROR)).await;
    raw.data(1, b"under way", true).await;
    assert_eq!(raw.answer(1).await, b"9");
}

#[tokio::test]
async fn clients_that_close_early_are_still_answered() {
    let mut raw = Raw::connect(server().await, &[]).await;
    raw.write(HEADERS, WHOLE, 1, &post("/early", &[])).await;
    assert_eq!(raw.answer(1).await, b"");
    raw.close().await;
}
