//! Calls that are not gRPC: refused by the built-in engine, forwarded unchanged to other engines.

use std::{net::SocketAddr, time::Duration};

use bytes::Bytes;
use http::{HeaderMap, Request, Response, StatusCode};
use tokio::{
    net::{TcpListener, TcpStream},
    time::timeout,
};

use crate::support::teal;

const SOON: Duration = Duration::from_secs(60);

/// Runs a client with a timeout.
pub(crate) fn client<T>(work: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.expect("a runtime").block_on(async { timeout(SOON, work).await.expect("it takes too long") })
}

/// Head, body and trailers of the answer to a call with this content type and strategy.
async fn call(
    server: SocketAddr,
    content_type: &str,
    strategy: &str,
) -> (Response<()>, Vec<u8>, Option<HeaderMap>) {
    let stream = TcpStream::connect(server).await.expect("it listens");
    let (mut send, connection) = h2::client::handshake(stream).await.expect("it speaks HTTP/2");
    tokio::spawn(connection);
    let request = Request::post(format!("http://{server}/QueryEngineService/authenticate"))
        .header("content-type", content_type)
        .header("strategy", strategy)
        .body(());
    let (response, mut stream) = send.send_request(request.expect("a request"), false).expect("it is sent");
    stream.send_data(Bytes::from_static(b"any bytes"), true).expect("it is sent");
    let (head, mut body) = response.await.expect("it is answered").into_parts();
    let mut bytes = Vec::new();
    while let Some(chunk) = body.data().await {
        bytes.extend_from_slice(&chunk.expect("the answer goes on"));
    }
    let trailers = body.trailers().await.expect("the answer ends");
    (Response::from_parts(head, ()), bytes, trailers)
}

const FOREIGN: [&str; 3] = ["text/plain", "application/json", "application/gruel"];

#[test]
fn the_built_in_engine_refuses_other_protocols() {
    for gate in ["on", "off"] {
        let server = teal().with("--gate", gate).run();
        for content_type in FOREIGN {
            let (head, body, trailers) = client(call(server.address, content_type, "blue"));
            assert_eq!(head.status(), StatusCode::UNSUPPORTED_MEDIA_TYPE, "{content_type}, gate {gate}");
            assert!(body.is_empty() && trailers.is_none());
        }
    }
}

/// Echoes the headers and the body of each call on a connection.
pub(crate) async fn echo(listener: TcpListener) {
    loop {
        let (stream, _) = listener.accept().await.expect("connections come");
        tokio::spawn(async move {
            let mut connection = h2::server::handshake(stream).await.expect("it speaks HTTP/2");
            while let Some(Ok((request, mut respond))) = connection.accept().await {
                let (head, mut body) = request.into_parts();
                tokio::spawn(async move {
                    let mut response = Response::new(());
                    *response.headers_mut() = head.headers;
                    let mut stream = respond.send_response(response, false).expect("it is sent");
                    while let Some(Ok(chunk)) = body.data().await {
                        stream.send_data(chunk, false).expect("it is sent");
                    }
                    let trailers = HeaderMap::from_iter([(
                        http::HeaderName::from_static("an-end"),
                        http::HeaderValue::from_static("of its own"),
                    )]);
                    stream.send_trailers(trailers).expect("it is sent");
                });
            }
        });
    }
}

#[test]
fn other_protocols_pass_to_engines_and_back() {
    client(async {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port is free");
        let url = format!("http://{}", listener.local_addr().expect("it is bound"));
        tokio::spawn(echo(listener));
        // Announced and never cut over: a notice is due on every judged call.
        let server =
            teal().with("--upstream", &url).switch_every("1ms").with("--announce-timeout", "0").run();
        server.wait_for("Strategy change pending: blue -> green", 1, SOON);
        for content_type in FOREIGN {
            let (head, body, trailers) = call(server.address, content_type, "purple").await;
            let names: Vec<&str> = head.headers().keys().map(http::HeaderName::as_str).collect();
            assert_eq!((head.status(), names), (StatusCode::OK, vec!["content-type", "strategy"]));
            assert_eq!(head.headers()["content-type"], content_type);
            assert_eq!(body, b"any bytes");
            assert_eq!(trailers.expect("the engine's")["an-end"], "of its own");
        }
        // While gRPC calls are judged, and get notices.
        let (head, _, _) = call(server.address, "application/grpc", "purple").await;
        assert_eq!(head.status().as_u16(), 456);
        let (head, _, _) = call(server.address, "application/grpc", "blue").await;
        assert_eq!(head.headers()["new-strategy"], "green");
    });
}
