//! What a client's user sees of its calls, and what the server sees of the user's actions.

use std::net::SocketAddr;

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, StatusCode};
use tokio::net::TcpListener;

use super::{
    raw::*,
    side::{Answer, Client, Failure, Limits, client_with},
};

/// A client, and the raw server of its connection.
async fn pair(settings: &[(u16, u32)]) -> (Client, Raw) {
    pair_with(settings, Limits::default()).await
}

async fn pair_with(settings: &[(u16, u32)], limits: Limits) -> (Client, Raw) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address: SocketAddr = listener.local_addr().unwrap();
    let client = client_with(address, limits).await;
    let mut raw = Raw::accept(&listener, settings).await;
    raw.settled().await;
    (client, raw)
}

fn head(flags: u8, stream: u32, headers: &[(&str, &str)]) -> Vec<u8> {
    frame(HEADERS, flags, stream, &block(headers))
}

fn ok(stream: u32) -> Vec<u8> {
    head(END_HEADERS, stream, &[(":status", "200")])
}

fn end(stream: u32) -> Vec<u8> {
    head(WHOLE, stream, &[("grpc-status", "0")])
}

#[track_caller]
fn assert_whole(answer: &Answer, body: &[u8]) {
    assert_eq!(answer.end, Ok(()), "{answer:?}");
    assert_eq!(answer.status, Some(StatusCode::OK));
    assert!(answer.body == body, "{answer:?}");
    assert_eq!(
        answer.trailers.as_ref().map(|trailers| &trailers["grpc-status"]),
        Some(&"0".parse().unwrap())
    );
}

#[tokio::test]
async fn a_call_goes_there_and_back() {
    let (client, mut raw) = pair(&[]).await;
    let trailers = HeaderMap::from_iter([("x-trailer".parse().unwrap(), HeaderValue::from_static("1"))]);
    let call = client.open("/call", false).unwrap().finish_with(vec![Bytes::from("body")], Some(trailers));
    let answer = tokio::spawn(call);
    let request = raw.stream(1).await;
    assert_eq!(bytes(&request), b"body");
    assert_eq!((request.first().unwrap().kind, request.last().unwrap().kind), (HEADERS, HEADERS));
    raw.send(
        &[head(END_HEADERS, 1, &[(":status", "200"), ("x-head", "1")]), frame(DATA, 0, 1, b"answer"), end(1)]
            .concat(),
    )
    .await;
    let answer = within(answer).await.unwrap();
    assert_whole(&answer, b"answer");
    assert_eq!(answer.headers["x-head"], "1");
    assert_eq!(raw.settled().await, []);
}

#[tokio::test]
async fn informational_answers_are_skipped() {
    let (client, mut raw) = pair(&[]).await;
    for (stream, before) in [(1, &["100"][..]), (3, &["103"]), (5, &["103", "102", "199"])] {
        let answer = tokio::spawn(client.open("/call", true).unwrap().answer());
        assert_eq!(raw.request().await, stream);
        for status in before {
            raw.send(&head(END_HEADERS, stream, &[(":status", status), ("link", "</style.css>")])).await;
        }
        raw.send(&[ok(stream), frame(DATA, 0, stream, b"answer"), end(stream)].concat()).await;
        let answer = within(answer).await.unwrap();
        assert_whole(&answer, b"answer");
        assert!(answer.headers.is_empty());
    }
}

#[tokio::test]
async fn trailers_alone_are_an_answer() {
    let (client, mut raw) = pair(&[]).await;
    let answer = tokio::spawn(client.open("/call", true).unwrap().answer());
    let stream = raw.request().await;
    raw.send(&head(WHOLE, stream, &[(":status", "200"), ("grpc-status", "12")])).await;
    let answer = within(answer).await.unwrap();
    assert_eq!((answer.end, answer.trailers), (Ok(()), None));
    assert_eq!(answer.headers["grpc-status"], "12");
}

#[tokio::test]
async fn goaway_fails_the_calls_above_its_last_stream() {
    let (client, mut raw) = pair(&[]).await;
    let calls: Vec<_> = (0..4).map(|_| tokio::spawn(client.open("/call", true).unwrap().answer())).collect();
    while raw.request().await != 7 {}
    raw.send(&ok(3)).await;
    raw.send(&goaway(3, NO_ERROR)).await;
    let mut calls = calls.into_iter();
    let (first, second) = (calls.next().unwrap(), calls.next().unwrap());
    for call in calls {
        assert_eq!(within(call).await.unwrap().end, Err(Failure::GoAway { code: NO_ERROR, remote: true }));
    }
    assert!(client.open("/late", true).is_err() || raw.settled().await.is_empty());
    raw.send(&[frame(DATA, 0, 3, b"second"), end(3), ok(1), frame(DATA, 0, 1, b"first"), end(1)].concat())
        .await;
    assert_whole(&within(first).await.unwrap(), b"first");
    assert_whole(&within(second).await.unwrap(), b"second");
    raw.close().await;
    assert_eq!(within(client.over).await.unwrap(), Ok(()));
}

