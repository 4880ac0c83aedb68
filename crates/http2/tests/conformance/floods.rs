//! Floods: peers that cause much work with little effort.

use std::{net::SocketAddr, time::Duration};

use teal_http2::{Limits as Bounds, Rate};

use super::{
    framing::open,
    raw::*,
    side::{Limits, server, server_with},
};

/// More than any side may hold for a peer that does not read: both sockets' buffers are smaller.
const TOO_MUCH: usize = 64 << 20;

/// Opens and resets a stream.
fn opened_and_reset(path: &str, call: u32) -> Vec<u8> {
    let stream = 1 + 2 * call;
    [frame(HEADERS, END_HEADERS, stream, &post(path, &[])), reset(stream, CANCEL)].concat()
}

/// A server that lets a client reset 100 streams at once, and 50 a second.
async fn slow_to_take_resets(slowed_for: Duration) -> SocketAddr {
    let abuse = Some(Bounds { resets: Rate::new(100, 50), slowed_for, ..Bounds::default() });
    server_with(Limits { abuse, ..Limits::default() }).await.address
}

#[tokio::test]
async fn rapid_resets_are_slowed_and_lose_nothing() {
    let mut raw = Raw::connect(slow_to_take_resets(Duration::from_secs(30)).await, &[]).await;
    raw.write(HEADERS, END_HEADERS, 1, &post("/count", &[])).await;
    for round in 0..2 {
        let calls = (0..80).map(|call| opened_and_reset("/silent", 1 + 80 * round + call));
        raw.send(&calls.collect::<Vec<_>>().concat()).await;
        assert_eq!(raw.settled().await, [], "round {round}");
    }
    raw.data(1, b"held", true).await;
    assert_eq!(raw.answer(1).await, b"4");
}

#[tokio::test]
async fn rapid_resets_without_a_pause_end_the_connection() {
    let address = slow_to_take_resets(Duration::from_millis(300)).await;
    for path in ["/silent", "/echo"] {
        let mut raw = Raw::connect(address, &[]).await;
        raw.send(&(0..20_000).flat_map(|call| opened_and_reset(path, call)).collect::<Vec<_>>()).await;
        assert_eq!(raw.verdict(1).await, Verdict::Ended(Some(ENHANCE_YOUR_CALM)), "{path}");
    }
}

#[tokio::test]
async fn answered_calls_may_be_cancelled_at_any_rate() {
    let mut raw = Raw::connect(slow_to_take_resets(Duration::ZERO).await, &[]).await;
    for call in 0..500 {
        let stream = 1 + 2 * call;
        raw.send(&frame(HEADERS, END_HEADERS, stream, &post("/echo", &[]))).await;
        let head = within(raw.next()).await.expect("a head");
        assert_eq!((head.kind, head.stream), (HEADERS, stream));
        raw.send(&reset(stream, CANCEL)).await;
    }
    assert_eq!(raw.settled().await, []);
}

#[tokio::test]
async fn too_many_malformed_requests_end_the_connection() {
    let mut raw = Raw::connect(server().await, &[]).await;
    let pair = |call: u32| {
        let stream = 1 + 2 * call;
        [frame(HEADERS, END_HEADERS, stream, &post("/silent", &[])), window(stream, u32::MAX >> 1)].concat()
    };
    raw.send(&(0..20_000).flat_map(pair).collect::<Vec<_>>()).await;
    assert_eq!(raw.verdict(1).await, Verdict::Ended(Some(ENHANCE_YOUR_CALM)));
}

#[tokio::test]
async fn too_many_malformed_whole_requests_end_the_connection() {
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
async fn valid_requests_do_not_offset_malformed_ones() {
    let mut raw = Raw::connect(server().await, &[]).await;
    for call in 0.. {
        let stream = 1 + 2 * call;
        let bad = call % 2 == 0;
        let request = frame(HEADERS, WHOLE, stream, &post(if bad { "/silent" } else { "/count" }, &[]));
        raw.send(&[request, if bad { window(stream, 0) } else { Vec::new() }].concat()).await;
        let frames = raw.stream(stream).await;
        if frames.is_empty() {
            assert_eq!(call / 2, 1024, "each second one was bad");
            break;
        }
    }
}

#[tokio::test]
async fn calls_cancelled_now_and_then_are_harmless() {
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
async fn data_after_early_answers_does_no_harm() {
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
async fn answers_to_frames_wait_for_a_reading_peer() {
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
async fn single_bytes_unread_do_no_harm() {
    let mut raw = Raw::connect(server().await, &[]).await;
    raw.send(&open()).await;
    raw.send(&frame(DATA, 0, 1, b"x").repeat(30_000)).await;
    assert_eq!(raw.verdict(1).await, Verdict::Goes);
    raw.write(HEADERS, WHOLE, 3, &post("/count", &[])).await;
    assert_eq!(raw.answer(3).await, b"0");
}

#[tokio::test]
async fn too_many_cheap_frames_end_the_connection() {
    let address = server().await;
    let floods = [
        ("SETTINGS", settings(&[(INITIAL_WINDOW_SIZE, 1)]), 90, 200),
        ("SETTINGS acknowledgements of nothing", frame(SETTINGS, ACK, 0, &[]), 0, 1),
        ("PING", frame(PING, 0, 0, &[7; 8]), 900, 2_000),
        ("unknown frames", frame(0x16, 0, 0, &[1; 10]), 900, 2_000),
        ("PRIORITY", frame(PRIORITY, 0, 1, &[0, 0, 0, 9, 9]), 900, 2_000),
        ("empty DATA", frame(DATA, 0, 1, &[]), 900, 2_000),
        ("padded DATA", frame(DATA, PADDED, 1, &[3, 0, 0, 0]), 900, 2_000),
        ("windows of the connection", window(0, 1), 9_000, 20_000),
        ("windows of a stream", window(1, 1), 9_000, 20_000),
    ];
    for (name, bytes, fine, flood) in floods {
        let mut raw = Raw::connect(address, &[]).await;
        raw.send(&open()).await;
        raw.send(&bytes.repeat(fine)).await;
        raw.write(HEADERS, WHOLE, 3, &post("/count", &[])).await;
        assert_eq!(raw.answer(3).await, b"0", "{name}");
        raw.send(&bytes.repeat(flood)).await;
        let verdict = raw.verdict(1).await;
        let Verdict::Ended(Some(code)) = verdict else { panic!("{name}: {verdict:?}") };
        assert!([ENHANCE_YOUR_CALM, PROTOCOL_ERROR].contains(&code), "{name}: {code}");
    }
}

#[tokio::test]
async fn pings_and_windows_beside_data_are_no_flood() {
    let mut raw = Raw::connect(server().await, &[(INITIAL_WINDOW_SIZE, 0)]).await;
    raw.write(HEADERS, WHOLE, 1, &post("/body/3000", &[])).await;
    for _ in 0..3_000 {
        raw.send(&[window(1, 1), frame(PING, 0, 0, &[7; 8])].concat()).await;
        while within(raw.next()).await.expect("data").kind != DATA {}
    }
    assert_eq!(raw.settled().await.iter().filter(|frame| frame.kind == GOAWAY).count(), 0);
}

#[tokio::test]
async fn one_frame_has_32_settings_at_most() {
    let address = server().await;
    for (entries, expected) in [(32, Verdict::Goes), (33, Verdict::Ended(Some(ENHANCE_YOUR_CALM)))] {
        let mut raw = Raw::connect(address, &[]).await;
        raw.send(&settings(&vec![(0x99, 1); entries])).await;
        assert_eq!(raw.verdict(1).await, expected, "{entries}");
    }
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
