//! Points 14 to 25: metadata and methods.

use h2::server::Builder;
use http::{HeaderMap, HeaderName, HeaderValue, Request};

use super::{
    peers::{
        Answer, Call, announcing, before, client, echo, engine, engine_with, framed, grpc, open, request,
        status, unary, until, within,
    },
    raw::{self, DATA, END_HEADERS, END_STREAM, HEADERS, RESET, Raw},
};
use crate::support::teal;

/// Answers with what it got: the headers as they came, and as `uri` where they were sent to.
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

/// What the engine got of a request, after checking that its answer came back as it was.
async fn mirrored(sent: Request<()>) -> HeaderMap {
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
    // Which it has from the beginning.
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
    // Its settings are there by then.
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
async fn point_21_deadlines_are_forwarded_and_none_added() {
    let mut sent = request("/a/b");
    sent.headers_mut().insert("grpc-timeout", HeaderValue::from_static("300m"));
    assert_eq!(mirrored(sent).await["grpc-timeout"], "300m");
}

#[tokio::test]
async fn point_22_rejected_calls_reach_no_engine() {
    let engine = engine(echo).await;
    let server = before(engine.address);
    let client = client(server.address).await;
    let long = "g".repeat(8192);
    for (values, is_let_in) in [
        (&[][..], true),
        (&[""], true),
        (&["BLUE"], true),
        (&["blue", "green"], true),
        (&[" blue "], true),
        (&["blue,green"], true),
        (&["green"], false),
        (&["green", "blue"], false),
        (&["purple"], false),
        (&["bl\u{fc}e"], false),
        (&[&long], false),
    ] {
        let mut sent = request("/a/b");
        sent.headers_mut().remove("strategy");
        for value in values {
            sent.headers_mut().append("strategy", HeaderValue::from_bytes(value.as_bytes()).unwrap());
        }
        let before = engine.calls();
        let (response, _) = open(&client, sent, true).await;
        let answer = Answer::of(response).await;
        assert_eq!(answer.head.unwrap().status == 456, !is_let_in, "{values:?}");
        assert_eq!(engine.calls() - before, usize::from(is_let_in), "{values:?}");
    }
}

#[tokio::test]
async fn point_23_other_protocols_are_forwarded_unchanged() {
    // The last message of grpc-web holds its trailers.
    let web = [framed(b"x"), b"\x80\0\0\0\x0fgrpc-status:0\r\n".to_vec()].concat();
    let body = web.clone();
    let engine = engine(move |mut call: Call| {
        let body = body.clone();
        async move {
            let mut response = grpc();
            for name in ["content-type", "accept"] {
                if let Some(value) = call.request.headers().get(name) {
                    response.headers_mut().insert("content-type", value.clone());
                }
            }
            *response.status_mut() = http::StatusCode::IM_A_TEAPOT;
            let mut stream = call.respond.send_response(response, false).unwrap();
            stream.send_data(body.into(), true).unwrap();
        }
    })
    .await;
    let server = announcing(engine.address);
    let client = client(server.address).await;
    let path = "http://engine.test/QueryEngineService/getSchemaNames";
    for sent in [
        Request::get(path).header("accept", "text/html"),
        Request::post(path).header("content-type", "application/json").header("strategy", "purple"),
        Request::post(path).header("content-type", "application/grpc-web+proto"),
        Request::post(path).header("content-type", "application/grpc+json"),
    ] {
        let (response, _) = open(&client, sent.body(()).unwrap(), true).await;
        let answer = Answer::of(response).await;
        assert_eq!((answer.head.unwrap().status.as_u16(), answer.body), (418, web.clone()));
        assert!(answer.error.is_none() && answer.trailers.is_none());
    }
}

#[tokio::test]
async fn point_24_any_method_reaches_the_engine() {
    let engine = engine(async |call: Call| call.only("12")).await;
    let server = before(engine.address);
    let client = client(server.address).await;
    for path in
        ["/no.Such/Method", "/QueryEngineService/noSuch", "/", "/a", "/a/b/c", "/grpc.health.v1.Health/Check"]
    {
        let answer = unary(&client, path, b"").await;
        assert!(answer.is_trailers_only(), "{path}: {answer:?}");
        assert_eq!(answer.status(), Some("12"), "{path}");
    }
    assert_eq!(engine.calls(), 6);
}

#[tokio::test]
async fn point_25_streams_of_one_message_stay_unchanged() {
    let engine = engine(async |call: Call| call.answer(b"\x0a\x01s")).await;
    let server = announcing(engine.address);
    let client = client(server.address).await;
    let answer = unary(&client, "/other.Service/Stream", b"").await;
    assert_eq!(answer.body, framed(b"\x0a\x01s"));
    assert_eq!(answer.head.unwrap().headers["new-strategy"], "green", "it is told in metadata");
    let answer = unary(&client, "/QueryEngineService/getSchemaNames", b"").await;
    assert_eq!(answer.body, framed(b"\x0a\x01s\x1a\x05green"));
}

#[tokio::test]
async fn point_25_first_messages_do_not_await_trailers() {
    let engine = engine(async |mut call: Call| {
        let mut stream = call.accept();
        stream.send_data(framed(b"first").into(), false).unwrap();
        _ = call.body().await;
        stream.send_trailers(status("0")).unwrap();
    })
    .await;
    let server = announcing(engine.address);
    let mut client = Raw::connect(server.address).await;
    client.write(HEADERS, END_HEADERS, 1, &raw::call("/other.Service/Stream", &[])).await;
    let mut seen = Vec::new();
    while seen.len() < framed(b"first").len() {
        let frame = within(client.next()).await.unwrap();
        if frame.kind == DATA {
            seen.extend(frame.payload);
        }
    }
    assert_eq!(seen, framed(b"first"));
    client.write(DATA, END_STREAM, 1, &[]).await;
    assert!(client.stream(1).await.last().unwrap().ends_stream());
    until(|| engine.open() == 0).await;
}
