//! RFC 9113, chapters 3 and 4: the preface, frames, and header blocks as a whole.

use super::{
    raw::{Expect::*, *},
    side::server,
    streams::table,
};

#[tokio::test]
async fn a_wrong_preface_ends_the_connection() {
    let address = server().await;
    let prefaces: [&[u8]; 4] = [
        b"GET / HTTP/1.1\r\nhost: side.test\r\n\r\n",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\rX\0\0\0\x04\0\0\0\0\0",
        b"PRI * HTTP/2.1\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0",
        b"\0\0\0\x04\0\0\0\0\0\0\0\0\x04\0\0\0\0\0\0\0\0\x04\0\0\0\0\0",
    ];
    for preface in prefaces {
        let mut raw = Raw::silent(address).await;
        raw.send(preface).await;
        while let Some(frame) = within(raw.any()).await {
            assert!(matches!(frame.kind, SETTINGS | GOAWAY | WINDOW_UPDATE), "{frame:?}");
        }
    }
}

#[tokio::test]
async fn settings_come_first_and_are_acknowledged() {
    let mut raw = Raw::silent(server().await).await;
    raw.send(&[PREFACE, &settings(&[])].concat()).await;
    let first = within(raw.any()).await.unwrap();
    assert_eq!((first.kind, first.flags, first.stream), (SETTINGS, 0, 0));
    loop {
        let frame = within(raw.any()).await.expect("an acknowledgement");
        if frame.kind == SETTINGS {
            assert_eq!((frame.flags, frame.stream, frame.payload.len()), (ACK, 0, 0));
            break;
        }
    }
}

#[tokio::test]
async fn frames_before_settings_end_the_connection() {
    let address = server().await;
    for first in [
        frame(PING, 0, 0, &[0; 8]),
        frame(HEADERS, WHOLE, 1, &post("/echo", &[])),
        frame(SETTINGS, ACK, 0, &[]),
        window(0, 1),
    ] {
        let mut raw = Raw::silent(address).await;
        raw.send(&[PREFACE, &first].concat()).await;
        let verdict = raw.verdict(1).await;
        assert!(End(&[PROTOCOL_ERROR]).meets(&verdict), "{verdict:?} after {first:?}");
    }
}

#[tokio::test]
async fn parts_of_a_long_frame_are_delivered() {
    let mut raw = Raw::connect(server().await, &[]).await;
    raw.write(HEADERS, END_HEADERS, 1, &post("/echo", &[])).await;
    let data = frame(DATA, END_STREAM, 1, &[7; 16_000]);
    raw.send(&data[..10_000]).await;
    assert_eq!(within(raw.next()).await.unwrap().kind, HEADERS);
    let first = within(raw.next()).await.unwrap();
    assert_eq!((first.kind, first.flags), (DATA, 0), "the end isn't there yet");
    raw.send(&data[10_000..]).await;
    assert_eq!(first.payload.len() + raw.rest(1).await.len(), 16_000);
}

#[tokio::test]
async fn a_connection_comes_in_any_pieces() {
    let mut raw = Raw::silent(server().await).await;
    let data = frame(DATA, END_STREAM, 1, b"piecemeal");
    let head = frame(HEADERS, END_HEADERS, 1, &post("/echo", &[]));
    for byte in [PREFACE, &settings(&[]), &head, &data].concat() {
        raw.send(&[byte]).await;
        tokio::task::yield_now().await;
    }
    assert_eq!(raw.answer(1).await, b"piecemeal");
}

#[tokio::test]
async fn undefined_frames_are_ignored() {
    let post = post("/silent", &[]);
    table(&[
        ("a type", frame(0x16, 0, 0, b"whatever"), Goes),
        ("a type, on an idle stream", frame(0xff, 0xff, 9, b"whatever"), Goes),
        ("a type, on an open stream", [open(), frame(0x16, 0, 1, &[0; 100])].concat(), Goes),
        ("a type, with nothing in it", frame(0x0a, 0, 3, &[]), Goes),
        ("a flag of PING", frame(PING, 0xfe, 0, &[0; 8]), Goes),
        ("a flag of HEADERS", frame(HEADERS, END_HEADERS | 0x42, 1, &post), Goes),
        ("a flag of DATA", [open(), frame(DATA, 0x76, 1, b"data")].concat(), Goes),
        ("a flag of SETTINGS", frame(SETTINGS, 0xfe, 0, &[]), Goes),
        ("a flag of WINDOW_UPDATE", frame(WINDOW_UPDATE, 0xff, 0, &[0, 0, 0, 1]), Goes),
        ("a flag of RST_STREAM", [open(), frame(RESET, 0xff, 1, &[0, 0, 0, 8])].concat(), Goes),
        ("the reserved bit of a stream", frame(HEADERS, END_HEADERS, 1 | 1 << 31, &post), Goes),
        ("the reserved bit of PING's stream", frame(PING, 0, 1 << 31, &[0; 8]), Goes),
        ("the reserved bit of WINDOW_UPDATE", window(0, 1 | 1 << 31), Goes),
        ("a code of RST_STREAM", [open(), reset(1, 0xdead_beef)].concat(), Goes),
    ])
    .await;
}

