//! RFC 9113, chapter 6: valid and invalid frames of each kind except SETTINGS.

use super::{
    framing::open,
    raw::{Expect::*, *},
    side::server,
    streams::table,
};

const PROTOCOL: Expect = End(&[PROTOCOL_ERROR]);

#[tokio::test]
async fn frames_on_the_wrong_stream_are_errors() {
    let (request, word, ping) = (post("/silent", &[]), [0, 0, 0, 8], [0; 8]);
    table(&[
        ("DATA of the connection", frame(DATA, 0, 0, b"data"), PROTOCOL),
        ("HEADERS of the connection", frame(HEADERS, WHOLE, 0, &request), PROTOCOL),
        ("PRIORITY of the connection", frame(PRIORITY, 0, 0, &[0, 0, 0, 1, 9]), PROTOCOL),
        ("RST_STREAM of the connection", frame(RESET, 0, 0, &word), PROTOCOL),
        ("CONTINUATION of the connection", frame(CONTINUATION, END_HEADERS, 0, &request), PROTOCOL),
        ("SETTINGS of a stream", [open(), frame(SETTINGS, 0, 1, &[])].concat(), PROTOCOL),
        ("PING of a stream", [open(), frame(PING, 0, 1, &ping)].concat(), PROTOCOL),
        ("GOAWAY of a stream", [open(), frame(GOAWAY, 0, 1, &ping)].concat(), PROTOCOL),
    ])
    .await;
}

#[tokio::test]
async fn clients_promise_nothing() {
    let promise = [&[0, 0, 0, 2][..], &post("/echo", &[])].concat();
    table(&[
        ("on an open stream", [open(), frame(PUSH_PROMISE, END_HEADERS, 1, &promise)].concat(), PROTOCOL),
        ("on an idle one", frame(PUSH_PROMISE, END_HEADERS, 1, &promise), PROTOCOL),
        ("on none", frame(PUSH_PROMISE, END_HEADERS, 0, &promise), PROTOCOL),
    ])
    .await;
}

#[tokio::test]
async fn padding_is_shorter_than_its_frame() {
    let padded = |kind, flags, payload: &[u8]| frame(kind, flags | PADDED, 1, payload);
    let request = post("/silent", &[]);
    let pad = |length: u8| [&[length][..], &request].concat();
    let beyond = request.len() as u8 + 1;
    table(&[
        ("DATA", [open(), padded(DATA, 0, &[5, 1, 2, 3, 4])].concat(), PROTOCOL),
        ("DATA, far", [open(), padded(DATA, END_STREAM, &[255, 1])].concat(), PROTOCOL),
        ("DATA, all of it", [open(), padded(DATA, 0, &[4, 0, 0, 0, 0])].concat(), Goes),
        ("DATA, none", [open(), padded(DATA, 0, &[0])].concat(), Goes),
        ("HEADERS", padded(HEADERS, WHOLE, &pad(beyond)), PROTOCOL),
        ("HEADERS, none", padded(HEADERS, WHOLE, &pad(0)), Goes),
        (
            "HEADERS with a priority",
            padded(HEADERS, WHOLE | PRIORITIZED, &[3, 0, 0, 0, 0, 1, 0, 0]),
            PROTOCOL,
        ),
    ])
    .await;
}

#[tokio::test]
async fn padding_is_left_out() {
    let mut raw = Raw::connect(server().await, &[]).await;
    let request = post("/show", &[("x-padded", "yes")]);
    let head = [&[7, 0x80, 0, 0, 0, 12][..], &request, &[0; 7]].concat();
    raw.write(HEADERS, WHOLE | PADDED | PRIORITIZED, 1, &head).await;
    assert!(raw.answer(1).await.ends_with(b"x-padded: yes\n"));
    raw.write(HEADERS, END_HEADERS | PADDED, 3, &[&[2][..], &post("/echo", &[]), &[0; 2]].concat()).await;
    raw.write(DATA, PADDED, 3, b"\x03one\0\0\0").await;
    raw.write(DATA, PADDED, 3, b"\x03\0\0\0").await;
    raw.write(DATA, PADDED | END_STREAM, 3, &[&[255][..], b"two", &[0; 255]].concat()).await;
    assert_eq!(raw.answer(3).await, b"onetwo");
}

