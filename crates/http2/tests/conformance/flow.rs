//! RFC 9113, 5.2 and 6.9: flow control in both directions.

use super::{
    framing::open,
    raw::{Expect::*, *},
    side::{Limits, server, server_with},
    streams::table,
};

const LARGEST: u32 = (1 << 31) - 1;

#[tokio::test]
async fn invalid_windows_are_errors() {
    table(&[
        ("0 more of the connection", window(0, 0), End(&[PROTOCOL_ERROR])),
        ("0 more of a stream", [open(), window(1, 0)].concat(), Error(&[PROTOCOL_ERROR])),
        ("too much of the connection", window(0, LARGEST), End(&[FLOW_CONTROL_ERROR])),
        (
            "too much of the connection, in two",
            [window(0, LARGEST - 65_535), window(0, 1)].concat(),
            End(&[FLOW_CONTROL_ERROR]),
        ),
        ("too much of a stream", [open(), window(1, LARGEST)].concat(), Reset(&[FLOW_CONTROL_ERROR])),
        (
            "too much of a stream, in two",
            [open(), window(1, LARGEST - 65_535), window(1, 1)].concat(),
            Reset(&[FLOW_CONTROL_ERROR]),
        ),
        ("the most of the connection", window(0, LARGEST - 65_535), Goes),
        ("the most of a stream", [open(), window(1, LARGEST - 65_535)].concat(), Goes),
    ])
    .await;
}

#[tokio::test]
async fn data_keeps_to_the_window_of_its_stream() {
    let mut raw = Raw::connect(server().await, &[(INITIAL_WINDOW_SIZE, 3)]).await;
    raw.write(HEADERS, WHOLE, 1, &post("/body/50000", &[])).await;
    raw.exactly(1, 3).await;
    for more in [1, 2, 30, 16_384, 16_385] {
        raw.send(&window(1, more)).await;
        raw.exactly(1, more as usize).await;
    }
    raw.send(&window(1, 50_000)).await;
    assert_eq!(raw.rest(1).await.len(), 50_000 - 3 - 33 - 32_769);
}

#[tokio::test]
async fn data_keeps_to_the_window_of_the_connection() {
    let mut raw = Raw::connect(server().await, &[(INITIAL_WINDOW_SIZE, 1 << 20)]).await;
    raw.write(HEADERS, WHOLE, 1, &post("/body/100000", &[])).await;
    raw.exactly(1, 65_535).await;
    for more in [1, 10, 16_390] {
        raw.send(&window(0, more)).await;
        raw.exactly(1, more as usize).await;
    }
    raw.write(HEADERS, WHOLE, 3, &post("/body/0", &[])).await;
    assert_eq!(raw.answer(3).await, b"");
    raw.send(&window(0, 1 << 20)).await;
    assert_eq!(raw.rest(1).await.len(), 100_000 - 65_535 - 16_401);
}

#[tokio::test]
async fn a_stream_without_window_blocks_no_other() {
    let mut raw = Raw::connect(server().await, &[(INITIAL_WINDOW_SIZE, 10)]).await;
    for stream in [1, 3, 5] {
        raw.write(HEADERS, WHOLE, stream, &post("/body/100", &[])).await;
        raw.exactly(stream, 10).await;
    }
    for stream in [5, 1, 3] {
        raw.send(&window(stream, 90)).await;
        assert_eq!(raw.rest(stream).await.len(), 90);
    }
}

#[tokio::test]
async fn streams_share_a_connection_window_that_opens() {
    let mut raw = Raw::connect(server().await, &[(INITIAL_WINDOW_SIZE, 1 << 20)]).await;
    raw.write(HEADERS, WHOLE, 1, &post("/body/65535", &[])).await;
    assert_eq!(raw.answer(1).await.len(), 65_535);
    for stream in [3, 5, 7] {
        raw.write(HEADERS, WHOLE, stream, &post("/body/1000", &[])).await;
        raw.exactly(stream, 0).await;
    }
    // One of them is reset.
    raw.send(&reset(3, CANCEL)).await;
    raw.send(&window(0, 2_000)).await;
    let mut left = vec![5, 7];
    while !left.is_empty() {
        let frame = within(raw.next()).await.expect("the rest");
        assert_ne!((frame.kind, frame.stream), (DATA, 3));
        left.retain(|stream| *stream != frame.stream || !frame.ends_stream());
    }
}

#[tokio::test]
async fn data_of_reset_streams_returns_its_window() {
    let mut raw = Raw::connect(server().await, &[(INITIAL_WINDOW_SIZE, 1 << 20)]).await;
    raw.write(HEADERS, WHOLE, 1, &post("/body/100000", &[])).await;
    raw.exactly(1, 65_535).await;
    // What stream 1 still holds must not reduce what arrives now.
    raw.send(&reset(1, CANCEL)).await;
    raw.send(&window(0, 10)).await;
    raw.write(HEADERS, WHOLE, 3, &post("/body/10", &[])).await;
    assert_eq!(raw.answer(3).await.len(), 10);
}

#[tokio::test]
async fn trailers_need_no_window() {
    let mut raw = Raw::connect(server().await, &[(INITIAL_WINDOW_SIZE, 0)]).await;
    raw.write(HEADERS, WHOLE, 1, &post("/echo", &[])).await;
    assert_eq!(raw.answer(1).await, b"");
    raw.write(HEADERS, WHOLE, 3, &post("/body/5", &[])).await;
    raw.exactly(3, 0).await;
    raw.send(&window(3, 5)).await;
    assert_eq!(raw.rest(3).await.len(), 5);
}

