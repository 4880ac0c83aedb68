//! The messages that the history keeps: what connectors and others send, decoded, and no secret in any answer.

use std::{fs, io::Write as _, net::SocketAddr};

use bytes::Bytes;
use flate2::{Compression, write::GzEncoder};
use h2::{
    SendStream,
    client::{ResponseFuture, SendRequest},
};
use http::{HeaderMap, Request};
use prost::Message as _;
use prost_types::{
    DescriptorProto, FieldDescriptorProto, FileDescriptorProto, FileDescriptorSet, MethodDescriptorProto,
    ServiceDescriptorProto,
    field_descriptor_proto::{Label, Type},
};
use protocol::pb;
use serde_json::{Value, json};
use tokio::net::{TcpListener, TcpStream};

use crate::{
    foreign::{client, echo},
    support::{Builder, Connector, Server, engine, python, teal},
};

const PASSWORD: &str = "S3cret-of-someone";
const SESSION: &str = "0b7b2f04-30cf-4b39-9a43";

fn keeping() -> Builder {
    teal().admin().switch_every("0").arg("--calls-messages")
}

/// All that the API says of the calls, one after the other.
fn all(server: &Server) -> Vec<Value> {
    let listed: Value =
        serde_json::from_str(&server.operate(&["calls", "--json", "--limit", "1000"]).done()).expect("JSON");
    let ids = listed["calls"].as_array().expect("a list").iter().map(|call| call["id"].to_string());
    ids.map(|id| serde_json::from_str(&server.operate(&["calls", &id]).done()).expect("JSON")).collect()
}

fn of<'a>(calls: &'a [Value], method: &str) -> &'a Value {
    let is_it = |call: &&Value| call["method"].as_str().is_some_and(|name| name.starts_with(method));
    calls.iter().find(is_it).unwrap_or_else(|| panic!("no {method} among {calls:#?}"))
}

fn request(call: &Value) -> &Value {
    &call["messages"]["request"][0]["content"]
}

fn response(call: &Value) -> &Value {
    &call["messages"]["response"][0]["content"]
}

fn a_connector_is_kept(connector: Connector, server: &Server) {
    let session = python(connector).run(server, "kept.py", &[]);
    let session = session.trim();
    assert!(session.len() > 20, "{session}");
    let calls = all(server);
    let login = of(&calls, "authenticate");
    assert_eq!(request(login)["user"], "someone@example.com", "{login:#}");
    assert_eq!(request(login)["password"], Value::Null);
    let prepare = of(&calls, "prepareStatement");
    let statement = request(prepare)["queryString"].as_str().expect("a statement");
    assert!(statement.starts_with("SELECT 1 AS id"), "{statement}");
    assert_eq!(request(prepare)["sessionId"], prepare["session"], "its hash: {prepare:#}");
    let metadata = of(&calls, "getResultMetadata");
    assert_eq!(response(metadata)["resultMetaData"]["columns"][1]["name"], "name", "{metadata:#}");
    let fetched = of(&calls, "getNextResult");
    let batches = [&response(fetched)["resultBatch"], &response(fetched)["resultBatches"][0]];
    let batch = batches.into_iter().find(|batch| !batch.is_null()).expect("a batch");
    let expected = json!({"columns": ["id", "name"], "row_count": 2, "rows": [["1", "x<b>y"], ["2", null]]});
    assert_eq!(batch, &expected, "{fetched:#}");
    let all = format!("{calls:?}");
    for secret in [PASSWORD, session] {
        assert!(!all.contains(secret), "{secret}");
    }
}

#[test]
fn messages_of_v3_0_2_are_kept() {
    a_connector_is_kept(Connector::V3_0_2, &keeping().run());
    let engine = engine().run();
    a_connector_is_kept(Connector::V3_0_2, &keeping().upstream(engine.address).run());
}

#[test]
fn messages_of_v2_2_6_are_kept() {
    a_connector_is_kept(Connector::V2_2_6, &keeping().run());
    let engine = engine().run();
    a_connector_is_kept(Connector::V2_2_6, &keeping().upstream(engine.address).run());
}

#[test]
fn without_the_flag_there_are_no_messages() {
    let server = teal().admin().switch_every("0").run();
    python(Connector::V3_0_2).run(&server, "once.py", &[]);
    let calls = all(&server);
    assert!(calls.len() > 3 && calls.iter().all(|call| call.get("messages").is_none()), "{calls:#?}");
}

/// A request whose body is sent in parts.
struct Sending {
    response: ResponseFuture,
    body: SendStream<Bytes>,
    /// The connection is the request's own.
    _send: SendRequest<Bytes>,
}