#[tokio::test]
async fn frames_are_not_larger_than_announced() {
    let raw = Raw::connect(server().await, &[]).await;
    let most = raw.settings.get(&MAX_FRAME_SIZE).copied().unwrap_or(16_384) as usize;
    drop(raw);
    let large = vec![0; most + 1];
    let filler = "v".repeat(most);
    const SIZE: &[u32] = &[FRAME_SIZE_ERROR];
    table(&[
        ("DATA", [open(), frame(DATA, 0, 1, &large)].concat(), Error(SIZE)),
        ("HEADERS", frame(HEADERS, WHOLE, 1, &post("/silent", &[("x-large", &filler)])), End(SIZE)),
        ("SETTINGS", frame(SETTINGS, 0, 0, &vec![0; (most + 6) / 6 * 6]), End(SIZE)),
        ("PING", frame(PING, 0, 0, &large), End(SIZE)),
        ("unknown", frame(0x16, 0, 0, &large), End(SIZE)),
    ])
    .await;
    let mut raw = Raw::connect(server().await, &[]).await;
    raw.send(&frame(HEADERS, END_HEADERS, 1, &post("/count", &[]))).await;
    raw.send(&frame(DATA, END_STREAM, 1, &large[1..])).await;
    assert_eq!(raw.answer(1).await, most.to_string().as_bytes());
}

#[tokio::test]
async fn frames_of_a_wrong_length_are_refused() {
    const SIZE: &[u32] = &[FRAME_SIZE_ERROR];
    let mut rows = vec![
        ("an ACK of SETTINGS with a payload", frame(SETTINGS, ACK, 0, &[0, 3, 0, 0, 0, 9]), End(SIZE)),
        (
            "PRIORITY in HEADERS",
            frame(HEADERS, WHOLE | PRIORITIZED, 1, &[0; 4]),
            End(&[FRAME_SIZE_ERROR, PROTOCOL_ERROR]),
        ),
        (
            "padding in DATA",
            [open(), frame(DATA, PADDED, 1, &[])].concat(),
            Error(&[FRAME_SIZE_ERROR, PROTOCOL_ERROR]),
        ),
    ];
    for (kind, stream, expect, lengths) in [
        (PRIORITY, 1, Error(SIZE), &[0, 4, 6][..]),
        (RESET, 1, End(SIZE), &[0, 3, 5]),
        (SETTINGS, 0, End(SIZE), &[1, 5, 7, 13]),
        (PING, 0, End(SIZE), &[0, 7, 9]),
        (GOAWAY, 0, End(SIZE), &[0, 7]),
        (WINDOW_UPDATE, 0, End(SIZE), &[0, 3, 5]),
        (WINDOW_UPDATE, 1, End(SIZE), &[0, 3, 5]),
    ] {
        for length in lengths {
            rows.push((
                "of a fixed length",
                [open(), frame(kind, 0, stream, &vec![1; *length])].concat(),
                expect,
            ));
        }
    }
    table(&rows).await;
}

#[tokio::test]
async fn header_blocks_are_not_interrupted() {
    const PROTOCOL: Expect = End(&[PROTOCOL_ERROR]);
    let (start, rest) = (post("/silent", &[]), block(&[("x-late", "yes")]));
    let between = |kind, stream, payload: &[u8]| {
        let frames = [frame(HEADERS, 0, 1, &start), frame(kind, 0, stream, payload)];
        [frames.concat(), frame(CONTINUATION, END_HEADERS, 1, &rest)].concat()
    };
    table(&[
        ("DATA", between(DATA, 1, b"data"), PROTOCOL),
        ("PRIORITY", between(PRIORITY, 1, &[0, 0, 0, 0, 1]), PROTOCOL),
        ("RST_STREAM", between(RESET, 1, &[0, 0, 0, 8]), PROTOCOL),
        ("SETTINGS", between(SETTINGS, 0, &[]), PROTOCOL),
        ("PING", between(PING, 0, &[0; 8]), PROTOCOL),
        ("GOAWAY", between(GOAWAY, 0, &[0; 8]), PROTOCOL),
        ("WINDOW_UPDATE", between(WINDOW_UPDATE, 0, &[0, 0, 0, 1]), PROTOCOL),
        ("HEADERS of the stream", between(HEADERS, 1, &rest), PROTOCOL),
        ("HEADERS of another", between(HEADERS, 3, &start), PROTOCOL),
        ("CONTINUATION of another", between(CONTINUATION, 3, &rest), PROTOCOL),
        ("an unknown frame", between(0x16, 1, b"extension"), PROTOCOL),
        ("an unknown frame of the connection", between(0xff, 0, b"extension"), PROTOCOL),
    ])
    .await;
}

/// Stream 1 with an open request.
pub(super) fn open() -> Vec<u8> {
    frame(HEADERS, END_HEADERS, 1, &post("/silent", &[]))
}
