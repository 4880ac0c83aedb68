use super::*;

/// `new_strategy = 3` in the answer of getSchemaNames.
const FIELD: &[u8] = b"\x1a\x05green";

fn call() -> Request<Frames> {
    request("getSchemaNames", Some("blue"), Frames::default())
}

async fn announced(response: Response<Frames>) -> Bench {
    let bench = bench(Mismatch::Both, response);
    bench
        .switch
        .command(switch::Command::Announce { to: None }, switch::Order::by(switch::Actor::Operator))
        .unwrap();
    bench
}

#[tokio::test]
async fn without_a_notice_nothing_is_touched() {
    let message = [b"\x0a\x01s", FIELD].concat();
    let bench = bench(Mismatch::Both, grpc(Frames::data([framed(0, &message)]).status("0")));
    let (head, body, trailers) = bench.fetch(call()).await;
    assert_eq!(body, framed(0, &message), "what the engine itself sent stays");
    assert!(head.headers.get("new-strategy").is_none());
    assert_eq!(trailers.unwrap().len(), 1);
}

#[tokio::test]
async fn a_notice_is_field_and_metadata() {
    for message in [&b""[..], b"\x0a\x01s", b"\x1a\x04blue", &[b'\x0a'; 20_000]] {
        for chunk in [1, 3, 5, 6, 16_384, 100_000] {
            let chunks = framed(0, message).chunks(chunk).map(<[u8]>::to_vec).collect::<Vec<_>>();
            let bench = announced(grpc(Frames::data(chunks).status("0"))).await;
            let (head, body, trailers) = bench.fetch(call()).await;
            assert_eq!(head.headers.get("new-strategy").unwrap(), "green");
            assert!(
                body == framed(0, &[message, FIELD].concat()),
                "{} bytes in chunks of {chunk}",
                message.len()
            );
            assert_eq!(trailers.unwrap().get("grpc-status").unwrap(), "0");
        }
    }
}

#[tokio::test]
async fn a_begin_is_read_and_told() {
    let bench = announced(grpc(Frames::data([framed(0, &prepared("q1"))]).status("0"))).await;
    let (_, body, _) = bench.fetch(request("prepareStatement", Some("blue"), Frames::default())).await;
    assert_eq!(body, framed(0, &[&prepared("q1")[..], b"\x22\x05green"].concat()));
    assert_eq!(bench.on_record(), [1, 0]);
}

#[tokio::test]
async fn point_28_compressed_messages_are_inflated_and_extended() {
    for (coding, compressed) in [("gzip", gzip(b"\x0a\x01s")), ("deflate", zlib(b"\x0a\x01s"))] {
        for chunk in [1, 7, 1_000] {
            let chunks = framed(1, &compressed).chunks(chunk).map(<[u8]>::to_vec).collect::<Vec<_>>();
            let mut response = grpc(Frames::data(chunks).status("0"));
            response.headers_mut().insert("grpc-encoding", HeaderValue::from_static(coding));
            let bench = announced(response).await;
            let (_, body, _) = bench.fetch(call()).await;
            assert_eq!(body, framed(0, &[b"\x0a\x01s", FIELD].concat()), "{coding} in chunks of {chunk}");
            assert_eq!(bench.layer.counters().untouched(), 0);
        }
    }
}

#[tokio::test]
async fn point_28_the_flag_decides_what_is_compressed() {
    let mut response = grpc(Frames::data([framed(0, b"")]).status("0"));
    response.headers_mut().insert("grpc-encoding", HeaderValue::from_static("gzip"));
    let (_, body, _) = announced(response).await.fetch(call()).await;
    assert_eq!(body, framed(0, FIELD));
}

#[tokio::test]
async fn point_28_broken_compression_passes_and_is_counted() {
    let bomb = gzip(&vec![0; 17 << 20]);
    let two = [gzip(b"\x0a\x01s"), gzip(b"\x0a\x01t")].concat();
    for (coding, message) in [
        (Some("snappy"), &b"abc"[..]),
        (None, b"abc"),
        (Some("gzip"), b"no gzip"),
        (Some("gzip"), b""),
        (Some("gzip"), &two),
        (Some("gzip"), &bomb),
    ] {
        let mut response = grpc(Frames::data([framed(1, message)]).status("0"));
        if let Some(coding) = coding {
            response.headers_mut().insert("grpc-encoding", HeaderValue::from_static(coding));
        }
        let bench = announced(response).await;
        let (_, body, _) = bench.fetch(call()).await;
        assert!(body == framed(1, message), "{coding:?}");
        assert_eq!(bench.layer.counters().untouched(), 1);
    }
}