impl Sending {
    async fn begin(server: SocketAddr, path: &str, metadata: &[(&str, &str)]) -> Self {
        let stream = TcpStream::connect(server).await.expect("it listens");
        let (mut send, connection) = h2::client::handshake(stream).await.expect("it speaks HTTP/2");
        tokio::spawn(connection);
        let mut request = Request::post(format!("http://{server}{path}")).header("strategy", "blue");
        for (name, value) in [("content-type", "application/grpc"), ("te", "trailers")].iter().chain(metadata)
        {
            request = request.header(*name, *value);
        }
        let (response, body) =
            send.send_request(request.body(()).expect("a request"), false).expect("it is sent");
        Self { response, body, _send: send }
    }

    /// Sends a part, unless the server has ended the call.
    async fn send(&mut self, part: &[u8]) {
        let mut rest = Bytes::copy_from_slice(part);
        while !rest.is_empty() {
            self.body.reserve_capacity(rest.len());
            let room = std::future::poll_fn(|cx| self.body.poll_capacity(cx)).await;
            let Some(Ok(room)) = room else { break };
            let chunk = rest.split_to(room.min(rest.len()));
            if self.body.send_data(chunk, false).is_err() {
                break;
            }
        }
    }

    /// Ends the body, and waits for the gRPC status.
    async fn end(mut self) -> Option<String> {
        _ = self.body.send_data(Bytes::new(), true);
        let response = self.response.await.ok()?;
        let status = |headers: &HeaderMap| Some(headers.get("grpc-status")?.to_str().ok()?.to_owned());
        let head = status(response.headers());
        let mut body = response.into_body();
        while let Some(Ok(chunk)) = body.data().await {
            _ = body.flow_control().release_capacity(chunk.len());
        }
        head.or(body.trailers().await.ok()?.as_ref().and_then(status))
    }
}

/// Sends bytes as the body of a gRPC request, and waits for the end of the answer.
async fn send(server: SocketAddr, path: &str, metadata: &[(&str, &str)], body: Vec<u8>) -> Option<String> {
    let mut sending = Sending::begin(server, path, metadata).await;
    sending.send(&body).await;
    sending.end().await
}

fn framed(flag: u8, message: &[u8]) -> Vec<u8> {
    let length = u32::try_from(message.len()).expect("it is short").to_be_bytes();
    [&[flag][..], &length, message].concat()
}

fn gzip(message: &[u8]) -> Vec<u8> {
    let mut gzip = GzEncoder::new(Vec::new(), Compression::default());
    gzip.write_all(message).expect("there is memory");
    framed(1, &gzip.finish().expect("there is memory"))
}

const PREPARE: &str = "/QueryEngineService/prepareStatementV2";

fn prepare(statement: &str) -> Vec<u8> {
    let query = pb::PrepareStatementV2Request {
        session_id: SESSION.into(),
        query_string: statement.into(),
        ..Default::default()
    };
    query.encode_to_vec()
}

#[test]
fn what_attackers_send_does_no_harm() {
    let server = keeping().run();
    client(async {
        let token = ("authorization", "Bearer abc.DEF-123");
        let gzipped = [("grpc-encoding", "gzip"), token];
        send(server.address, PREPARE, &gzipped, gzip(&prepare("SELECT 'abc.DEF-123'"))).await;
        send(server.address, PREPARE, &gzipped, gzip(&prepare(&"x".repeat(64 << 20)))).await;
        send(server.address, PREPARE, &[], framed(0, &prepare(&"y".repeat(1 << 20)))).await;
        send(server.address, "/other.Service/call", &[], framed(0, b"\x0a\x0bhidden-pass")).await;
    });
    let calls = all(&server);
    assert_eq!(calls.len(), 4, "{calls:#?}");
    assert_eq!(request(&calls[0])["queryString"], "SELECT '***********'", "{:#}", calls[0]);
    for (call, letter) in calls[1..3].iter().zip(["x", "y"]) {
        let message = &call["messages"]["request"][0];
        assert_eq!(message["cut"], true, "{call:#}");
        let statement = message["content"]["queryString"].as_str().expect("its beginning");
        assert!((15 << 10..=16 << 10).contains(&statement.len()) && statement.starts_with(letter));
    }
    assert!(calls[3]["messages"]["note"].as_str().is_some_and(|note| note.contains("descriptor")));
    let all = format!("{calls:?}");
    for secret in ["abc.DEF-123", SESSION, "hidden-pass"] {
        assert!(!all.contains(secret), "{secret}");
    }
}

