//! RFC 9113, 6.5: SETTINGS.

use super::{
    raw::{Expect::*, *},
    side::server,
    streams::table,
};

#[tokio::test]
async fn values_out_of_range_end_the_connection() {
    let with = |id, value| settings(&[(id, value)]);
    const PROTOCOL: Expect = End(&[PROTOCOL_ERROR]);
    table(&[
        ("ENABLE_PUSH of 2", with(ENABLE_PUSH, 2), PROTOCOL),
        ("ENABLE_PUSH of 2^32-1", with(ENABLE_PUSH, u32::MAX), PROTOCOL),
        ("ENABLE_PUSH of 0", with(ENABLE_PUSH, 0), Goes),
        ("ENABLE_PUSH of 1", with(ENABLE_PUSH, 1), Goes),
        ("INITIAL_WINDOW_SIZE of 2^31", with(INITIAL_WINDOW_SIZE, 1 << 31), End(&[FLOW_CONTROL_ERROR])),
        ("INITIAL_WINDOW_SIZE of 2^32-1", with(INITIAL_WINDOW_SIZE, u32::MAX), End(&[FLOW_CONTROL_ERROR])),
        ("INITIAL_WINDOW_SIZE of 2^31-1", with(INITIAL_WINDOW_SIZE, (1 << 31) - 1), Goes),
        ("MAX_FRAME_SIZE of 2^14-1", with(MAX_FRAME_SIZE, (1 << 14) - 1), PROTOCOL),
        ("MAX_FRAME_SIZE of 0", with(MAX_FRAME_SIZE, 0), PROTOCOL),
        ("MAX_FRAME_SIZE of 2^24", with(MAX_FRAME_SIZE, 1 << 24), PROTOCOL),
        ("MAX_FRAME_SIZE of 2^14", with(MAX_FRAME_SIZE, 1 << 14), Goes),
        ("MAX_FRAME_SIZE of 2^24-1", with(MAX_FRAME_SIZE, (1 << 24) - 1), Goes),
        ("HEADER_TABLE_SIZE of 2^32-1", with(HEADER_TABLE_SIZE, u32::MAX), Goes),
        ("MAX_CONCURRENT_STREAMS of 0", with(MAX_CONCURRENT_STREAMS, 0), Goes),
        ("unknown", settings(&[(0x99, u32::MAX), (0, 7), (0xffff, 0)]), Goes),
        ("none", settings(&[]), Goes),
    ])
    .await;
}

#[tokio::test]
async fn each_is_acknowledged() {
    let mut raw = Raw::connect(server().await, &[]).await;
    for payload in [&[][..], &[(INITIAL_WINDOW_SIZE, 7)], &[(0x99, 1)], &[(ENABLE_PUSH, 0), (ENABLE_PUSH, 1)]]
    {
        raw.send(&settings(payload)).await;
        let ack = within(raw.any()).await.expect("an acknowledgement");
        assert_eq!((ack.kind, ack.flags, ack.stream, ack.payload.len()), (SETTINGS, ACK, 0, 0));
    }
}

#[tokio::test]
async fn the_last_of_several_values_counts() {
    let mut raw = Raw::connect(server().await, &[]).await;
    raw.send(&settings(&[(INITIAL_WINDOW_SIZE, 100), (0x99, 5), (INITIAL_WINDOW_SIZE, 1)])).await;
    raw.write(HEADERS, WHOLE, 1, &post("/body/10", &[])).await;
    raw.exactly(1, 1).await;
}

#[tokio::test]
async fn the_initial_window_applies_to_open_streams() {
    let mut raw = Raw::connect(server().await, &[(INITIAL_WINDOW_SIZE, 0)]).await;
    for stream in [1, 3] {
        raw.write(HEADERS, WHOLE, stream, &post("/body/30", &[])).await;
    }
    raw.exactly(3, 0).await;
    raw.send(&window(1, 2)).await;
    raw.exactly(1, 2).await;
    raw.send(&settings(&[(INITIAL_WINDOW_SIZE, 1)])).await;
    raw.exactly(1, 1).await;
    raw.send(&settings(&[(INITIAL_WINDOW_SIZE, 20)])).await;
    raw.exactly(1, 19).await;
    raw.send(&window(1, 100)).await;
    assert_eq!(raw.rest(1).await.len(), 8);
    raw.send(&window(3, 100)).await;
    assert!(raw.rest(3).await.len() >= 10);
}

#[tokio::test]
async fn the_initial_window_makes_windows_negative() {
    let mut raw = Raw::connect(server().await, &[(INITIAL_WINDOW_SIZE, 5)]).await;
    raw.write(HEADERS, WHOLE, 1, &post("/body/30", &[])).await;
    raw.exactly(1, 5).await;
    raw.send(&settings(&[(INITIAL_WINDOW_SIZE, 2)])).await;
    raw.exactly(1, 0).await;
    raw.send(&window(1, 3)).await;
    raw.exactly(1, 0).await;
    raw.send(&window(1, 2)).await;
    raw.exactly(1, 2).await;
    raw.send(&settings(&[(INITIAL_WINDOW_SIZE, 0)])).await;
    raw.exactly(1, 0).await;
    raw.send(&settings(&[(INITIAL_WINDOW_SIZE, 3)])).await;
    raw.exactly(1, 1).await;
    raw.send(&settings(&[(INITIAL_WINDOW_SIZE, 1_000)])).await;
    assert_eq!(raw.rest(1).await.len(), 22);
}

#[tokio::test]
async fn a_window_made_too_large_ends_the_connection() {
    let mut raw = Raw::connect(server().await, &[(INITIAL_WINDOW_SIZE, 10)]).await;
    raw.write(HEADERS, WHOLE, 1, &post("/silent", &[])).await;
    raw.send(&window(1, (1 << 31) - 11)).await;
    assert_eq!(raw.verdict(1).await, Verdict::Goes);
    raw.send(&settings(&[(INITIAL_WINDOW_SIZE, 11)])).await;
    assert_eq!(raw.verdict(1).await, Verdict::Ended(Some(FLOW_CONTROL_ERROR)));
}

#[tokio::test]
async fn frames_keep_to_the_peers_size() {
    let address = server().await;
    for (size, given) in [
        (16_384, &[][..]),
        (16_385, &[(MAX_FRAME_SIZE, 16_385)][..]),
        (100_000, &[(MAX_FRAME_SIZE, 100_000)][..]),
    ] {
        let mut raw = Raw::connect(address, given).await;
        raw.send(&[settings(&[(INITIAL_WINDOW_SIZE, 1 << 20)]), window(0, 1 << 20)].concat()).await;
        raw.write(HEADERS, WHOLE, 1, &post("/body/300000", &[])).await;
        let frames = raw.stream(1).await;
        assert_eq!(bytes(&frames).len(), 300_000);
        assert!(frames.iter().all(|frame| frame.payload.len() <= size));
    }
}
