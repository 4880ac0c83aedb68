//! Point 45, and points that need complete implementations: grpcio, grpc-js and tonic as clients, grpcio and grpc-js
//! as engines.

use std::{net::SocketAddr, time::Duration};

use bytes::Bytes;
use http::{HeaderValue, uri::PathAndQuery};
use tonic::{
    Code, Request, Status,
    client::Grpc,
    codec::CompressionEncoding,
    metadata::{Ascii, MetadataKey, MetadataMap, MetadataValue},
    transport::{Channel, Endpoint},
};

use super::{
    peers::{Answer, before, client, framed, open, request, within},
    raw::{GOAWAY, PING, Raw},
};
use crate::support::{Bare, Connector, Place, Running, Server, node, python, teal};

const LONG: Duration = Duration::from_secs(240);

/// Starts the service of another implementation; returns its address.
fn service(options: &[&str]) -> (Running, SocketAddr) {
    serving(python(Connector::V3_0_2).start_offline("service.py", options))
}

fn serving(process: Running) -> (Running, SocketAddr) {
    let line = process.wait_for("serving ", 1, LONG).remove(0);
    let port: u16 = line.trim_start_matches("serving ").trim().parse().expect("a port");
    (process, SocketAddr::from(([127, 0, 0, 1], port)))
}

#[test]
fn point_45_grpcio_sees_no_difference() {
    let (_service, address) = service(&[]);
    let server = before(address);
    python(Connector::V3_0_2).run(&server, "comparing.py", &[&address.to_string()]);
}

#[test]
fn point_45_grpc_js_sees_no_difference() {
    let (_service, address) = service(&[]);
    let server = before(address);
    let args = [&server.address.to_string(), &address.to_string()];
    if let Some(client) = node("comparing.mjs", &args.map(String::as_str)) {
        client.succeed(LONG);
    }
}

#[test]
fn point_45_grpc_js_engines_keep_their_connections() {
    let Some(engine) = node("engine.mjs", &["serve"]) else { return };
    let (_engine, address) = serving(engine);
    let server = before(address);
    let client = node("engine.mjs", &["call", &server.address.to_string()]).expect("Node is there");
    client.succeed(LONG);
}

/// Calls until the service is replaced `times` times, and expects nothing but success and `allowed`.
fn outlives(server: &Server, allowed: &[&str], times: usize, mut replace: impl FnMut()) {
    let mut client = python(Connector::V3_0_2).start(server, "loading.py", allowed);
    client.wait_for("through", 1, LONG);
    for time in 0..times {
        replace();
        client.write_line("again");
        client.wait_for("through", time + 2, LONG);
    }
    client.close_stdin();
    client.succeed(LONG);
}

#[test]
fn point_35_and_40_connection_age_fails_none() {
    let (_service, address) =
        service(&["grpc.max_connection_age_ms=1000", "grpc.max_connection_age_grace_ms=20000"]);
    let server = before(address);
    // Time enough for several connections to grow old.
    outlives(&server, &[], 2, || std::thread::sleep(Duration::from_secs(3)));
}

#[tokio::test]
async fn point_36_and_37_restarted_engines_are_found() {
    let place = Place::new();
    let address = place.address;
    let port = format!("port={}", address.port());
    let start = || Some(serving(python(Connector::V3_0_2).start_offline("service.py", &[&port])).0);
    let mut running = start();
    let server = before(address);
    outlives(&server, &["UNAVAILABLE"], 3, || {
        // Killed, in the midst of calls.
        running = None;
        running = start();
    });
}

#[tokio::test]
async fn point_38_strict_engines_keep_their_connections() {
    let (_service, address) = service(&["grpc.http2.max_ping_strikes=1"]);
    // It is strict: frequent pings get ENHANCE_YOUR_CALM.
    let mut eager = Raw::connect(address).await;
    let told = loop {
        eager.write(PING, 0, 0, b"anybody?").await;
        let frame = within(eager.next()).await.expect("it is said before the end");
        if frame.kind == GOAWAY {
            break frame.payload;
        }
    };
    assert_eq!(told[4..], *b"\0\0\0\x0btoo_many_pings");

    let server =
        teal().upstream(address).switch_every("0").with("--threads", "1").with("--log-level", "debug").run();
    let client = client(server.address).await;
    // Calls of which nothing is heard for long, one after the other; the second connection has none at all.
    for _ in 0..3 {
        let mut sent = request("/teal.test.TestService/Unary");
        sent.headers_mut().insert("pause", HeaderValue::from_static("2000"));
        let (response, mut upload) = open(&client, sent, false).await;
        upload.send_data(framed(b"x").into(), true).unwrap();
        let answer = Answer::of(response).await;
        assert_eq!((answer.status(), answer.body.as_slice()), (Some("0"), &framed(b"x")[..]));
    }
    let lost = server.lines_with(&format!("connection to engine http://{address}"));
    assert!(lost.is_empty(), "{lost:?}");
}