#[tokio::test]
async fn pings_are_answered_once() {
    let mut raw = Raw::connect(server().await, &[]).await;
    raw.write(PING, 0, 0, b"1st ping").await;
    raw.write(PING, ACK, 0, b"an ack..").await;
    raw.write(PING, 0, 0, b"2nd ping").await;
    let acks: Vec<_> =
        raw.settled().await.into_iter().map(|frame| (frame.kind, frame.flags, frame.payload)).collect();
    let ack = |payload: &[u8]| (PING, ACK, payload.to_vec());
    assert_eq!(acks, [ack(b"1st ping"), ack(b"2nd ping")]);
}

#[tokio::test]
async fn pings_are_answered_without_a_window() {
    let mut raw = Raw::connect(server().await, &[(INITIAL_WINDOW_SIZE, 0)]).await;
    raw.write(HEADERS, WHOLE, 1, &post("/body/10", &[])).await;
    raw.exactly(1, 0).await;
    assert_eq!(raw.settled().await, []);
}

#[tokio::test]
async fn continuations_follow_an_open_block() {
    let more = block(&[("x-more", "yes")]);
    let continuation = |flags, stream| frame(CONTINUATION, flags, stream, &more);
    let begun = frame(HEADERS, 0, 1, &post("/silent", &[]));
    table(&[
        ("after a whole block", [open(), continuation(END_HEADERS, 1)].concat(), PROTOCOL),
        (
            "after a block's end",
            [begun.clone(), continuation(END_HEADERS, 1), continuation(END_HEADERS, 1)].concat(),
            PROTOCOL,
        ),
        ("after DATA", [open(), frame(DATA, 0, 1, b"data"), continuation(END_HEADERS, 1)].concat(), PROTOCOL),
        ("on no stream", [begun.clone(), continuation(END_HEADERS, 0)].concat(), PROTOCOL),
        ("after its block", [begun.clone(), continuation(END_HEADERS, 1)].concat(), Goes),
        ("many", [begun.clone(), continuation(0, 1).repeat(7), continuation(END_HEADERS, 1)].concat(), Goes),
        (
            "too many",
            [begun.clone(), continuation(0, 1).repeat(9), continuation(END_HEADERS, 1)].concat(),
            End(&[ENHANCE_YOUR_CALM]),
        ),
        ("with nothing in it", [begun, frame(CONTINUATION, END_HEADERS, 1, &[])].concat(), Goes),
    ])
    .await;
}

#[tokio::test]
async fn blocks_are_whole_however_they_were_cut() {
    let mut raw = Raw::connect(server().await, &[]).await;
    let request = post("/show", &[("x-cut", "into pieces")]);
    for (stream, size) in [(1, 20), (3, 27), (5, 50), (7, 99)] {
        raw.write(HEADERS, END_STREAM, stream, &[]).await;
        for piece in request.chunks(size) {
            raw.write(CONTINUATION, 0, stream, piece).await;
        }
        raw.write(CONTINUATION, END_HEADERS, stream, &[]).await;
        assert!(raw.answer(stream).await.ends_with(b"x-cut: into pieces\n"));
    }
}

#[tokio::test]
async fn trailers_may_be_cut() {
    let mut raw = Raw::connect(server().await, &[]).await;
    raw.write(HEADERS, END_HEADERS, 1, &post("/show", &[])).await;
    raw.data(1, b"data", false).await;
    let trailers = block(&[("x-trailer", "cut")]);
    raw.write(HEADERS, END_STREAM, 1, &trailers[..5]).await;
    raw.write(CONTINUATION, END_HEADERS, 1, &trailers[5..]).await;
    assert!(raw.answer(1).await.ends_with(b"x-trailer: cut\n"));
}

#[tokio::test]
async fn long_heads_are_split_at_frame_size() {
    let mut raw = Raw::connect(server().await, &[]).await;
    let long = "v".repeat(12_000);
    let request = post("/early", &[("x-one", &long), ("x-two", &long), ("x-three", &long)]);
    let pieces: Vec<_> = request.chunks(16_384).collect();
    raw.write(HEADERS, END_STREAM, 1, pieces[0]).await;
    raw.write(CONTINUATION, 0, 1, pieces[1]).await;
    raw.write(CONTINUATION, END_HEADERS, 1, pieces[2]).await;
    let frames = raw.stream(1).await;
    let blocks =
        frames.iter().position(|frame| frame.flags & END_HEADERS != 0).expect("the end of the head") + 1;
    assert!(frames[0].kind == HEADERS && blocks > 1);
    assert!(frames[1..blocks].iter().all(|frame| frame.kind == CONTINUATION));
    assert!(frames.iter().all(|frame| frame.payload.len() <= 16_384));
}
