//! Valid and invalid responses: the mirror of the tests of requests.

use tokio::net::TcpListener;

use super::{
    raw::{Expect::*, *},
    side::{Failure, client},
};

const PROTOCOL: Expect = End(&[PROTOCOL_ERROR]);
const MALFORMED: Expect = Reset(&[PROTOCOL_ERROR]);
const SIZE: Expect = End(&[FRAME_SIZE_ERROR]);
const COMPRESSION: Expect = End(&[COMPRESSION_ERROR]);

/// Sends each row's bytes to a client with an open call on stream 1, and checks the outcome of the call and the
/// connection. If the connection continues, another call is answered on it.
async fn table(rows: &[(&str, Vec<u8>, Expect)]) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let mut wrong = Vec::new();
    for (name, bytes, expect) in rows {
        let mut client = client(listener.local_addr().unwrap()).await;
        let mut raw = Raw::accept(&listener, &[]).await;
        let call = tokio::spawn(client.open("/first", false).unwrap().held());
        assert_eq!(raw.request().await, 1);
        raw.send(bytes).await;
        let verdict = raw.verdict(1).await;
        let mut trouble = String::new();
        if verdict != Verdict::Goes {
            let end = within(call).await.unwrap().0.end;
            let fits = match verdict {
                // Frames after the end of a response leave it complete.
                Verdict::Reset(STREAM_CLOSED) | Verdict::Ended(Some(STREAM_CLOSED)) => true,
                Verdict::Reset(code) => end == Err(Failure::Reset { code, remote: false }),
                _ => end.is_err(),
            };
            if !fits {
                trouble += &format!(", the call ends with {end:?}");
            }
        }
        if matches!(verdict, Verdict::Ended(_)) {
            let over = within(&mut client.over).await.unwrap();
            if over.is_ok() {
                trouble += ", the connection ends without an error";
            }
        }
        if !matches!(verdict, Verdict::Ended(_)) {
            match client.open("/second", true) {
                Err(failure) => trouble += &format!(", no other call is taken: {failure:?}"),
                Ok(call) => {
                    let answer = tokio::spawn(call.answer());
                    let stream = raw.request().await;
                    raw.send(&frame(HEADERS, WHOLE, stream, &[0x88])).await;
                    let answer = within(answer).await.unwrap();
                    if answer.end.is_err() {
                        trouble += &format!(", another call fails: {answer:?}");
                    }
                }
            }
        }
        if !trouble.is_empty() || !expect.meets(&verdict) {
            let sent = &bytes[..bytes.len().min(150)];
            wrong.push(format!(
                "{name}: {verdict:?}{trouble}; expected {expect:?} for {}",
                sent.escape_ascii()
            ));
        }
    }
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}

fn head(flags: u8, headers: &[(&str, &str)]) -> Vec<u8> {
    frame(HEADERS, flags, 1, &block(headers))
}

fn ok() -> Vec<u8> {
    head(END_HEADERS, &[(":status", "200")])
}

#[tokio::test]
async fn valid_responses_pass() {
    table(&[
        ("a head", ok(), Goes),
        (
            "a whole answer",
            [ok(), frame(DATA, 0, 1, b"data"), head(WHOLE, &[("grpc-status", "0")])].concat(),
            Goes,
        ),
        (
            "a head with a priority",
            frame(HEADERS, END_HEADERS | PRIORITIZED, 1, &[0, 0, 0, 0, 1, 0x88]),
            Goes,
        ),
        ("padding", frame(HEADERS, END_HEADERS | PADDED, 1, &[2, 0x88, 0, 0]), Goes),
        (
            "a head in pieces",
            [frame(HEADERS, 0, 1, &[]), frame(CONTINUATION, END_HEADERS, 1, &[0x88])].concat(),
            Goes,
        ),
        ("unknown frames", [frame(0x16, 9, 0, &[1; 9]), ok(), frame(0xfa, 0xff, 1, &[1; 9])].concat(), Goes),
        ("PRIORITY", frame(PRIORITY, 0, 1, &[0, 0, 0, 0, 1]), Goes),
        ("PRIORITY of an idle stream", frame(PRIORITY, 0, 9, &[0, 0, 0, 0, 1]), Goes),
        ("windows", [window(0, 1), window(1, 1)].concat(), Goes),
        ("SETTINGS", settings(&[(0x99, 1), (MAX_CONCURRENT_STREAMS, 10), (ENABLE_PUSH, 0)]), Goes),
        ("304 with a length", head(WHOLE, &[(":status", "304"), ("content-length", "5")]), Goes),
        ("a value beyond ASCII", head(END_HEADERS, &[(":status", "200"), ("x-value", "häß")]), Goes),
    ])
    .await;
}

