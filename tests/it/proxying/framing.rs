//! Points 1 to 13, but for those in `resets`: status, trailers and framing.

use bytes::Bytes;
use http::HeaderValue;

use super::{
    peers::{
        self, Answer, Call, announcing, before, client, echo, engine, framed, open, request, send, status,
        unary, within,
    },
    raw::{self, DATA, END_HEADERS, END_STREAM, HEADERS, PADDED, RESET, Raw},
};

#[tokio::test]
async fn point_01_a_reject_is_one_headers_frame() {
    let engine = engine(echo).await;
    let server = before(engine.address);
    let mut client = Raw::connect(server.address).await;
    client.write(HEADERS, END_HEADERS | END_STREAM, 1, &raw::call("/a/b", &[("strategy", "purple")])).await;
    let mut frames = client.stream(1).await;
    frames.extend(client.settled().await);
    let seen: Vec<_> = frames.iter().map(|frame| (frame.kind, frame.flags)).collect();
    assert_eq!(seen, [(HEADERS, END_HEADERS | END_STREAM)]);

    let mut sent = request("/a/b");
    sent.headers_mut().insert("strategy", HeaderValue::from_static("purple"));
    let (response, _) = open(&peers::client(server.address).await, sent, true).await;
    let head = Answer::of(response).await.head.unwrap();
    assert_eq!(head.status.as_u16(), 456);
    for (name, value) in
        [("content-type", "application/grpc"), ("grpc-status", "2"), ("grpc-message", "status: 456")]
    {
        assert_eq!(head.headers[name], value);
    }
}

#[tokio::test]
async fn point_02_trailers_only_stays_trailers_only() {
    let address = raw::engine(|mut engine| async move {
        for status in ["0", "9"].iter().cycle() {
            let stream = engine.request().await;
            let head = [raw::answer(), raw::block(&[("grpc-status", status)])].concat();
            engine.write(HEADERS, END_HEADERS | END_STREAM, stream, &head).await;
            engine.write(RESET, 0, stream, &[0; 4]).await;
        }
    })
    .await;
    // Without a notice, and with one due.
    for server in [before(address), announcing(address)] {
        let mut client = Raw::connect(server.address).await;
        for (stream, flags) in
            [(1, END_HEADERS | END_STREAM), (3, END_HEADERS), (5, END_HEADERS | END_STREAM), (7, END_HEADERS)]
        {
            let call = raw::call("/QueryEngineService/getSchemaNames", &[]);
            client.write(HEADERS, flags, stream, &call).await;
            let frames = client.stream(stream).await;
            let seen: Vec<_> = frames.iter().map(|frame| (frame.kind, frame.flags)).collect();
            assert_eq!(seen, [(HEADERS, END_HEADERS | END_STREAM)], "nothing but one HEADERS frame");
        }
    }
}

#[tokio::test]
async fn point_03_trailers_pass_in_order() {
    let mut trailers = status("9");
    for (name, value) in [
        ("twice", &b"one"[..]),
        ("twice", b"two"),
        ("grpc-status-details-bin", b"CAkSBG5vcGU"),
        ("odd-bin", b"AAH/,gA=="),
        ("unannounced", b"\xe4 byte of text"),
        ("empty", b""),
    ] {
        trailers.append(name, HeaderValue::from_bytes(value).unwrap());
    }
    let expected = trailers.clone();
    let engine = engine(move |mut call: Call| {
        let trailers = trailers.clone();
        async move {
            let mut stream = call.accept();
            stream.send_data(framed(b"x").into(), false).unwrap();
            stream.send_trailers(trailers).unwrap();
        }
    })
    .await;
    let server = before(engine.address);
    let answer = unary(&client(server.address).await, "/a/b", b"").await;
    assert_eq!(answer.trailers.unwrap(), expected);
}

#[tokio::test]
async fn point_09_half_close_works_in_both_directions() {
    let engine = engine(async |mut call: Call| {
        let mut stream = call.accept();
        if call.path() == "/engine/first" {
            // The engine is done before it has read anything.
            stream.send_data(framed(b"done").into(), false).unwrap();
            stream.send_trailers(status("0")).unwrap();
            _ = call.body().await;
            return;
        }
        let body = call.body().await.unwrap();
        stream.send_data(framed(format!("{} bytes", body.len()).as_bytes()).into(), false).unwrap();
        stream.send_trailers(status("0")).unwrap();
    })
    .await;
    let server = before(engine.address);
    let client = client(server.address).await;

    // The client ends with an empty DATA frame, after the answer's head.
    let (response, mut upload) = open(&client, request("/client/first"), false).await;
    let mut response = within(response).await.unwrap().into_body();
    upload.send_data(framed(b"abc").into(), false).unwrap();
    upload.send_data(Bytes::new(), true).unwrap();
    assert_eq!(within(response.data()).await.unwrap().unwrap(), framed(b"8 bytes"));
    assert_eq!(within(response.trailers()).await.unwrap().unwrap()["grpc-status"], "0");

    // No message at all: with an empty DATA frame, and without.
    let (response, mut upload) = open(&client, request("/client/first"), false).await;
    upload.send_data(Bytes::new(), true).unwrap();
    assert_eq!(Answer::of(response).await.body, framed(b"0 bytes"));
    let (response, _) = open(&client, request("/client/first"), true).await;
    assert_eq!(Answer::of(response).await.body, framed(b"0 bytes"));

    let (response, _upload) = open(&client, request("/engine/first"), false).await;
    let answer = Answer::of(response).await;
    assert_eq!((answer.body, answer.error.is_none()), (framed(b"done"), true));
}