#[tokio::test]
async fn forbidden_trailers_are_refused_while_data_waits() {
    for window_size in [0, 4, 65_535] {
        let mut raw = Raw::connect(server().await, &[(INITIAL_WINDOW_SIZE, window_size)]).await;
        raw.write(HEADERS, WHOLE, 1, &post("/forbidden/10", &[])).await;
        if window_size < 10 {
            raw.exactly(1, window_size as usize).await;
            raw.send(&window(1, 10 - window_size)).await;
        }
        let frames = raw.stream(1).await;
        let last = frames.last().expect("an end");
        assert!(last.kind == HEADERS && last.ends_stream(), "{window_size}: {frames:?}");
        assert_eq!(raw.settled().await, []);
    }
}

#[tokio::test]
async fn more_data_than_the_window_is_an_error() {
    let wide = Limits { connection_window: Some(1 << 20), window: Some(65_535), ..Limits::default() };
    let stream = server_with(wide).await.address;
    let wide = Limits { connection_window: Some(65_535), window: Some(1 << 20), ..Limits::default() };
    let connection = server_with(wide).await.address;
    for (address, padding, expect) in [
        (stream, 0, Error(&[FLOW_CONTROL_ERROR])),
        (stream, 200, Error(&[FLOW_CONTROL_ERROR])),
        (connection, 0, End(&[FLOW_CONTROL_ERROR])),
        (connection, 200, End(&[FLOW_CONTROL_ERROR])),
    ] {
        let mut raw = Raw::connect(address, &[]).await;
        raw.send(&open()).await;
        assert_eq!(raw.settled().await, []);
        while raw.room(1) > 0 {
            let len = raw.room(1).min(10_000) as usize;
            // Padding may be returned at once; small data has none, so that this ends.
            let padding = if len < 1_000 { 0 } else { padding };
            let (flags, pad) = if padding > 0 { (PADDED, &[padding as u8][..]) } else { (0, &[][..]) };
            raw.write(DATA, flags, 1, &[pad, &vec![0; len - pad.len()]].concat()).await;
            raw.spend(1, len);
            assert_eq!(raw.settled().await, [], "within the window, padding {padding}");
        }
        assert_eq!(raw.room(1), 0);
        raw.write(DATA, 0, 1, &[0]).await;
        let verdict = raw.verdict(1).await;
        assert!(expect.meets(&verdict), "{verdict:?}, padding {padding}; expected {expect:?}");
    }
}

#[tokio::test]
async fn read_data_returns_its_window() {
    let address = server().await;
    let mut raw = Raw::connect(address, &[]).await;
    raw.write(HEADERS, END_HEADERS, 1, &post("/count", &[])).await;
    raw.data(1, &vec![7; 3_000_000], true).await;
    assert_eq!(raw.answer(1).await, b"3000000");
    let limits = Limits { window: Some(65_535), connection_window: Some(65_535), ..Limits::default() };
    let mut raw = Raw::connect(server_with(limits).await.address, &[]).await;
    for stream in [1, 3, 5] {
        raw.write(HEADERS, END_HEADERS, stream, &post("/count", &[])).await;
        raw.data(stream, &vec![7; 300_000], true).await;
        assert_eq!(raw.answer(stream).await, b"300000");
    }
}

#[tokio::test]
async fn padding_is_given_back() {
    let mut raw = Raw::connect(server().await, &[]).await;
    raw.write(HEADERS, END_HEADERS, 1, &post("/count", &[])).await;
    let count = raw.window.max(raw.initial_window()) * 3 / 257;
    for _ in 0..count {
        while raw.room(1) < 257 {
            within(raw.any()).await.expect("padding is given back");
        }
        raw.write(DATA, PADDED, 1, &[&[255, b'x'][..], &[0; 255]].concat()).await;
        raw.spend(1, 257);
    }
    raw.write(DATA, END_STREAM, 1, &[]).await;
    assert_eq!(raw.answer(1).await, format!("{count}").as_bytes());
}

#[tokio::test]
async fn unread_data_returns_its_connection_window() {
    let limits = Limits { connection_window: Some(65_535), ..Limits::default() };
    let address = server_with(limits).await.address;
    for path in ["/early", "/drop", "/reset/8"] {
        let mut raw = Raw::connect(address, &[]).await;
        for call in 0..20 {
            let stream = 1 + 2 * call;
            raw.write(HEADERS, END_HEADERS, stream, &post(path, &[])).await;
            // Half of it before the reset is known, half after.
            let mut seen = raw.data(stream, &[0; 10_000], false).await;
            seen.extend(raw.settled().await);
            if !seen.iter().any(|frame| frame.kind == RESET && frame.stream == stream) {
                raw.any_reset(stream).await;
            }
            raw.data(stream, &[0; 10_000], true).await;
        }
        raw.write(HEADERS, END_HEADERS, 99, &post("/count", &[])).await;
        raw.data(99, &[0; 60_000], true).await;
        assert_eq!(raw.answer(99).await, b"60000", "{path}");
    }
}

#[tokio::test]
async fn data_a_client_reset_returns_its_window() {
    let limits = Limits { connection_window: Some(65_535), ..Limits::default() };
    let mut raw = Raw::connect(server_with(limits).await.address, &[]).await;
    for call in 0..20 {
        let stream = 1 + 2 * call;
        raw.write(HEADERS, END_HEADERS, stream, &post("/silent", &[])).await;
        raw.data(stream, &[0; 20_000], false).await;
        raw.send(&reset(stream, CANCEL)).await;
    }
    raw.write(HEADERS, END_HEADERS, 99, &post("/count", &[])).await;
    raw.data(99, &[0; 60_000], true).await;
    assert_eq!(raw.answer(99).await, b"60000");
}