#[tokio::test]
async fn malformed_answers_cost_their_call() {
    let status = (":status", "200");
    let data = |flags, data| frame(DATA, flags, 1, data);
    let length = |flags, len| head(flags, &[status, ("content-length", len)]);
    table(&[
        ("no :status", head(END_HEADERS, &[("x-lonely", "1")]), MALFORMED),
        ("nothing", head(END_HEADERS, &[]), MALFORMED),
        (":status twice", head(END_HEADERS, &[status, status]), MALFORMED),
        ("a word for :status", head(END_HEADERS, &[(":status", "fine")]), MALFORMED),
        ("a short :status", head(END_HEADERS, &[(":status", "20")]), MALFORMED),
        (":status after a header", head(END_HEADERS, &[("x-early", "1"), status]), MALFORMED),
        ("101", head(END_HEADERS, &[(":status", "101")]), Any(&[PROTOCOL_ERROR])),
        ("an end with 103", head(WHOLE, &[(":status", "103")]), MALFORMED),
        (":path", head(END_HEADERS, &[status, (":path", "/")]), MALFORMED),
        ("an unknown pseudo header", head(END_HEADERS, &[status, (":unknown", "1")]), MALFORMED),
        ("upper case", head(END_HEADERS, &[status, ("X-Upper", "1")]), MALFORMED),
        ("a name with a space", head(END_HEADERS, &[status, ("x y", "1")]), MALFORMED),
        ("a value with a line's end", head(END_HEADERS, &[status, ("x", "1\n2")]), MALFORMED),
        ("connection", head(END_HEADERS, &[status, ("connection", "close")]), MALFORMED),
        ("transfer-encoding", head(END_HEADERS, &[status, ("transfer-encoding", "chunked")]), MALFORMED),
        ("DATA before a head", data(0, b"data"), MALFORMED),
        (
            "trailers without an end",
            [ok(), data(0, b"data"), head(END_HEADERS, &[("x-trailer", "1")])].concat(),
            MALFORMED,
        ),
        (":status in trailers", [ok(), head(WHOLE, &[status])].concat(), MALFORMED),
        ("upper case in trailers", [ok(), head(WHOLE, &[("X-Upper", "1")])].concat(), MALFORMED),
        ("no data for some", length(WHOLE, "1"), MALFORMED),
        ("too little data", [length(END_HEADERS, "5"), data(END_STREAM, b"data")].concat(), MALFORMED),
        (
            "too little data before trailers",
            [length(END_HEADERS, "5"), data(0, b"data"), head(WHOLE, &[("x", "1")])].concat(),
            MALFORMED,
        ),
        ("too much data", [length(END_HEADERS, "3"), data(0, b"data")].concat(), MALFORMED),
        ("a length that is no number", length(END_HEADERS, "four"), MALFORMED),
    ])
    .await;
}

#[tokio::test]
async fn frames_of_a_wrong_length_are_refused() {
    let mut rows = vec![("an ACK of SETTINGS with a payload", frame(SETTINGS, ACK, 0, &[0; 6]), SIZE)];
    for (kind, stream, expect, lengths) in [
        (PRIORITY, 1, Error(&[FRAME_SIZE_ERROR]), &[0, 4, 6][..]),
        (RESET, 1, SIZE, &[0, 3, 5]),
        (SETTINGS, 0, SIZE, &[1, 5, 7]),
        (PING, 0, SIZE, &[0, 7, 9]),
        (GOAWAY, 0, SIZE, &[0, 7]),
        (WINDOW_UPDATE, 0, SIZE, &[0, 3, 5]),
        (WINDOW_UPDATE, 1, SIZE, &[3]),
        (HEADERS, 1, SIZE, &[1 << 24 >> 1]),
        (0x16, 0, SIZE, &[1 << 24 >> 1]),
    ] {
        rows.extend(
            lengths
                .iter()
                .map(|length| ("of a wrong length", frame(kind, 0, stream, &vec![1; *length]), expect)),
        );
    }
    table(&rows).await;
}