/// Each comes while another client is in the middle of a message.
#[test]
fn malformed_messages_harm_no_other_client() {
    let server = keeping().with("--sessions", "any").with("--threads", "1").run();
    let nested = (0..5_000).fold(b"hidden-pass".to_vec(), |inner, _| {
        let mut outer = Vec::new();
        prost::encoding::bytes::encode(9, &inner, &mut outer);
        outer
    });
    let (deep, secret) = (nested.len(), &b"hidden-pass"[..]);
    let unkept = |bytes: usize, problem: &str| {
        let problem = format!("not kept: {problem}, so nobody knows what is secret in it");
        json!({"bytes": bytes, "cut": false, "problem": problem, "type": "PrepareStatementV2Request"})
    };
    let (foreign, packed) = ("it is not a message of this type", "it cannot be decompressed");
    let kept = |bytes: usize, is_cut: bool| json!({"bytes": bytes, "content": {}, "cut": is_cut, "type": "PrepareStatementV2Request"});
    // The body, the status that its sender gets, and what is kept of it.
    let malformed = [
        ("5000 fields in one another", framed(0, &nested), "INTERNAL", kept(deep, false)),
        (
            "a message without an end",
            [b"\0\xff\xff\xff\xff\x0a\x10", secret].concat(),
            "OUT_OF_RANGE",
            kept(u32::MAX as usize, true),
        ),
        (
            "no field",
            framed(0, &[b"\xff\xff\xff", secret].concat()),
            "INTERNAL",
            unkept(3 + secret.len(), foreign),
        ),
        ("an unknown flag", framed(9, secret), "INTERNAL", unkept(secret.len(), packed)),
    ];
    for (what, body, status, expected) in &malformed {
        let statement = format!("SELECT '{what}'");
        let message = framed(0, &prepare(&statement));
        let refused = client(async {
            let mut other = Sending::begin(server.address, PREPARE, &[]).await;
            other.send(&message[..message.len() / 2]).await;
            let refused = send(server.address, PREPARE, &[], body.clone()).await;
            other.send(&message[message.len() / 2..]).await;
            assert_eq!(other.end().await.as_deref(), Some("0"), "the client beside {what}");
            refused
        });
        let calls = all(&server);
        let [.., call, other] = &*calls else { panic!("{what}: {calls:#?}") };
        assert_eq!(
            (&call["status"], &call["outcome"]),
            (&json!(status), &json!("error")),
            "{what}: {call:#}"
        );
        assert!(refused.is_some_and(|status| status != "0"), "{what}");
        assert_eq!(call["messages"]["request"], json!([expected]), "{what}");
        assert_eq!(request(other)["queryString"], json!(statement), "{what}: {other:#}");
        let all = format!("{calls:?}");
        assert!(!all.contains("hidden-pass") && !all.contains(SESSION), "{what}: {all}");
    }
    assert_eq!(all(&server).len(), 2 * malformed.len());
}

#[test]
fn a_long_result_is_cut() {
    let server = keeping().run();
    let rows = python(Connector::V3_0_2).run(
        &server,
        "kept.py",
        &["SELECT value AS n, repeat('z', 100) AS t FROM range(20000) AS r(value)"],
    );
    let calls = all(&server);
    let of_fetch =
        |call: &&Value| call["method"].as_str().is_some_and(|name| name.starts_with("getNextResult"));
    let fetched = calls.iter().filter(of_fetch).max_by_key(|call| call["response_bytes"].as_u64());
    let fetched = fetched.expect("a batch");
    assert!(fetched["response_bytes"].as_u64() > Some(100 << 10), "{rows} {fetched:#}");
    let message = &fetched["messages"]["response"][0];
    assert_eq!(message["cut"], true);
    let text = message.to_string();
    assert!(text.len() < 64 << 10, "{}", text.len());
    let batch = [&message["content"]["resultBatch"], &message["content"]["resultBatches"][0]];
    let batch = batch.into_iter().find(|batch| !batch.is_null()).expect("a batch");
    assert!(batch["row_count"].as_u64() > Some(100) && batch["rows"].as_array().is_some(), "{batch}");
}

