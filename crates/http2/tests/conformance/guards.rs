//! Limits on what one side may cost the other: shares, budgets, and the reports of refusals.

use http::{HeaderMap, HeaderValue, Request};
use teal_http2::{Settings, server::Connection};
use tokio::io::{AsyncReadExt, AsyncWriteExt, duplex};

use super::{
    framing::open,
    raw::*,
    side::{Client, Failure, Limits, client, server, server_with},
};

const MAX_HEADER_LIST_SIZE: u16 = 6;

/// A client, and the raw server of its connection.
async fn pair(settings: &[(u16, u32)]) -> (Client, Raw) {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let client = client(listener.local_addr().unwrap()).await;
    let mut raw = Raw::accept(&listener, settings).await;
    raw.settled().await;
    (client, raw)
}

fn ok(stream: u32) -> Vec<u8> {
    frame(HEADERS, END_HEADERS, stream, &block(&[(":status", "200")]))
}

#[tokio::test]
async fn header_lists_keep_within_the_servers_limit() {
    let (client, mut raw) = pair(&[(MAX_HEADER_LIST_SIZE, 400)]).await;
    let request = |len| {
        let request = Request::post("http://side.test/call").header("x-long", "v".repeat(len));
        request.body(()).unwrap()
    };
    // Of the pseudo fields: 43 + 43 + 51 + 42 bytes; of the header 38 and its value.
    let refused = client.open_with(request(400 - 217 + 1), true).map(drop);
    assert_eq!(refused, Err(Failure::HeaderList { size: 401, limit: 400 }));
    let answer = tokio::spawn(client.open_with(request(400 - 217), true).unwrap().answer());
    assert_eq!(raw.request().await, 1, "nothing was sent of the other");
    raw.send(&[ok(1), frame(DATA, END_STREAM, 1, b"answer")].concat()).await;
    assert_eq!(within(answer).await.unwrap().body, b"answer");
}

#[tokio::test]
async fn header_lists_keep_within_the_clients_limit() {
    let mut raw = Raw::connect(server().await, &[(MAX_HEADER_LIST_SIZE, 200)]).await;
    let long = "v".repeat(200);
    raw.write(HEADERS, WHOLE, 1, &post("/early", &[("x-long", &long)])).await;
    assert_eq!(raw.reset(1).await, CANCEL);
    raw.write(HEADERS, WHOLE, 3, &post("/early", &[("x-short", "v")])).await;
    assert_eq!(raw.answer(3).await, b"");
}

#[tokio::test]
async fn unread_calls_leave_the_connection_to_others() {
    let limits = Limits { connection_window: Some(131_070), ..Limits::default() };
    let mut raw = Raw::connect(server_with(limits).await.address, &[]).await;
    for stream in [1, 3] {
        raw.write(HEADERS, END_HEADERS, stream, &post("/silent", &[])).await;
        raw.data(stream, &[7; 50_000], false).await;
    }
    raw.write(HEADERS, END_HEADERS, 5, &post("/count", &[])).await;
    raw.data(5, &[7; 500_000], true).await;
    assert_eq!(raw.answer(5).await, b"500000");
}

#[tokio::test]
async fn windows_grow_only_while_they_are_read() {
    let mut raw = Raw::connect(server().await, &[]).await;
    raw.write(HEADERS, END_HEADERS, 1, &post("/silent", &[])).await;
    raw.write(HEADERS, END_HEADERS, 3, &post("/count", &[])).await;
    raw.data(3, &vec![7; 2 << 20], false).await;
    raw.settled().await;
    assert_eq!(raw.initial_window(), 65_535);
    assert!(raw.room(3) > 500_000, "{}", raw.room(3));
    assert_eq!(raw.room(1), 65_535);
    raw.data(1, &[7; 65_535], false).await;
    raw.settled().await;
    assert_eq!(raw.room(1), 0);
}

