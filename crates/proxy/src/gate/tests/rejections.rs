use super::*;

fn headers(head: &http::response::Parts) -> Vec<(&str, &str)> {
    let mut headers: Vec<_> =
        head.headers.iter().map(|(name, value)| (name.as_str(), value.to_str().unwrap())).collect();
    headers.sort_unstable();
    headers
}

#[tokio::test]
async fn each_dialect_says_456_to_the_letter() {
    let told = [("expected-strategy", "blue"), ("received-strategy", "green")];
    let grpc_headers = [
        &[("content-type", "application/grpc")],
        &told[..1],
        &[("grpc-message", "status: 456"), ("grpc-status", "2")],
        &told[1..],
    ]
    .concat();
    let http_headers = [&[("content-type", "text/plain")], &told[..]].concat();
    for (mismatch, status, expected, text) in [
        (Mismatch::Both, 456, &grpc_headers, ""),
        (Mismatch::Grpc, 200, &grpc_headers, ""),
        (Mismatch::Http, 456, &http_headers, "status: 456: the strategy is green, expected blue\n"),
    ] {
        let bench = bench(mismatch, grpc(Frames::default()));
        let response = bench.send(request("getSchemaNames", Some("green"), Frames::default())).await;
        assert_eq!(response.body().is_end_stream(), text.is_empty(), "one HEADERS frame with END_STREAM");
        let (head, body) = response.into_parts();
        assert_eq!((head.status.as_u16(), headers(&head)), (status, expected.clone()), "{mismatch:?}");
        let body = body.collect().await.unwrap();
        assert!(body.trailers().is_none());
        assert_eq!(body.to_bytes(), text);
        assert_eq!(bench.calls(), 0, "a rejected request never reaches the backend");
    }
}

#[tokio::test]
async fn the_header_decides() {
    let latin1 = "bl\u{fc}".as_bytes();
    for (values, is_let_in) in [
        (vec![], true),
        (vec![&b"blue"[..]], true),
        (vec![b"BLUE"], true),
        (vec![b"  blue  "], true),
        (vec![b""], true),
        (vec![b"blue", b"green"], true),
        (vec![b"blue,green"], true),
        (vec![b"green"], false),
        (vec![b"green", b"blue"], false),
        (vec![b"purple"], false),
        (vec![latin1], false),
        (vec![b"\xff\xfe"], false),
    ] {
        let bench = bench(Mismatch::Both, grpc(Frames::default().status("0")));
        let mut request = request("getTables", None, Frames::default());
        for value in &values {
            request.headers_mut().append("strategy", HeaderValue::from_bytes(value).unwrap());
        }
        bench.send(request).await;
        assert_eq!(bench.calls() == 1, is_let_in, "{values:?}");
    }
}

#[tokio::test]
async fn what_is_no_grpc_is_not_judged() {
    let bench = bench(Mismatch::Both, Response::new(Frames::data(["hello"])));
    bench
        .switch
        .command(switch::Command::Announce { to: None }, switch::Order::by(switch::Actor::Operator))
        .unwrap();
    let mut request = request("getTables", Some("purple"), Frames::default());
    request.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("text/html"));
    let (head, body, _) = bench.fetch(request).await;
    assert!(head.headers.is_empty());
    assert_eq!(body, b"hello");
}

#[tokio::test]
async fn an_unknown_method_begins_something() {
    let bench = bench(Mismatch::Both, grpc(Frames::default().status("0")));
    bench
        .switch
        .command(switch::Command::Announce { to: None }, switch::Order::by(switch::Actor::Operator))
        .unwrap();
    bench
        .switch
        .command(switch::Command::Cutover { force: false }, switch::Order::by(switch::Actor::Operator))
        .unwrap();
    for path in ["/some.Service/method", "/QueryEngineService/newMethod", "/"] {
        let mut request = request("", Some("blue"), Frames::default());
        *request.uri_mut() = path.parse().unwrap();
        assert_eq!(bench.send(request).await.status().as_u16(), 456, "{path}");
    }
    for path in [
        "/grpc.health.v1.Health/Check",
        "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo",
        "/ClusterService/status",
    ] {
        let mut request = request("", Some("blue"), Frames::default());
        *request.uri_mut() = path.parse().unwrap();
        assert_eq!(bench.send(request).await.status().as_u16(), 200, "{path}");
    }
}
