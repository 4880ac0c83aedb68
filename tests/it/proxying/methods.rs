//! Points 22 to 25: which calls are forwarded, and which responses carry a notice.

use http::{HeaderValue, Request};

use super::{
    peers::{
        Answer, Call, announcing, before, client, echo, engine, framed, grpc, open, request, status, unary,
        until, within,
    },
    raw::{self, DATA, END_HEADERS, END_STREAM, HEADERS, Raw},
};

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
