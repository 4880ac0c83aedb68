//! Point 20: the limits on the size of metadata.

use h2::server::Builder;
use http::{HeaderName, HeaderValue};

use super::{
    headers::mirrored,
    peers::{
        Answer, Call, before, client, echo, engine, engine_with, framed, grpc, open, request, status, unary,
        until, within,
    },
};
use crate::support::teal;

#[tokio::test]
async fn point_20_large_headers_pass_up_to_limits() {
    for kib in [15, 17, 63, 200] {
        let mut sent = request("/a/b");
        let value = "v".repeat(1024);
        for number in 0..kib {
            let name = HeaderName::try_from(format!("key-{number}")).unwrap();
            sent.headers_mut().insert(name, HeaderValue::try_from(value.as_str()).unwrap());
        }
        let expected = sent.headers().clone();
        assert_eq!(mirrored(sent).await, expected, "{kib} KiB");
    }

    let engine = engine(async |mut call: Call| {
        if call.path() == "/large/trailers" {
            let mut stream = call.accept();
            let mut trailers = status("0");
            trailers.insert("large", HeaderValue::try_from("v".repeat(300 << 10)).unwrap());
            _ = stream.send_trailers(trailers);
        } else {
            echo(call).await;
        }
    })
    .await;
    let server = before(engine.address);
    let client = client(server.address).await;
    let mut sent = request("/a/b");
    sent.headers_mut().insert("large", HeaderValue::try_from("v".repeat(300 << 10)).unwrap());
    let (response, _) = open(&client, sent, true).await;
    let answer = Answer::of(response).await;
    assert_eq!(answer.head.unwrap().status, 431);
    assert_eq!(engine.calls(), 0);
    let trailers = unary(&client, "/large/trailers", b"").await.trailers.unwrap();
    assert_eq!(trailers["large"].len(), 300 << 10, "what an engine says is for its client to judge");
    assert_eq!(unary(&client, "/a/b", b"x").await.body, framed(b"x"), "the connections stay");
}

#[tokio::test]
async fn point_20_the_engines_limit_refuses_its_sender() {
    let engine = engine_with(Builder::new().max_header_list_size(8192), echo).await;
    let server = teal().switch_every("0").with("--threads", "1").upstream(engine.address).run();
    let client = client(server.address).await;
    unary(&client, "/a/b", b"").await;
    // Which teal opens at start.
    until(|| engine.connections() == 2).await;
    let mut sent = request("/a/b");
    sent.headers_mut().insert("large", HeaderValue::try_from("v".repeat(20_000)).unwrap());
    for _ in 0..3 {
        let (response, _) = open(&client, sent.clone(), true).await;
        let answer = Answer::of(response).await;
        assert!(answer.is_trailers_only(), "{answer:?}");
        assert_eq!(answer.status(), Some("8"));
        let message = answer.message();
        assert!(message.starts_with("the request metadata has 20"), "{message}");
        assert!(
            message.ends_with(&format!(" bytes, engine http://{} accepts 8192", engine.address)),
            "{message}"
        );
    }
    sent.headers_mut().remove("content-type");
    let (response, _) = open(&client, sent, true).await;
    assert_eq!(Answer::of(response).await.head.unwrap().status, 431, "in HTTP's words where it is no gRPC");
    assert_eq!(unary(&client, "/a/b", b"x").await.body, framed(b"x"));
    assert_eq!((engine.calls(), engine.connections()), (2, 2));
}

#[tokio::test]
async fn point_20_too_large_answers_become_short_ones() {
    let engine = engine(async |mut call: Call| {
        let large = HeaderValue::try_from("v".repeat(5000)).unwrap();
        let path = call.path().to_owned();
        if path == "/large/trailers" {
            let mut stream = call.accept();
            stream.send_data(framed(b"x").into(), false).unwrap();
            let mut trailers = status("5");
            trailers.insert("large", large);
            return stream.send_trailers(trailers).unwrap();
        }
        let mut response = if path == "/large/html" { http::Response::new(()) } else { grpc() };
        response.headers_mut().insert("large", large);
        _ = call.respond.send_response(response, false);
    })
    .await;
    let server = before(engine.address);
    let stream = within(tokio::net::TcpStream::connect(server.address)).await.unwrap();
    let mut settings = h2::client::Builder::new();
    let (client, connection) = within(settings.max_header_list_size(1000).handshake(stream)).await.unwrap();
    tokio::spawn(connection);
    // Afterwards its settings have arrived.
    unary(&client, "/large/html", b"").await;

    let answer = unary(&client, "/large/head", b"").await;
    assert!(answer.is_trailers_only(), "{answer:?}");
    assert_eq!(answer.status(), Some("8"));
    assert!(answer.message().starts_with("the response metadata has 5"), "{}", answer.message());
    assert!(answer.message().ends_with(" bytes, the client accepts 1000"), "{}", answer.message());
    let answer = unary(&client, "/large/trailers", b"").await;
    assert_eq!((answer.body.as_slice(), answer.status()), (&framed(b"x")[..], Some("8")));
    assert!(answer.message().ends_with("; the status was 5"), "{}", answer.message());
    assert_eq!(unary(&client, "/large/html", b"").await.head.unwrap().status, 502);
    until(|| engine.open() == 0).await;
}