/// Metadata in an order of their own.
fn sorted(metadata: &MetadataMap) -> Vec<String> {
    let mut pairs: Vec<_> = metadata.clone().into_headers().iter().map(|pair| format!("{pair:?}")).collect();
    pairs.sort();
    pairs
}

/// All that tonic sees of a call: of one of the service's methods, or of a unary one by its path.
pub(super) async fn seen(
    channel: &Channel,
    method: &str,
    sent: &[Bytes],
    metadata: &MetadataMap,
) -> (Vec<Bytes>, Vec<Vec<String>>, Code, String) {
    let client = Grpc::new(channel.clone()).accept_compressed(CompressionEncoding::Gzip);
    let mut client = client.max_decoding_message_size(usize::MAX);
    client.ready().await.unwrap();
    let whole =
        if method.starts_with('/') { method.to_owned() } else { format!("/teal.test.TestService/{method}") };
    let path = PathAndQuery::try_from(whole).unwrap();
    let one = Request::from_parts(metadata.clone(), Default::default(), sent[0].clone());
    let all = Request::from_parts(metadata.clone(), Default::default(), tokio_stream(sent));
    let (mut messages, mut told) = (Vec::new(), Vec::new());
    let called: Result<(), Status> = async {
        let single = match method {
            "ClientStream" => client.client_streaming(all, path, Bare).await?,
            "ServerStream" | "Bidi" => {
                let response = match method {
                    "ServerStream" => client.server_streaming(one, path, Bare).await?,
                    _ => client.streaming(all, path, Bare).await?,
                };
                told.push(sorted(response.metadata()));
                let mut stream = response.into_inner();
                while let Some(message) = stream.message().await? {
                    messages.push(message);
                }
                told.extend(stream.trailers().await?.map(|trailers| sorted(&trailers)));
                return Ok(());
            }
            _ => client.unary(one, path, Bare).await?,
        };
        told.push(sorted(single.metadata()));
        messages.push(single.into_inner());
        Ok(())
    }
    .await;
    let (code, message) = match called {
        Ok(()) => (Code::Ok, String::new()),
        Err(status) => {
            told.push(sorted(status.metadata()));
            (status.code(), status.message().to_owned())
        }
    };
    (messages, told, code, message)
}

fn tokio_stream(sent: &[Bytes]) -> impl futures::Stream<Item = Bytes> + Send + use<> {
    futures::stream::iter(sent.to_vec())
}

#[tokio::test]
async fn point_45_tonic_sees_no_difference() {
    let (_service, address) = service(&[]);
    let server = before(address);
    let connect =
        |address: SocketAddr| Endpoint::try_from(format!("http://{address}")).unwrap().connect_lazy();
    let (direct, proxied) = (connect(address), connect(server.address));
    for method in ["Unary", "ServerStream", "ClientStream", "Bidi"] {
        for size in [0, 1, 16_379, 16_384, 1_000_000] {
            for code in [0, 1, 5, 13, 14] {
                let mut metadata = MetadataMap::new();
                for (key, value) in [
                    ("status", code.to_string()),
                    ("details", "50 % of it".to_owned()),
                    ("echo-twice", "1".to_owned()),
                    ("trailer-twice", "a".to_owned()),
                ] {
                    let key = key.parse::<MetadataKey<Ascii>>().unwrap();
                    metadata.append(key, MetadataValue::try_from(value).unwrap());
                }
                metadata.append("echo-twice", MetadataValue::from_static("2"));
                metadata
                    .append_bin("trailer-bin", MetadataValue::from_bytes(&(0..=255).collect::<Vec<u8>>()));
                let sent = [Bytes::from(vec![7; size]), Bytes::from_static(b"second")];
                let expected = seen(&direct, method, &sent, &metadata).await;
                assert_eq!(expected.2, Code::from(code), "{expected:?}");
                assert_eq!(seen(&proxied, method, &sent, &metadata).await, expected, "{method} of {size}");
            }
        }
    }
}