#[tokio::test]
async fn a_goaway_code_is_reported() {
    let (client, mut raw) = pair(&[]).await;
    let call = tokio::spawn(client.open("/call", true).unwrap().answer());
    raw.request().await;
    raw.send(&goaway(0, ENHANCE_YOUR_CALM)).await;
    let failure = Failure::GoAway { code: ENHANCE_YOUR_CALM, remote: true };
    assert_eq!(within(call).await.unwrap().end, Err(failure));
    raw.close().await;
    assert_eq!(within(client.over).await.unwrap(), Err(failure));
}

#[tokio::test]
async fn goaway_twice_narrows_the_calls() {
    let (client, mut raw) = pair(&[]).await;
    let first = tokio::spawn(client.open("/call", true).unwrap().answer());
    let second = tokio::spawn(client.open("/call", true).unwrap().answer());
    while raw.request().await != 3 {}
    raw.send(&[goaway((1 << 31) - 1, NO_ERROR), frame(PING, 0, 0, b"graceful")].concat()).await;
    raw.settled().await;
    raw.send(&goaway(1, NO_ERROR)).await;
    assert_eq!(within(second).await.unwrap().end, Err(Failure::GoAway { code: NO_ERROR, remote: true }));
    raw.send(&[ok(1), end(1)].concat()).await;
    assert_whole(&within(first).await.unwrap(), b"");
}

#[tokio::test]
async fn resets_are_reported_with_their_code() {
    let (client, mut raw) = pair(&[]).await;
    for code in [REFUSED_STREAM, CANCEL, PROTOCOL_ERROR, ENHANCE_YOUR_CALM, 13, 0xbeef] {
        let answer = tokio::spawn(client.open("/call", true).unwrap().answer());
        let stream = raw.request().await;
        raw.send(&reset(stream, code)).await;
        assert_eq!(within(answer).await.unwrap().end, Err(Failure::remote(code)));
        let answer = tokio::spawn(client.open("/call", true).unwrap().answer());
        let stream = raw.request().await;
        raw.send(&[ok(stream), frame(DATA, 0, stream, b"some"), reset(stream, code)].concat()).await;
        let answer = within(answer).await.unwrap();
        assert_eq!((answer.end, &answer.body[..]), (Err(Failure::remote(code)), &b"some"[..]));
    }
    assert_eq!(raw.settled().await, []);
}

#[tokio::test]
async fn an_early_answer_survives_its_failing_request() {
    for window in [10, 1 << 20] {
        let (client, mut raw) = pair(&[(INITIAL_WINDOW_SIZE, window)]).await;
        let upload = vec![Bytes::from(vec![7; 30_000]); 20];
        let answer = tokio::spawn(client.open("/call", false).unwrap().finish(upload));
        assert_eq!(raw.request().await, 1);
        raw.send(&[ok(1), frame(DATA, 0, 1, b"early"), end(1), reset(1, NO_ERROR)].concat()).await;
        assert_whole(&within(answer).await.unwrap(), b"early");
        let verdict = raw.settled().await;
        assert!(verdict.iter().all(|frame| frame.kind == DATA), "{verdict:?}");
        let answer = tokio::spawn(client.open("/call", true).unwrap().answer());
        let stream = raw.request().await;
        raw.send(&[ok(stream), end(stream)].concat()).await;
        assert_whole(&within(answer).await.unwrap(), b"");
    }
}

#[tokio::test]
async fn the_servers_limit_is_reported_and_kept() {
    let (client, mut raw) = pair(&[(MAX_CONCURRENT_STREAMS, 2)]).await;
    assert_eq!(client.streams(), 2);
    let calls: Vec<_> = (0..3).map(|_| client.open("/call", true)).collect();
    let requests = raw.settled().await;
    assert_eq!(requests.iter().map(|frame| frame.stream).collect::<Vec<_>>(), [1, 3]);
    drop(calls);
    raw.send(&settings(&[(MAX_CONCURRENT_STREAMS, 100)])).await;
    raw.settled().await;
    assert_eq!(client.streams(), 100);
    raw.send(&settings(&[(INITIAL_WINDOW_SIZE, 9)])).await;
    raw.settled().await;
    assert_eq!(client.streams(), 100);
}

#[tokio::test]
async fn a_lost_connection_delivers_data_before_failing() {
    let (mut client, mut raw) = pair(&[]).await;
    let first = tokio::spawn(client.open("/call", true).unwrap().answer());
    let second = tokio::spawn(client.open("/call", true).unwrap().answer());
    while raw.request().await != 3 {}
    raw.send(&[ok(1), frame(DATA, 0, 1, b"some")].concat()).await;
    drop(raw);
    let first = within(first).await.unwrap();
    assert_eq!((first.end, &first.body[..]), (Err(Failure::Io), &b"some"[..]));
    let second = within(second).await.unwrap();
    assert_eq!((second.end, second.status), (Err(Failure::Io), None));
    assert!(within(&mut client.over).await.is_ok());
    let late = client.open("/late", true);
    assert!(late.is_err() || within(late.unwrap().answer()).await.end.is_err());
}