#[tokio::test]
async fn point_28_messages_too_long_are_not_held() {
    let long = vec![7; (16 << 20) + 1];
    let mut response = grpc(Frames::data(framed(1, &long).chunks(1 << 20).map(<[u8]>::to_vec)).status("0"));
    response.headers_mut().insert("grpc-encoding", HeaderValue::from_static("gzip"));
    let bench = announced(response).await;
    let mut body = bench.send(call()).await.into_body();
    assert_eq!(body.frame().await.unwrap().unwrap().into_data().unwrap().len(), 1 << 20);
    assert_eq!(bench.layer.counters().untouched(), 1);
}

#[tokio::test]
async fn a_cut_message_gets_no_field() {
    for cut in 0..8 {
        let bytes = framed(0, b"abc");
        let bench = announced(grpc(Frames::data([bytes[..cut].to_vec()]))).await;
        let (_, body, _) = bench.fetch(call()).await;
        assert_eq!(body, bytes[..cut]);
    }
}

#[tokio::test]
async fn point_05_no_message_is_made_up() {
    let bench = announced(grpc(Frames::default().status("0"))).await;
    let (head, body, trailers) = bench.fetch(call()).await;
    assert_eq!(head.headers.get("new-strategy").unwrap(), "green");
    assert_eq!((body, trailers.unwrap().len()), (vec![], 1));
}

#[tokio::test]
async fn point_28_messages_behind_their_status_stay_unchanged() {
    let mut response = grpc(Frames::data([framed(0, b"\x0a\x01s")]).status("0"));
    response.headers_mut().insert("grpc-status", HeaderValue::from_static("0"));
    let (_, body, _) = announced(response).await.fetch(call()).await;
    assert_eq!(body, framed(0, b"\x0a\x01s"));
}

#[tokio::test]
async fn an_error_without_a_message_is_not_told() {
    let mut response = grpc(Frames::default());
    response.headers_mut().insert("grpc-status", HeaderValue::from_static("13"));
    let response = announced(response).await.send(call()).await;
    assert!(response.body().is_end_stream());
    assert!(response.headers().get("new-strategy").is_none());
}

#[tokio::test]
async fn what_is_no_protobuf_keeps_its_bytes() {
    for (status, content_type) in
        [(200, "application/grpc+json"), (200, "text/html"), (503, "application/grpc")]
    {
        let mut response = grpc(Frames::data([framed(0, b"")]).status("0"));
        *response.status_mut() = http::StatusCode::from_u16(status).unwrap();
        response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
        let (_, body, _) = announced(response).await.fetch(call()).await;
        assert_eq!(body, framed(0, b""), "{status} {content_type}");
    }
}

#[tokio::test]
async fn responses_without_the_field_get_metadata_alone() {
    let bench = announced(grpc(Frames::data([framed(0, b"")]).status("0"))).await;
    for method in ["healthCheck", "getCataloges", "unknown"] {
        let (head, body, _) = bench.fetch(request(method, Some("blue"), Frames::default())).await;
        assert_eq!(head.headers.get("new-strategy").unwrap(), "green", "{method}");
        assert_eq!(body, framed(0, b""), "{method}");
    }
}

#[tokio::test]
async fn point_18_content_length_goes_when_length_changes() {
    let mut response = grpc(Frames::data([framed(0, b"")]).status("0"));
    response.headers_mut().insert("content-length", HeaderValue::from_static("5"));
    let bench = announced(response).await;
    let (head, ..) = bench.fetch(call()).await;
    assert!(head.headers.get("content-length").is_none());
    let (head, ..) = bench.fetch(request("healthCheck", Some("blue"), Frames::default())).await;
    assert_eq!(head.headers.get("content-length").unwrap(), "5");
}