#[tokio::test]
async fn point_10_early_answers_reach_uploading_clients() {
    let engine = engine(async |mut call: Call| {
        if call.path() == "/sibling/call" {
            return echo(call).await;
        }
        let mut read = 0;
        while read < 1024 {
            read += call.request.body_mut().data().await.unwrap().unwrap().len();
        }
        call.only("9");
    })
    .await;
    let server = before(engine.address);
    let client = client(server.address).await;
    // The engine's own early answer, and a rejection.
    for (strategy, status) in [("blue", "9"), ("purple", "2")] {
        let mut head = request("/early/call");
        head.headers_mut().insert("strategy", HeaderValue::from_static(strategy));
        let (response, mut upload) = open(&client, head, false).await;
        let uploading = tokio::spawn(async move {
            let mut sent = 0;
            while sent < 50 << 20 && send(&mut upload, Bytes::from(vec![7; 1 << 16])).await {
                sent += 1 << 16;
            }
            sent
        });
        let answer = Answer::of(response).await;
        assert!(answer.is_trailers_only(), "{answer:?}");
        assert_eq!(answer.status(), Some(status));
        assert!(within(uploading).await.unwrap() < 50 << 20, "the upload stops");
        let sibling = unary(&client, "/sibling/call", &vec![1; 2 << 20]).await;
        assert_eq!(sibling.body.len(), 5 + (2 << 20));
    }
}

#[tokio::test]
async fn point_11_padding_and_empty_frames_change_nothing() {
    let address = raw::engine(|mut engine| async move {
        while let Some(frame) = engine.next().await {
            if frame.kind != HEADERS {
                continue;
            }
            engine.write(HEADERS, END_HEADERS, frame.stream, &raw::answer()).await;
            for byte in framed(b"\x0a\x01s") {
                engine.write(DATA, 0, frame.stream, &[]).await;
                engine.write(DATA, PADDED, frame.stream, &[3, byte, 0, 0, 0]).await;
            }
            let trailers = raw::block(&[("grpc-status", "0")]);
            engine.write(HEADERS, END_HEADERS | END_STREAM, frame.stream, &trailers).await;
        }
    })
    .await;
    let server = announcing(address);
    let client = client(server.address).await;
    let answer = unary(&client, "/QueryEngineService/getSchemaNames", b"").await;
    assert_eq!(answer.body, framed(b"\x0a\x01s\x1a\x05green"));
    let answer = unary(&client, "/unknown/method", b"").await;
    assert_eq!(answer.body, framed(b"\x0a\x01s"));
}

#[tokio::test]
async fn point_12_informational_responses_are_passed_over() {
    let address = raw::engine(|mut engine| async move {
        let stream = engine.request().await;
        for status in ["100", "103"] {
            engine.write(HEADERS, END_HEADERS, stream, &raw::block(&[(":status", status)])).await;
        }
        engine.write(HEADERS, END_HEADERS, stream, &raw::answer()).await;
        engine.write(DATA, 0, stream, &framed(b"x")).await;
        let trailers = raw::block(&[("grpc-status", "0")]);
        engine.write(HEADERS, END_HEADERS | END_STREAM, stream, &trailers).await;
        while engine.next().await.is_some() {}
    })
    .await;
    let server = before(address);
    let answer = unary(&client(server.address).await, "/a/b", b"").await;
    assert_eq!((answer.body.as_slice(), answer.status()), (&framed(b"x")[..], Some("0")));
}

#[tokio::test]
async fn point_13_second_messages_of_unary_methods_pass() {
    let two = [framed(b"\x0a\x01s"), framed(b"\x0a\x01t")].concat();
    let sent = two.clone();
    let engine = engine(move |mut call: Call| {
        let sent = sent.clone();
        async move {
            let mut stream = call.accept();
            stream.send_data(sent.into(), false).unwrap();
            stream.send_trailers(status("0")).unwrap();
        }
    })
    .await;
    let method = "/QueryEngineService/getSchemaNames";
    let server = before(engine.address);
    assert_eq!(unary(&client(server.address).await, method, b"").await.body, two);
    let server = announcing(engine.address);
    let with_field = [framed(b"\x0a\x01s\x1a\x05green"), framed(b"\x0a\x01t")].concat();
    assert_eq!(unary(&client(server.address).await, method, b"").await.body, with_field);
}