#[tokio::test]
async fn uploads_keep_to_windows_that_open_later() {
    let (client, mut raw) = pair(&[(INITIAL_WINDOW_SIZE, 4)]).await;
    let answer =
        tokio::spawn(client.open("/call", false).unwrap().finish(vec![Bytes::from(vec![7; 100_000])]));
    raw.exactly(1, 4).await;
    raw.send(&window(1, 20_000)).await;
    raw.exactly(1, 20_000).await;
    raw.send(&window(1, 1 << 20)).await;
    raw.exactly(1, 65_535 - 20_004).await;
    raw.send(&settings(&[(INITIAL_WINDOW_SIZE, 0)])).await;
    raw.send(&window(0, 1 << 20)).await;
    assert_eq!(raw.rest(1).await.len(), 100_000 - 65_535);
    raw.send(&[ok(1), end(1)].concat()).await;
    assert_whole(&within(answer).await.unwrap(), b"");
}

#[tokio::test]
async fn calls_that_are_dropped_are_reset() {
    let (client, mut raw) = pair(&[]).await;
    let call = client.open("/call", true).unwrap();
    let stream = raw.request().await;
    drop(call);
    assert_eq!(raw.reset(stream).await, CANCEL);
    let call = client.open("/call", false).unwrap();
    let stream = raw.request().await;
    drop(call);
    assert_eq!(raw.reset(stream).await, CANCEL);
    let call = tokio::spawn(client.open("/call", true).unwrap().answer());
    let stream = raw.request().await;
    raw.send(&[ok(stream), frame(DATA, 0, stream, b"some")].concat()).await;
    raw.settled().await;
    call.abort();
    assert_eq!(raw.reset(stream).await, CANCEL);
}

#[tokio::test]
async fn calls_dropped_after_their_answer_free_their_place() {
    let (client, mut raw) = pair(&[(INITIAL_WINDOW_SIZE, 10), (MAX_CONCURRENT_STREAMS, 1)]).await;
    let upload = vec![Bytes::from(vec![7; 100])];
    let answer = tokio::spawn(client.open("/call", false).unwrap().finish(upload));
    raw.exactly(1, 10).await;
    raw.send(&[ok(1), end(1)].concat()).await;
    assert_whole(&within(answer).await.unwrap(), b"");
    assert_eq!(raw.reset(1).await, CANCEL);
    let answer = tokio::spawn(client.open("/next", true).unwrap().answer());
    assert_eq!(raw.request().await, 3);
    raw.send(&[ok(3), end(3)].concat()).await;
    assert_whole(&within(answer).await.unwrap(), b"");
}

#[tokio::test]
async fn calls_dropped_early_free_their_place_once_answered() {
    let (client, mut raw) = pair(&[(INITIAL_WINDOW_SIZE, 10), (MAX_CONCURRENT_STREAMS, 1)]).await;
    let answer = tokio::spawn(client.open("/call", false).unwrap().finish(vec![Bytes::from(vec![7; 100])]));
    raw.exactly(1, 10).await;
    answer.abort();
    assert!(answer.await.is_err());
    raw.send(&[ok(1), end(1)].concat()).await;
    assert_eq!(raw.reset(1).await, CANCEL);
    assert!(client.open("/next", true).is_ok());
}

#[tokio::test]
async fn data_of_dropped_calls_is_given_back() {
    let limits = Limits { connection_window: Some(65_535), ..Limits::default() };
    let (client, mut raw) = pair_with(&[], limits).await;
    for _ in 0..20 {
        let call = client.open("/call", true).unwrap();
        let stream = raw.request().await;
        raw.send(&ok(stream)).await;
        // Half of it before the call is dropped, half before the server knows.
        raw.data(stream, &[7; 10_000], false).await;
        raw.settled().await;
        drop(call);
        raw.data(stream, &[7; 10_000], false).await;
        raw.send(&end(stream)).await;
    }
    let answer = tokio::spawn(client.open("/call", true).unwrap().answer());
    let stream = raw.request().await;
    raw.send(&ok(stream)).await;
    raw.data(stream, &[7; 65_000], false).await;
    raw.send(&end(stream)).await;
    assert_whole(&within(answer).await.unwrap(), &[7; 65_000]);
}

#[tokio::test]
async fn more_data_than_the_window_is_an_error() {
    let limits = Limits { window: Some(65_535), connection_window: Some(1 << 20), ..Limits::default() };
    let (client, mut raw) = pair_with(&[], limits).await;
    let call = client.open("/call", true).unwrap();
    let stream = raw.request().await;
    raw.send(&ok(stream)).await;
    raw.data(stream, &[7; 65_535], false).await;
    assert_eq!(raw.verdict(stream).await, Verdict::Goes);
    raw.write(DATA, 0, stream, b"!").await;
    let verdict = raw.verdict(stream).await;
    assert!(Expect::Error(&[FLOW_CONTROL_ERROR]).meets(&verdict), "{verdict:?}");
    assert!(within(call.answer()).await.end.is_err());
}
