//! Peers that send much for little.

use super::{
    framing::open,
    raw::*,
    side::{Limits, server, server_with},
};

/// Nobody may have so much of a peer's that doesn't read: both sockets' buffers are smaller.
const TOO_MUCH: usize = 64 << 20;

#[tokio::test]
async fn rapid_resets_end_the_connection() {
    let address = server().await;
    for path in ["/silent", "/echo"] {
        let mut raw = Raw::connect(address, &[]).await;
        let pair = |call: u32| {
            let stream = 1 + 2 * call;
            [frame(HEADERS, END_HEADERS, stream, &post(path, &[])), reset(stream, CANCEL)].concat()
        };
        raw.send(&(0..20_000).flat_map(pair).collect::<Vec<_>>()).await;
        assert_eq!(raw.verdict(1).await, Verdict::Ended(Some(ENHANCE_YOUR_CALM)), "{path}");
    }
}

#[tokio::test]
async fn requests_that_the_server_must_reset_end_the_connection() {
    let mut raw = Raw::connect(server().await, &[]).await;
    let pair = |call: u32| {
        let stream = 1 + 2 * call;
        [frame(HEADERS, END_HEADERS, stream, &post("/silent", &[])), window(stream, u32::MAX >> 1)].concat()
    };
    raw.send(&(0..20_000).flat_map(pair).collect::<Vec<_>>()).await;
    assert_eq!(raw.verdict(1).await, Verdict::Ended(Some(ENHANCE_YOUR_CALM)));
}

#[tokio::test]
async fn whole_requests_that_the_server_must_reset_end_the_connection() {
    let address = server().await;
    for more in [0, u32::MAX >> 1] {
        let mut raw = Raw::connect(address, &[]).await;
        let pair = |call: u32| {
            let stream = 1 + 2 * call;
            [frame(HEADERS, WHOLE, stream, &post("/silent", &[])), window(stream, more)].concat()
        };
        raw.send(&(0..20_000).flat_map(pair).collect::<Vec<_>>()).await;
        assert_eq!(raw.verdict(1).await, Verdict::Ended(Some(ENHANCE_YOUR_CALM)), "{more}");
    }
}

#[tokio::test]
async fn requests_that_the_server_must_reset_now_and_then_do_no_harm() {
    let mut raw = Raw::connect(server().await, &[]).await;
    for call in 0..6_000 {
        let stream = 1 + 2 * call;
        if call % 4 == 0 {
            let request = frame(HEADERS, WHOLE, stream, &post("/silent", &[]));
            raw.send(&[request, window(stream, 0)].concat()).await;
            assert_eq!(raw.reset(stream).await, PROTOCOL_ERROR);
        } else {
            raw.write(HEADERS, WHOLE, stream, &post("/count", &[])).await;
            assert_eq!(raw.answer(stream).await, b"0");
        }
    }
}

#[tokio::test]
async fn calls_given_up_now_and_then_do_no_harm() {
    let mut raw = Raw::connect(server().await, &[]).await;
    for call in 0..2_000 {
        let stream = 1 + 2 * call;
        raw.send(&frame(HEADERS, END_HEADERS, stream, &post("/echo", &[]))).await;
        let head = within(raw.next()).await.expect("a head");
        assert_eq!((head.kind, head.stream), (HEADERS, stream));
        raw.send(&reset(stream, CANCEL)).await;
    }
    assert_eq!(raw.settled().await, []);
}

#[tokio::test]
async fn what_comes_after_early_answers_does_no_harm() {
    let mut raw = Raw::connect(server().await, &[]).await;
    for call in 0..3_000 {
        let stream = 1 + 2 * call;
        raw.write(HEADERS, END_HEADERS, stream, &post("/early", &[])).await;
        assert_eq!(raw.any_reset(stream).await, NO_ERROR);
        let trailers = frame(HEADERS, WHOLE, stream, &block(&[("x-trailer", "late")]));
        raw.send(&[frame(DATA, 0, stream, b"late"), trailers].concat()).await;
    }
    raw.write(HEADERS, WHOLE, 9_999, &post("/count", &[])).await;
    assert_eq!(raw.answer(9_999).await, b"0");
}

