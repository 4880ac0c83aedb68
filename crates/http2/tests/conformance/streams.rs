//! RFC 9113, chapter 5: the states of streams, their ids and their number.

use super::{
    framing::open,
    raw::{Expect::*, *},
    side::{Limits, server, server_with},
};

/// Sends each row's bytes on a connection of its own, and checks the outcome of stream 1 and of the connection. If
/// the connection continues, another call is served on it.
pub(super) async fn table(rows: &[(&str, Vec<u8>, Expect)]) {
    table_after("", rows).await;
}

/// Like `table`, after an open request for this path was answered or reset.
async fn table_after(path: &str, rows: &[(&str, Vec<u8>, Expect)]) {
    let address = server().await;
    let mut wrong = Vec::new();
    for (name, bytes, expect) in rows {
        let mut raw = Raw::connect(address, &[]).await;
        if !path.is_empty() {
            let whole = if path == "/early" { END_HEADERS } else { WHOLE };
            raw.write(HEADERS, whole, 1, &post(path, &[])).await;
            let answer = raw.stream(1).await;
            let last = answer.last().expect("an answer");
            if path == "/early" && last.kind != RESET {
                assert_eq!(raw.reset(1).await, NO_ERROR);
            }
        }
        raw.send(bytes).await;
        let verdict = raw.verdict(1).await;
        let mut lives = true;
        if !matches!(verdict, Verdict::Ended(_)) {
            raw.send(&frame(HEADERS, END_HEADERS, 99, &post("/count", &[]))).await;
            raw.data(99, b"alive", true).await;
            let answer = raw.stream(99).await;
            lives = super::raw::bytes(&answer) == b"5" && answer.last().is_some_and(Frame::ends_stream);
        }
        if !lives || !expect.meets(&verdict) {
            let lives = if lives { "" } else { ", and serves nothing after it" };
            let sent = bytes[..bytes.len().min(150)].escape_ascii();
            wrong.push(format!("{name}: {verdict:?}{lives}; expected {expect:?} for {sent}"));
        }
    }
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}

#[tokio::test]
async fn idle_streams_take_nothing_but_requests() {
    const PROTOCOL: Expect = End(&[PROTOCOL_ERROR]);
    table(&[
        ("DATA", frame(DATA, 0, 1, b"data"), PROTOCOL),
        ("an end", frame(DATA, END_STREAM, 1, b""), PROTOCOL),
        ("RST_STREAM", reset(1, CANCEL), PROTOCOL),
        ("WINDOW_UPDATE", window(1, 10), PROTOCOL),
        ("CONTINUATION", frame(CONTINUATION, END_HEADERS, 1, &post("/echo", &[])), PROTOCOL),
        ("DATA above an open one", [open(), frame(DATA, 0, 3, b"data")].concat(), PROTOCOL),
        ("RST_STREAM above an open one", [open(), reset(3, CANCEL)].concat(), PROTOCOL),
        ("DATA of the server's", frame(DATA, 0, 2, b"data"), PROTOCOL),
        ("RST_STREAM of the server's", reset(2, CANCEL), PROTOCOL),
        ("WINDOW_UPDATE of the server's", window(2, 10), PROTOCOL),
    ])
    .await;
}

#[tokio::test]
async fn half_closed_streams_accept_no_more_data() {
    let after = |next: Vec<u8>| [frame(HEADERS, WHOLE, 1, &post("/silent", &[])), next].concat();
    let after_data = |next: Vec<u8>| [open(), frame(DATA, END_STREAM, 1, b"data"), next].concat();
    const CLOSED: Expect = Error(&[STREAM_CLOSED]);
    let trailers = frame(HEADERS, WHOLE, 1, &block(&[("x-late", "yes")]));
    table(&[
        ("DATA", after(frame(DATA, 0, 1, b"data")), CLOSED),
        ("DATA after data", after_data(frame(DATA, END_STREAM, 1, b"")), CLOSED),
        ("HEADERS", after(frame(HEADERS, WHOLE, 1, &post("/silent", &[]))), CLOSED),
        ("trailers", after(trailers.clone()), CLOSED),
        ("trailers after data", after_data(trailers.clone()), CLOSED),
        ("trailers after trailers", [open(), trailers.clone(), trailers].concat(), CLOSED),
        ("WINDOW_UPDATE", after(window(1, 10)), Goes),
        ("PRIORITY", after(frame(PRIORITY, 0, 1, &[0, 0, 0, 0, 9])), Goes),
        ("RST_STREAM", after(reset(1, CANCEL)), Goes),
    ])
    .await;
}