#[tokio::test]
async fn the_calls_unread_for_longest_are_given_up() {
    let limits = Limits { unread: Some(100_000), ..Limits::default() };
    let mut raw = Raw::connect(server_with(limits).await.address, &[(INITIAL_WINDOW_SIZE, 0)]).await;
    let mut frames = Vec::new();
    for call in 0..20 {
        raw.write(HEADERS, WHOLE, 1 + 2 * call, &post("/body/10000", &[])).await;
        frames.extend(raw.settled().await);
    }
    while frames.iter().filter(|frame| frame.kind == RESET).count() < 10 {
        frames.push(within(raw.next()).await.expect("some are given up"));
    }
    frames.extend(raw.settled().await);
    let given_up: Vec<_> = frames
        .iter()
        .filter(|frame| frame.kind == RESET)
        .map(|frame| {
            assert_eq!(frame.code(), ENHANCE_YOUR_CALM);
            frame.stream
        })
        .collect();
    let oldest: Vec<_> = (0..given_up.len() as u32).map(|call| 1 + 2 * call).collect();
    assert_eq!(given_up, oldest);
    assert!((10..=12).contains(&given_up.len()), "{given_up:?}: 8 to 10 of 10 000 bytes are left");
    raw.send(&window(0, 1 << 20)).await;
    for stream in (given_up.len() as u32..20).map(|call| 1 + 2 * call) {
        raw.send(&window(stream, 10_000)).await;
        assert_eq!(raw.rest(stream).await.len(), 10_000);
    }
}

#[tokio::test]
async fn an_error_after_the_end_stays_an_error() {
    let (client, mut raw) = pair(&[]).await;
    let after: [(&str, Vec<u8>); 2] = [
        ("DATA", frame(DATA, 0, 1, b"more")),
        ("trailers", frame(HEADERS, WHOLE, 1, &block(&[("grpc-status", "0")]))),
    ];
    for (number, (name, wrong)) in after.into_iter().enumerate() {
        let stream = 1 + 2 * number as u32;
        let call = tokio::spawn(client.open("/call", false).unwrap().held());
        assert_eq!(raw.request().await, stream);
        let mut wrong = wrong;
        wrong[5..9].copy_from_slice(&stream.to_be_bytes());
        raw.send(&[ok(stream), frame(DATA, END_STREAM, stream, b"cut"), wrong].concat()).await;
        let (answer, _) = within(call).await.unwrap();
        assert_eq!(answer.end, Err(Failure::Reset { code: STREAM_CLOSED, remote: false }), "{name}");
    }
}

#[tokio::test]
async fn a_late_reset_leaves_the_answer_whole() {
    let (client, mut raw) = pair(&[]).await;
    for (stream, code) in [(1, NO_ERROR), (3, CANCEL)] {
        let call = tokio::spawn(client.open("/call", false).unwrap().held());
        assert_eq!(raw.request().await, stream);
        let trailers = frame(HEADERS, WHOLE, stream, &block(&[("grpc-status", "0")]));
        let data = frame(DATA, 0, stream, b"whole");
        raw.send(&[ok(stream), data, trailers, reset(stream, code)].concat()).await;
        let (answer, _) = within(call).await.unwrap();
        assert_eq!((answer.end, &answer.body[..]), (Ok(()), &b"whole"[..]));
        assert!(answer.trailers.is_some());
    }
}

#[tokio::test]
async fn the_end_stands_where_the_peer_put_it() {
    let mut raw = Raw::connect(server().await, &[]).await;
    raw.write(HEADERS, WHOLE, 1, &post("/ended", &[])).await;
    assert_eq!(raw.answer(1).await, b"true");
    let head = frame(HEADERS, END_HEADERS, 3, &post("/ended", &[]));
    raw.send(&[head, frame(DATA, END_STREAM, 3, b"")].concat()).await;
    assert_eq!(raw.answer(3).await, b"false");
}

#[tokio::test]
async fn the_smallest_header_table_is_announced_too() {
    let mut raw = Raw::connect(server().await, &[]).await;
    raw.write(HEADERS, WHOLE, 1, &post("/early", &[("x-entry", "1")])).await;
    raw.answer(1).await;
    raw.send(&settings(&[(HEADER_TABLE_SIZE, 0), (HEADER_TABLE_SIZE, 4096)])).await;
    raw.write(HEADERS, WHOLE, 3, &post("/early", &[("x-entry", "1")])).await;
    let frames = raw.stream(3).await;
    assert_eq!(frames[0].payload[..4], [0x20, 0x3f, 0xe1, 0x1f]);
}

