//! Points 14 to 19, and 21: metadata reach the engine and the client unchanged.

use http::{HeaderMap, HeaderName, HeaderValue, Request};

use super::{
    peers::{Answer, Call, before, client, echo, engine, grpc, open, request, status, within},
    raw::{self, END_HEADERS, END_STREAM, HEADERS, RESET, Raw},
};

/// Echoes a request: its headers, and its target as `uri`.
async fn mirror(mut call: Call) {
    let head = call.request.headers().clone();
    let uri = call.request.uri().to_string();
    let method = call.request.method().to_string();
    _ = call.body().await;
    let mut response = http::Response::new(());
    *response.headers_mut() = head.clone();
    response.headers_mut().insert("uri", HeaderValue::try_from(uri).unwrap());
    response.headers_mut().insert("method", HeaderValue::try_from(method).unwrap());
    let mut stream = call.respond.send_response(response, false).unwrap();
    let mut trailers = status("0");
    trailers.extend(head);
    stream.send_trailers(trailers).unwrap();
}

/// The headers that the engine received, after a check that the response returned unchanged.
pub(super) async fn mirrored(sent: Request<()>) -> HeaderMap {
    let engine = engine(mirror).await;
    let server = before(engine.address);
    let client = client(server.address).await;
    let (uri, method) = (sent.uri().to_string(), sent.method().to_string());
    let (response, _) = open(&client, sent, true).await;
    let answer = Answer::of(response).await;
    let mut headers = answer.head.unwrap().headers;
    assert_eq!(headers.remove("uri").unwrap(), uri.as_str());
    assert_eq!(headers.remove("method").unwrap(), method.as_str());
    let mut trailers = answer.trailers.unwrap();
    trailers.remove("grpc-status");
    assert_eq!(headers, trailers);
    headers
}

#[tokio::test]
async fn point_14_te_trailers_reaches_the_engine() {
    let headers = mirrored(request("/a/b")).await;
    assert_eq!(headers.get_all("te").iter().collect::<Vec<_>>(), ["trailers"]);
}

#[tokio::test]
async fn point_15_hop_by_hop_headers_hurt_themselves() {
    let engine = engine(echo).await;
    let server = before(engine.address);
    let mut client = Raw::connect(server.address).await;
    let mut stream = 1;
    for bad in ["connection", "keep-alive", "proxy-connection", "transfer-encoding", "upgrade", "te"] {
        client
            .write(HEADERS, END_HEADERS | END_STREAM, stream, &raw::call("/a/b", &[(bad, "chunked")]))
            .await;
        let frames = client.stream(stream).await;
        assert_eq!((frames[0].kind, frames[0].code()), (RESET, 1), "{bad}");
        stream += 2;
    }
    assert_eq!(engine.calls(), 0);
    client.write(HEADERS, END_HEADERS | END_STREAM, stream, &raw::call("/a/b", &[])).await;
    assert!(client.stream(stream).await.last().unwrap().ends_stream());
}

#[tokio::test]
async fn point_16_authority_path_and_agent_are_unchanged() {
    for uri in [
        "http://odd.example:7/a%2Fb/c?d=e&f",
        "https://engine.test/a/b",
        "http://[::1]:9/Package.Service/Method-~'()",
    ] {
        let mut sent = request("/a/b");
        *sent.uri_mut() = uri.parse().unwrap();
        sent.headers_mut().insert("user-agent", HeaderValue::from_static("odd/1.0 (its own)"));
        assert_eq!(mirrored(sent).await["user-agent"], "odd/1.0 (its own)");
    }
}

#[tokio::test]
async fn point_16_escaped_authorities_pass_unchanged() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (tell, mut told) = tokio::sync::mpsc::unbounded_channel();
    tokio::spawn(async move {
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            let tell = tell.clone();
            tokio::spawn(async move {
                let mut connection = http2::server::Connection::new(stream, http2::Settings::default());
                connection.handshake().await.unwrap();
                while let Some(Ok((request, mut respond))) =
                    std::future::poll_fn(|cx| connection.poll_accept(cx)).await
                {
                    _ = tell.send(request.extensions().get::<http2::RawAuthority>().cloned());
                    _ = respond.send_response(&grpc(), true);
                }
            });
        }
    });
    let server = before(address);
    let mut client = Raw::connect(server.address).await;
    let authority = "%2Ftmp%2Fengine.sock";
    let head = raw::block(&[
        (":method", "POST"),
        (":scheme", "http"),
        (":path", "/a/b"),
        (":authority", authority),
        ("content-type", "application/grpc"),
        ("te", "trailers"),
    ]);
    client.write(HEADERS, END_HEADERS | END_STREAM, 1, &head).await;
    assert_eq!(client.stream(1).await.last().unwrap().kind, HEADERS);
    let told = within(told.recv()).await.unwrap().unwrap();
    assert_eq!(told.as_bytes(), authority.as_bytes());
}

#[tokio::test]
async fn point_17_headers_are_neither_added_nor_lost() {
    let sent = request("/a/b");
    let expected = sent.headers().clone();
    assert_eq!(mirrored(sent).await, expected, "the strategy is forwarded too");
}

#[tokio::test]
async fn point_19_metadata_bytes_pass_in_order() {
    let mut sent = request("/a/b");
    for (name, value) in [
        ("odd-bin", &b"AAH/+g=="[..]),
        ("odd-bin", b"AAH/+g"),
        ("odd-bin", b"AQ,Ag,,Aw"),
        ("text", b"\xe4\xff\x80"),
        ("text", b"tab\tinside"),
        ("empty", b""),
        ("long", &[b'x'; 60_000]),
    ] {
        sent.headers_mut().append(name, HeaderValue::from_bytes(value).unwrap());
    }
    for number in 0..100 {
        let name = HeaderName::try_from(format!("key-{}", number % 50)).unwrap();
        sent.headers_mut().append(name, HeaderValue::from(number));
    }
    let expected = sent.headers().clone();
    assert_eq!(mirrored(sent).await, expected);
}

#[tokio::test]
async fn point_19_invalid_binary_metadata_reach_no_engine() {
    let engine = engine(echo).await;
    let server = before(engine.address);
    let client = client(server.address).await;
    for bad in ["%%%", "AA=", "AQ,%"] {
        let mut sent = request("/a/b");
        sent.headers_mut().insert("odd-bin", HeaderValue::from_static(bad));
        let (response, _) = open(&client, sent.clone(), true).await;
        let answer = Answer::of(response).await;
        assert!(answer.is_trailers_only(), "{answer:?}");
        assert_eq!(answer.status(), Some("13"), "as grpc-go, Connect and gRPC's core do");
        assert_eq!(answer.message(), "malformed binary metadata: the value of odd-bin is not base64");
        sent.headers_mut().remove("content-type");
        let (response, _) = open(&client, sent, true).await;
        assert_eq!(Answer::of(response).await.head.unwrap().status, 400);
    }
    assert_eq!(engine.calls(), 0);
}

#[tokio::test]
async fn point_21_deadlines_are_forwarded_and_none_added() {
    let mut sent = request("/a/b");
    sent.headers_mut().insert("grpc-timeout", HeaderValue::from_static("300m"));
    assert_eq!(mirrored(sent).await["grpc-timeout"], "300m");
}