fn late() -> [(&'static str, Vec<u8>, Expect); 4] {
    [
        ("WINDOW_UPDATE", window(1, 10), Goes),
        ("RST_STREAM", reset(1, CANCEL), Goes),
        ("RST_STREAM twice", [reset(1, CANCEL), reset(1, NO_ERROR)].concat(), Goes),
        ("PRIORITY", frame(PRIORITY, 0, 1, &[0, 0, 0, 0, 9]), Goes),
    ]
}

#[tokio::test]
async fn ended_streams_accept_frames_still_under_way() {
    table_after("/echo", &late()).await;
    table_after(
        "/echo",
        &[
            ("DATA", frame(DATA, 0, 1, b"data"), Any(&[STREAM_CLOSED, PROTOCOL_ERROR])),
            (
                "HEADERS",
                frame(HEADERS, WHOLE, 1, &post("/echo", &[])),
                Error(&[STREAM_CLOSED, PROTOCOL_ERROR]),
            ),
            (
                "CONTINUATION",
                frame(CONTINUATION, END_HEADERS, 1, &post("/echo", &[])),
                End(&[PROTOCOL_ERROR]),
            ),
        ],
    )
    .await;
}

#[tokio::test]
async fn streams_that_were_reset_hurt_no_others() {
    let mut rows = Vec::from(late());
    let trailers = frame(HEADERS, WHOLE, 1, &block(&[("x-late", "yes")]));
    rows.extend([
        ("DATA", frame(DATA, 0, 1, b"data"), Any(&[STREAM_CLOSED])),
        ("much DATA", frame(DATA, 0, 1, &[0; 10_000]).repeat(6), Any(&[STREAM_CLOSED])),
        ("an end", frame(DATA, END_STREAM, 1, b""), Any(&[STREAM_CLOSED])),
        ("trailers", trailers.clone(), Any(&[STREAM_CLOSED])),
        ("DATA and trailers", [frame(DATA, 0, 1, b"data"), trailers].concat(), Any(&[STREAM_CLOSED])),
    ]);
    table_after("/reset/8", &rows).await;
    table_after("/drop", &rows).await;
    table_after("/early", &rows).await;
}

#[tokio::test]
async fn streams_that_the_peer_reset_take_no_more() {
    let after = |next| [open(), reset(1, CANCEL), next].concat();
    table(&[
        ("DATA", after(frame(DATA, 0, 1, b"data")), Any(&[STREAM_CLOSED])),
        (
            "HEADERS",
            after(frame(HEADERS, WHOLE, 1, &post("/echo", &[]))),
            Error(&[STREAM_CLOSED, PROTOCOL_ERROR]),
        ),
        ("WINDOW_UPDATE", after(window(1, 10)), Any(&[STREAM_CLOSED])),
        ("PRIORITY", after(frame(PRIORITY, 0, 1, &[0, 0, 0, 0, 9])), Goes),
    ])
    .await;
}

#[tokio::test]
async fn ids_are_odd_and_only_rise() {
    let head = |stream| frame(HEADERS, WHOLE, stream, &post("/silent", &[]));
    table(&[
        ("even", head(2), End(&[PROTOCOL_ERROR])),
        ("even after odd", [head(1), head(4)].concat(), End(&[PROTOCOL_ERROR])),
        ("lower", [head(3), head(1)].concat(), Error(&[PROTOCOL_ERROR, STREAM_CLOSED])),
        ("with gaps", [head(7), head(21)].concat(), Goes),
    ])
    .await;
}

#[tokio::test]
async fn streams_beyond_the_limit_are_refused() {
    let limits = Limits { streams: Some(2), ..Limits::default() };
    let mut raw = Raw::connect(server_with(limits).await.address, &[]).await;
    assert_eq!(raw.settings.get(&MAX_CONCURRENT_STREAMS), Some(&2));
    for stream in [1, 3, 5, 7] {
        raw.write(HEADERS, END_HEADERS, stream, &post("/count", &[])).await;
    }
    for frame in raw.settled().await {
        assert!(frame.kind == RESET && [5, 7].contains(&frame.stream), "{frame:?}");
        assert!([REFUSED_STREAM, PROTOCOL_ERROR].contains(&frame.code()), "{frame:?}");
    }
    // Data sent before the refusal was known.
    raw.data(5, b"under way", true).await;
    for (stream, data) in [(1, "first"), (3, "third")] {
        raw.data(stream, data.as_bytes(), true).await;
        assert_eq!(raw.answer(stream).await, b"5");
    }
    for stream in [9, 11, 13] {
        raw.write(HEADERS, WHOLE, stream, &post("/count", &[])).await;
        assert_eq!(raw.answer(stream).await, b"0");
    }
}

#[tokio::test]
async fn a_reset_stream_makes_room_for_another() {
    let limits = Limits { streams: Some(1), ..Limits::default() };
    let mut raw = Raw::connect(server_with(limits).await.address, &[]).await;
    for stream in [1, 3, 5] {
        raw.send(
            &[frame(HEADERS, END_HEADERS, stream, &post("/silent", &[])), reset(stream, CANCEL)].concat(),
        )
        .await;
        assert_eq!(raw.settled().await, []);
    }
    raw.write(HEADERS, WHOLE, 7, &post("/count", &[])).await;
    assert_eq!(raw.answer(7).await, b"0");
}

#[tokio::test]
async fn priorities_are_accepted() {
    let priority = |stream, on: u8| frame(PRIORITY, 0, stream, &[0x80, 0, 0, on, 200]);
    let head = [&[0x80, 0, 0, 3, 255][..], &post("/silent", &[])].concat();
    table(&[
        ("of an idle stream", priority(1, 0), Goes),
        ("of a far one", [priority(201, 7), open()].concat(), Goes),
        ("of the server's", priority(4, 0), Goes),
        ("of an open one", [open(), priority(1, 5)].concat(), Goes),
        ("in HEADERS", frame(HEADERS, END_HEADERS | PRIORITIZED, 1, &head), Goes),
        ("in a whole request", frame(HEADERS, WHOLE | PRIORITIZED, 1, &head), Goes),
    ])
    .await;
}