#[tokio::test]
async fn connection_errors() {
    let begun = frame(HEADERS, 0, 1, &[0x88]);
    let promise = [&[0, 0, 0, 2][..], &post("/pushed", &[])].concat();
    table(&[
        ("DATA of the connection", frame(DATA, 0, 0, b"data"), PROTOCOL),
        ("HEADERS of the connection", frame(HEADERS, WHOLE, 0, &[0x88]), PROTOCOL),
        ("RST_STREAM of the connection", frame(RESET, 0, 0, &[0, 0, 0, 8]), PROTOCOL),
        ("SETTINGS of a stream", frame(SETTINGS, 0, 1, &[]), PROTOCOL),
        ("PING of a stream", frame(PING, 0, 1, &[0; 8]), PROTOCOL),
        ("GOAWAY of a stream", frame(GOAWAY, 0, 1, &[0; 8]), PROTOCOL),
        ("padding longer than DATA", [ok(), frame(DATA, PADDED, 1, &[9, 0, 0])].concat(), PROTOCOL),
        ("padding longer than HEADERS", frame(HEADERS, WHOLE | PADDED, 1, &[9, 0x88]), PROTOCOL),
        ("a promise", frame(PUSH_PROMISE, END_HEADERS, 1, &promise), PROTOCOL),
        ("CONTINUATION alone", frame(CONTINUATION, END_HEADERS, 1, &[0x88]), PROTOCOL),
        ("a block with DATA in it", [begun.clone(), frame(DATA, 0, 1, b"data")].concat(), PROTOCOL),
        ("a block with PING in it", [begun.clone(), frame(PING, 0, 0, &[0; 8])].concat(), PROTOCOL),
        ("a block with an extension in it", [begun, frame(0x16, 0, 1, b"data")].concat(), PROTOCOL),
        ("index 0", frame(HEADERS, WHOLE, 1, &[0x88, 0x80]), COMPRESSION),
        ("an index beyond the table", frame(HEADERS, WHOLE, 1, &[0x88, 0xff, 0x30]), COMPRESSION),
        ("ENABLE_PUSH", settings(&[(ENABLE_PUSH, 1)]), PROTOCOL),
        (
            "INITIAL_WINDOW_SIZE of 2^31",
            settings(&[(INITIAL_WINDOW_SIZE, 1 << 31)]),
            End(&[FLOW_CONTROL_ERROR]),
        ),
        ("MAX_FRAME_SIZE of 1", settings(&[(MAX_FRAME_SIZE, 1)]), PROTOCOL),
        ("0 more of the connection", window(0, 0), PROTOCOL),
        ("0 more of a stream", window(1, 0), Error(&[PROTOCOL_ERROR])),
        ("too much of the connection", window(0, u32::MAX >> 1), End(&[FLOW_CONTROL_ERROR])),
        ("too much of a stream", window(1, u32::MAX >> 1), Reset(&[FLOW_CONTROL_ERROR])),
    ])
    .await;
}

#[tokio::test]
async fn streams_that_are_not_open() {
    let ended = |next: Vec<u8>| [frame(HEADERS, WHOLE, 1, &[0x88]), next].concat();
    const CLOSED: Expect = Error(&[STREAM_CLOSED]);
    table(&[
        ("HEADERS of an idle one", frame(HEADERS, WHOLE, 3, &[0x88]), PROTOCOL),
        ("DATA of an idle one", frame(DATA, 0, 3, b"data"), PROTOCOL),
        ("RST_STREAM of an idle one", reset(3, CANCEL), PROTOCOL),
        ("WINDOW_UPDATE of an idle one", window(3, 1), PROTOCOL),
        ("HEADERS of the server's", frame(HEADERS, WHOLE, 2, &[0x88]), PROTOCOL),
        ("DATA of the server's", frame(DATA, 0, 2, b"data"), PROTOCOL),
        ("DATA after an end", ended(frame(DATA, 0, 1, b"data")), CLOSED),
        ("HEADERS after an end", ended(frame(HEADERS, WHOLE, 1, &[0x88])), CLOSED),
        ("WINDOW_UPDATE after an end", ended(window(1, 5)), Goes),
        ("PRIORITY after an end", ended(frame(PRIORITY, 0, 1, &[0, 0, 0, 0, 1])), Goes),
        ("RST_STREAM after an end", ended(reset(1, NO_ERROR)), Goes),
        ("WINDOW_UPDATE after a reset", [reset(1, CANCEL), window(1, 5)].concat(), Any(&[STREAM_CLOSED])),
        ("RST_STREAM after a reset", [reset(1, CANCEL), reset(1, CANCEL)].concat(), Goes),
    ])
    .await;
}

#[tokio::test]
async fn a_server_sends_settings_first() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    for first in [
        frame(PING, 0, 0, &[0; 8]),
        frame(SETTINGS, ACK, 0, &[]),
        b"HTTP/1.1 400 Bad Request\r\n\r\n".to_vec(),
    ] {
        let mut client = client(listener.local_addr().unwrap()).await;
        let mut raw = Raw::accept_silently(&listener).await;
        raw.send(&first).await;
        while let Some(frame) = within(raw.any()).await {
            assert!(matches!(frame.kind, SETTINGS | WINDOW_UPDATE | GOAWAY), "{frame:?} after {first:?}");
        }
        assert!(within(&mut client.over).await.unwrap().is_err());
    }
}