#[tokio::test]
async fn what_must_be_answered_waits_for_the_peer_to_read() {
    let address = server().await;
    for (name, bytes) in [("PING", frame(PING, 0, 0, &[7; 8])), ("SETTINGS", settings(&[(0x99, 1)]))] {
        let mut raw = Raw::connect(address, &[]).await;
        let times = 10_000;
        let held = !raw.flood(&bytes.repeat(times), TOO_MUCH / times / bytes.len()).await;
        assert!(held, "{name}: all of it was taken");
        let mut other = Raw::connect(address, &[]).await;
        other.write(HEADERS, WHOLE, 1, &post("/count", &[])).await;
        assert_eq!(other.answer(1).await, b"0");
    }
}

#[tokio::test]
async fn answers_wait_for_the_peer_to_read() {
    let mut raw = Raw::connect(server().await, &[]).await;
    let mut held = false;
    let mut round = 0;
    while !held && round < 3_000 {
        let calls = (0..1_000).map(|call| 1 + 2 * (1_000 * round + call));
        let requests: Vec<u8> =
            calls.flat_map(|stream| frame(HEADERS, WHOLE, stream, &[0x83, 0x86, 0x84])).collect();
        held = !raw.flood(&requests, 1).await;
        round += 1;
    }
    assert!(held, "3000000 answers that nobody reads");
}

#[tokio::test]
async fn empty_data_does_no_harm() {
    let mut raw = Raw::connect(server().await, &[]).await;
    for (stream, path) in [(1, "/echo"), (3, "/count")] {
        raw.write(HEADERS, END_HEADERS, stream, &post(path, &[])).await;
        raw.send(&frame(DATA, 0, stream, &[]).repeat(20_000)).await;
        raw.write(DATA, END_STREAM, stream, &[]).await;
        assert!(raw.answer(stream).await.len() <= 1);
    }
}

#[tokio::test]
async fn single_bytes_unread_do_no_harm() {
    let mut raw = Raw::connect(server().await, &[]).await;
    raw.send(&open()).await;
    raw.send(&frame(DATA, 0, 1, b"x").repeat(30_000)).await;
    assert_eq!(raw.verdict(1).await, Verdict::Goes);
    raw.write(HEADERS, WHOLE, 3, &post("/count", &[])).await;
    assert_eq!(raw.answer(3).await, b"0");
}

#[tokio::test]
async fn window_updates_do_no_harm() {
    let mut raw = Raw::connect(server().await, &[(INITIAL_WINDOW_SIZE, 0)]).await;
    raw.write(HEADERS, WHOLE, 1, &post("/body/20000", &[])).await;
    raw.send(&window(1, 1).repeat(20_000)).await;
    assert_eq!(raw.answer(1).await.len(), 20_000);
}

#[tokio::test]
async fn unknown_frames_and_priorities_do_no_harm() {
    let mut raw = Raw::connect(server().await, &[]).await;
    raw.send(&frame(0x16, 0, 0, &[1; 10]).repeat(20_000)).await;
    raw.send(&frame(PRIORITY, 0, 1, &[0, 0, 0, 9, 9]).repeat(20_000)).await;
    raw.write(HEADERS, WHOLE, 1, &post("/count", &[])).await;
    assert_eq!(raw.answer(1).await, b"0");
}

#[tokio::test]
async fn endless_header_blocks_end_the_connection() {
    let limits = Limits { header_list: Some(16_384), ..Limits::default() };
    let address = server_with(limits).await.address;
    let filler = [&block(&[("x-filler", &"v".repeat(16_000))])[..]].concat();
    for (name, piece, times) in [
        ("large", filler, TOO_MUCH / 16_000),
        ("of one byte", vec![0x88], 1_000_000),
        ("empty", vec![], 1_000_000),
    ] {
        let mut raw = Raw::connect(address, &[]).await;
        raw.write(HEADERS, END_STREAM, 1, &post("/echo", &[])).await;
        let pieces = frame(CONTINUATION, 0, 1, &piece).repeat(100);
        let held = !raw.flood(&pieces, times / 100).await;
        assert!(held, "{name}: all of it was taken");
        let verdict = raw.verdict(1).await;
        assert!(matches!(verdict, Verdict::Ended(_)), "{name}: {verdict:?}");
    }
}