#[tokio::test]
async fn an_ending_side_reads_its_peers_last_bytes() {
    let (ours, mut theirs) = duplex(64);
    let mut connection = Connection::new(ours, Settings::default());
    let served = tokio::spawn(async move { std::future::poll_fn(|cx| connection.poll_closed(cx)).await });
    let wrong = frame(PING, 0, 3, &[0; 8]);
    let more = frame(DATA, 0, 1, &[7; 10_000]);
    let all = [PREFACE, &settings(&[]), &open(), &wrong, &more].concat();
    // Nothing is read before everything is written, and the pipe is full in both directions.
    within(theirs.write_all(&all)).await.unwrap();
    let mut said = Vec::new();
    within(theirs.read_to_end(&mut said)).await.unwrap();
    assert!(said.windows(4).any(|code| code == [0, 0, 0, PROTOCOL_ERROR as u8]), "GOAWAY");
    drop(theirs);
    assert!(within(served).await.unwrap().is_err());
}

#[tokio::test]
async fn debug_data_of_a_goaway_is_reported() {
    let (mut client, mut raw) = pair(&[]).await;
    let call = tokio::spawn(client.open("/call", true).unwrap().answer());
    assert_eq!(raw.request().await, 1);
    let payload = [&1_u32.to_be_bytes()[..], &ENHANCE_YOUR_CALM.to_be_bytes(), b"too_many_pings\n"].concat();
    raw.send(&frame(GOAWAY, 0, 0, &payload)).await;
    raw.close().await;
    let error = within(&mut client.over).await.unwrap().unwrap_err();
    assert_eq!(error, Failure::GoAway { code: ENHANCE_YOUR_CALM, remote: true });
    let ended = within(call).await.unwrap().end;
    assert_eq!(
        ended,
        Err(Failure::GoAway { code: ENHANCE_YOUR_CALM, remote: true }),
        "its call hears it too"
    );
    assert_eq!(client.why().as_deref(), Some("too_many_pings"));
}

#[tokio::test]
async fn a_goaway_takes_nothing_back() {
    let (client, mut raw) = pair(&[]).await;
    let _call = client.open("/call", true).unwrap();
    raw.send(&[goaway(1, NO_ERROR), goaway(3, NO_ERROR)].concat()).await;
    let error = within(client.over).await.unwrap().unwrap_err();
    assert_eq!(error, Failure::GoAway { code: PROTOCOL_ERROR, remote: false });
}

#[tokio::test]
async fn settings_are_acknowledged_once() {
    let (client, mut raw) = pair(&[]).await;
    raw.write(SETTINGS, ACK, 0, &[]).await;
    let error = within(client.over).await.unwrap().unwrap_err();
    assert_eq!(error, Failure::GoAway { code: PROTOCOL_ERROR, remote: false });
}

#[tokio::test]
async fn data_of_forgotten_streams_is_counted() {
    let mut raw = Raw::connect(server().await, &[]).await;
    raw.write(HEADERS, WHOLE, 1, &post("/count", &[])).await;
    raw.answer(1).await;
    raw.send(&frame(DATA, 0, 1, b"x").repeat(1024)).await;
    assert!(matches!(raw.verdict(1).await, Verdict::Reset(STREAM_CLOSED)));
    raw.send(&frame(DATA, 0, 1, b"x")).await;
    assert_eq!(raw.verdict(1).await, Verdict::Ended(Some(ENHANCE_YOUR_CALM)));
}

#[tokio::test]
async fn answers_of_many_short_fields_are_whole() {
    let (client, mut raw) = pair(&[]).await;
    let answer = tokio::spawn(client.open("/call", true).unwrap().answer());
    assert_eq!(raw.request().await, 1);
    let names: Vec<_> = (0..1_000).map(|number| format!("x-{number}")).collect();
    let mut fields = vec![(":status", "200")];
    fields.extend(names.iter().map(|name| (name.as_str(), "1")));
    let block = block(&fields);
    raw.send(&[frame(HEADERS, END_HEADERS, 1, &block), frame(DATA, END_STREAM, 1, b"")].concat()).await;
    let answer = within(answer).await.unwrap();
    assert_eq!((answer.end, answer.headers.len()), (Ok(()), 1_000));
    let _: HeaderMap<HeaderValue> = answer.headers;
}