#[test]
fn a_flood_of_large_messages_stays_within_limits() {
    let server = keeping().with("--calls-memory", "1MiB").with("--threads", "1").run();
    client(async {
        send(server.address, PREPARE, &[], framed(0, &prepare("SELECT 'small'"))).await;
        for _ in 0..100 {
            send(server.address, PREPARE, &[], framed(0, &prepare(&"x".repeat(100_000)))).await;
        }
    });
    let calls = all(&server);
    assert_eq!(calls.len(), 101);
    let kept: Vec<_> = calls.iter().filter(|call| !call["messages"]["request"][0].is_null()).collect();
    assert_eq!(request(kept[0])["queryString"], "SELECT 'small'", "small ones are not pushed out");
    // Half of 1 MiB, in pieces of up to 16 KiB.
    assert!((10..60).contains(&kept.len()), "{}", kept.len());
    assert_eq!(kept.last().expect("some are kept")["id"], 101);
}

/// `shop.Shop/place`, which takes and gives an order.
fn shop() -> FileDescriptorSet {
    let field = |(number, name, kind, of): (i32, &str, Type, Option<&str>)| FieldDescriptorProto {
        name: Some(name.into()),
        number: Some(number),
        label: Some(Label::Optional.into()),
        r#type: Some(kind.into()),
        type_name: of.map(str::to_owned),
        ..Default::default()
    };
    let fields = [
        (1, "item", Type::String, None),
        (2, "card_token", Type::String, None),
        (3, "gift", Type::Message, Some(".shop.Order")),
    ];
    let order = DescriptorProto {
        name: Some("Order".into()),
        field: fields.map(field).to_vec(),
        ..Default::default()
    };
    let place = MethodDescriptorProto {
        name: Some("place".into()),
        input_type: Some(".shop.Order".into()),
        output_type: Some(".shop.Order".into()),
        ..Default::default()
    };
    let file = FileDescriptorProto {
        name: Some("shop.proto".into()),
        package: Some("shop".into()),
        message_type: vec![order],
        service: vec![ServiceDescriptorProto {
            name: Some("Shop".into()),
            method: vec![place],
            ..Default::default()
        }],
        syntax: Some("proto3".into()),
        ..Default::default()
    };
    FileDescriptorSet { file: vec![file] }
}

#[test]
fn a_descriptor_set_decodes_another_service() {
    let file = tempfile::NamedTempFile::new().expect("a file can be made");
    fs::write(file.path(), shop().encode_to_vec()).expect("it is writable");
    let path = file.path().to_str().expect("a plain path");
    client(async {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port is free");
        let url = format!("http://{}", listener.local_addr().expect("it is bound"));
        tokio::spawn(echo(listener));
        let server = keeping().with("--upstream", &url).with("--descriptor-set", path).run();
        // An item, a token, and a gift with another token, and with a field that nobody knows.
        let gift = b"\x0a\x03pen\x12\x0bt0ken-inner\x22\x0bt0ken-other";
        let order = [&b"\x0a\x04book\x12\x0bt0ken-outer\x1a"[..], &[gift.len() as u8], gift].concat();
        send(server.address, "/shop.Shop/place", &[], framed(0, &order)).await;
        tokio::task::spawn_blocking(move || {
            let calls = all(&server);
            let call = &calls[0];
            let expected = json!({"item": "book", "gift": {"item": "pen"}});
            assert_eq!((request(call), response(call)), (&expected, &expected), "{call:#}");
            assert_eq!(call["messages"]["request"][0]["type"], "shop.Order");
            assert!(!format!("{calls:?}").contains("t0ken"), "{calls:#?}");
        })
        .await
        .expect("it holds");
    });
    let mut lacking = shop();
    lacking.file[0].dependency = vec!["other.proto".into()];
    fs::write(file.path(), lacking.encode_to_vec()).expect("it is writable");
    let (status, output) = keeping().with("--descriptor-set", path).refused();
    assert_eq!(status.code(), Some(64), "{output}");
    assert!(output.contains("expected a FileDescriptorSet with all that it imports"), "{output}");
}

#[test]
fn bad_settings_of_messages_are_refused() {
    for (value, why) in [
        ("5", "'5': expected on, off, or a size from 1KiB to 1MiB such as 16KiB"),
        ("2MiB", "'2MiB': expected on, off, or a size from 1KiB to 1MiB such as 16KiB"),
    ] {
        let (status, output) = teal().with("--calls-messages", value).refused();
        assert_eq!(status.code(), Some(64), "{output}");
        assert!(output.contains(why), "{output}");
    }
    let (_, output) = keeping().with("--calls", "0").refused();
    assert!(output.contains("'0': expected 1 or more, because --calls-messages"), "{output}");
    let server = keeping().run();
    let said = server.operate(&["calls", "9"]).ended(1);
    assert_eq!(said.err, "teal: call 9 has not ended, the last one is 0\n");
}
