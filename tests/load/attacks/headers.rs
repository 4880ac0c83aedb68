//! Rows 9, 11, 15 and 19: the content of header blocks.

use http::HeaderValue;

use super::{HEADER_TABLE_SIZE, PROTOCOL_ERROR, engines, serve, teal_before};
use crate::support::{
    beside,
    peers::{Call, client, echo, engine, framed, open, request, unary, within},
    raw::{self, ACK, END_HEADERS, END_STREAM, GOAWAY, HEADERS, RESET, Raw, SETTINGS},
};

/// The smallest table of this interval, and the last one: RFC 7541, 4.2.
const UPDATES: [u8; 4] = [0x20, 0x3f, 0xe1, 0x1f];
const SIZES: &[(u16, u32)] = &[(HEADER_TABLE_SIZE, 0), (HEADER_TABLE_SIZE, 4096)];

#[test]
fn two_table_sizes_in_one_frame_both_count() {
    let _beside = beside();
    let engines = engines();
    engines.block_on(async {
        let (came, mut comes) = tokio::sync::mpsc::unbounded_channel();
        let engine = raw::engine_with(SIZES, move |mut engine: Raw| {
            let came = came.clone();
            async move {
                while let Some(frame) = engine.next().await {
                    if frame.kind == HEADERS {
                        engine.write(HEADERS, END_HEADERS | END_STREAM, frame.stream, &raw::answer()).await;
                        _ = came.send(frame.payload);
                    }
                }
            }
        });
        let server = teal_before(engine.await);
        let mut client = Raw::connect_with(server.address, SIZES).await;
        let head = raw::call("/a/b", &[("strategy", "blue")]);
        client.write(HEADERS, END_HEADERS | END_STREAM, 1, &head).await;
        let answer = client.stream(1).await;
        assert_eq!(answer[0].payload[..4], UPDATES, "towards the client");
        let request = within(comes.recv()).await.unwrap();
        assert_eq!(request[..4], UPDATES, "towards the engine");
    });
}

#[test]
fn doubtful_requests_are_refused_as_malformed() {
    let _beside = beside();
    let engines = engines();
    engines.block_on(async {
        let engine = engine(echo).await;
        let server = teal_before(engine.address);
        let mut client = Raw::connect(server.address).await;
        client.settled().await;
        let pseudo = |path, authority| {
            vec![(":method", "POST"), (":scheme", "http"), (":path", path), (":authority", authority)]
        };
        let usual = pseudo("/a/b", "engine.test");
        let doubtful = [
            ("another host", usual.clone(), vec![("host", "other.test")]),
            ("two hosts", usual.clone(), vec![("host", "engine.test"), ("host", "engine.test")]),
            ("a name in upper case", usual.clone(), vec![("Name", "value")]),
            ("a connection header", usual.clone(), vec![("connection", "close")]),
            ("userinfo", pseudo("/a/b", "me@engine.test"), vec![]),
            ("a fragment", pseudo("/a/b#c", "engine.test"), vec![]),
        ];
        for (number, (about, pseudo, more)) in doubtful.into_iter().enumerate() {
            let stream = 1 + 2 * number as u32;
            let usual = [("content-type", "application/grpc"), ("te", "trailers"), ("strategy", "blue")];
            let block = raw::block(&[pseudo, usual.to_vec(), more].concat());
            client.write(HEADERS, END_HEADERS | END_STREAM, stream, &block).await;
            let frames = client.stream(stream).await;
            let is_refused = frames[0].kind == RESET && frames[0].code() == PROTOCOL_ERROR;
            assert!(is_refused, "{about}: {frames:?}");
        }
        assert_eq!(engine.calls(), 0, "none of them reached the engine");
    });
}

#[test]
fn an_acknowledgement_of_nothing_ends_the_connection() {
    let _beside = beside();
    let engines = engines();
    engines.block_on(async {
        let server = teal_before(engine(serve).await.address);
        let mut client = Raw::connect(server.address).await;
        client.settled().await;
        client.write(SETTINGS, ACK, 0, &[]).await;
        let frame = within(client.next()).await.expect("a GOAWAY");
        assert_eq!((frame.kind, &frame.payload[4..8]), (GOAWAY, &PROTOCOL_ERROR.to_be_bytes()[..]));
    });
}

#[test]
fn a_percent_encoded_authority_is_carried() {
    let _beside = beside();
    let engines = engines();
    engines.block_on(async {
        let (came, mut comes) = tokio::sync::mpsc::unbounded_channel();
        let engine = raw::engine(move |mut engine: Raw| {
            let came = came.clone();
            async move {
                while let Some(frame) = engine.next().await {
                    if frame.kind == HEADERS {
                        engine.write(HEADERS, END_HEADERS | END_STREAM, frame.stream, &raw::answer()).await;
                        _ = came.send(());
                    }
                }
            }
        });
        let server = teal_before(engine.await);
        let mut client = Raw::connect(server.address).await;
        // As gRPC's C-core sends for `unix:/run/engine.sock`.
        let head = raw::block(&[
            (":method", "POST"),
            (":scheme", "http"),
            (":path", "/a/b"),
            (":authority", "%2Frun%2Fengine.sock"),
            ("content-type", "application/grpc"),
            ("te", "trailers"),
            ("strategy", "blue"),
        ]);
        client.write(HEADERS, END_HEADERS | END_STREAM, 1, &head).await;
        let frames = client.stream(1).await;
        assert_eq!(frames[0].kind, HEADERS, "{frames:?}");
        within(comes.recv()).await.unwrap();
    });
}

#[test]
fn metadata_that_is_no_base64_stays_here() {
    let _beside = beside();
    let engines = engines();
    engines.block_on(async {
        let engine = engine(async |call: Call| call.answer(b"")).await;
        let server = teal_before(engine.address);
        let client = client(server.address).await;
        let mut head = request("/a/b");
        head.headers_mut().insert("x-bin", HeaderValue::from_static("%%%"));
        let (response, mut upload) = open(&client, head, false).await;
        _ = upload.send_data(framed(b"").into(), true);
        let answer = crate::support::peers::Answer::of(response).await;
        assert!(answer.error.is_some() || answer.status() != Some("0"), "{answer:?}");
        assert_eq!(engine.calls(), 0);
        assert_eq!(unary(&client, "/a/b", b"").await.status(), Some("0"), "on the same connection");
    });
}
