use super::*;

/// Lets only queries on record of blue go on: all else of blue that continues is refused.
async fn strict_green(bench: &Bench) {
    bench
        .switch
        .command(switch::Command::Announce { to: None }, switch::Order::by(switch::Actor::Operator))
        .unwrap();
    bench
        .switch
        .command(switch::Command::Cutover { force: false }, switch::Order::by(switch::Actor::Operator))
        .unwrap();
}

async fn begin(bench: &Bench) {
    let response = bench.send(request("prepareStatement", Some("blue"), Frames::default())).await;
    response.into_body().collect().await.unwrap();
}

fn preparing(id: &str) -> Response<Frames> {
    grpc(Frames::data([framed(0, &prepared(id))]).status("0"))
}

#[tokio::test]
async fn begins_are_recorded_before_their_bytes_pass() {
    let bench = bench(Mismatch::Both, preparing("q1"));
    let mut body =
        bench.send(request("prepareStatementV2", Some("blue"), Frames::default())).await.into_body();
    let data = body.frame().await.unwrap().unwrap().into_data().unwrap();
    assert_eq!(data, framed(0, &prepared("q1")));
    assert_eq!(bench.switch.snapshot().queries, [1, 0]);
    drop(body);
    assert_eq!(bench.on_record(), [0, 0], "its answer was not delivered to the end");
    begin(&bench).await;
    assert_eq!(bench.on_record(), [1, 0]);
}

#[tokio::test]
async fn a_begin_that_fails_is_not_on_record() {
    for response in [
        grpc(Frames::data([framed(0, &prepared("q1"))]).status("13")),
        grpc(Frames::data([framed(0, &prepared("q1"))])),
        grpc(Frames::default().status("3")),
        grpc(Frames::data([&b"garbage"[..]]).status("0")),
    ] {
        let bench = bench(Mismatch::Both, response);
        begin(&bench).await;
        assert_eq!(bench.on_record(), [0, 0]);
    }
}

#[tokio::test]
async fn answers_query_ids_are_found_however_split() {
    let whole = framed(0, &prepared("q1"));
    let long = framed(0, &[prepared("q1"), string_field(9, &"x".repeat(200_000)).to_vec()].concat());
    let mut compressed = grpc(Frames::data([framed(1, &gzip(&prepared("q1")))]).status("0"));
    compressed.headers_mut().insert("grpc-encoding", HeaderValue::from_static("gzip"));
    for response in [
        grpc(Frames::data(whole.chunks(1).map(<[u8]>::to_vec)).status("0")),
        grpc(Frames::data([long.clone()]).status("0")),
        grpc(Frames::data(long.chunks(1_000).map(<[u8]>::to_vec)).status("0")),
        compressed,
    ] {
        let bytes: Vec<u8> = response.body().left.iter().flatten().flat_map(|chunk| chunk.to_vec()).collect();
        let bench = bench(Mismatch::Both, response);
        let (_, sent, _) = bench.fetch(request("prepareStatement", None, Frames::default())).await;
        assert_eq!(sent, bytes, "it passes unchanged");
        assert_eq!(bench.on_record(), [1, 0]);
    }
}

#[tokio::test]
async fn requests_query_ids_are_found_however_split() {
    let whole = about("q1");
    let mut compressed = request("explain", Some("green"), Frames::data([framed(1, &gzip(&whole[5..]))]));
    compressed.headers_mut().insert("grpc-encoding", HeaderValue::from_static("gzip"));
    let mut deflated = request("explain", Some("green"), Frames::data([framed(1, &zlib(&whole[5..]))]));
    deflated.headers_mut().insert("grpc-encoding", HeaderValue::from_static("deflate"));
    let long = framed(0, &[&whole[5..], &string_field(9, &"x".repeat(200_000))].concat());
    for request in [
        request("getNextResultBatch", None, Frames::data([whole.clone()])),
        request("getNextResultBatch", Some("green"), Frames::data(whole.chunks(1).map(<[u8]>::to_vec))),
        request("getNextResultBatch", Some("green"), Frames::data(long.chunks(1_000).map(<[u8]>::to_vec))),
        compressed,
        deflated,
    ] {
        let bytes: Vec<u8> = request.body().left.iter().flatten().flat_map(|chunk| chunk.to_vec()).collect();
        let bench = bench(Mismatch::Both, preparing("q1"));
        begin(&bench).await;
        strict_green(&bench).await;
        let (head, ..) = bench.fetch(request).await;
        assert_eq!(head.headers.get("new-strategy").unwrap(), "green", "it was let in as the blue query's");
        assert_eq!(*bench.seen.body.lock(), bytes, "it passes unchanged");
    }
}

#[tokio::test]
async fn requests_without_query_id_follow_their_header() {
    let bench = bench(Mismatch::Both, preparing("q1"));
    begin(&bench).await;
    for (method, body) in [
        ("getNextResultBatch", Frames::data([framed(0, b"\x0f")])),
        ("getNextResultBatch", Frames::data([framed(1, b"no gzip")])),
        ("getNextResultBatch", Frames::data([about("q1")[..15].to_vec()])),
        ("getNextResultBatch", Frames::data([&b"\0\0"[..]])),
        ("getNextResultBatch", Frames::default()),
        ("status", Frames::data([about("")])),
        ("clear", Frames::data([about("")])),
    ] {
        let status = bench.send(request(method, Some("green"), body.clone())).await.status().as_u16();
        assert_eq!(status, 456, "{method} {body:?}");
        bench.fetch(request(method, Some("blue"), body)).await;
        assert_eq!(bench.on_record(), [1, 0]);
    }
    // What ends a query is let in under any strategy, also where its id is lost.
    let cut = request("clear", Some("green"), Frames::data([about("q1")[..15].to_vec()]));
    assert_eq!(bench.send(cut).await.status().as_u16(), 200);
}

#[tokio::test]
async fn successful_ends_take_queries_off_record() {
    for method in ["clear", "cancelQuery", "clearOrCancelQuery"] {
        let mut bench = bench(Mismatch::Both, preparing("q1"));
        begin(&bench).await;
        bench.response = grpc(Frames::default().status("13"));
        bench.fetch(request(method, None, Frames::data([about("q1")]))).await;
        assert_eq!(bench.on_record(), [1, 0], "{method} failed");
        bench.response = grpc(Frames::data([framed(0, b"")]).status("0"));
        bench.fetch(request(method, None, Frames::data([about("q1")]))).await;
        assert_eq!(bench.on_record(), [0, 0], "{method}");
    }
}

#[tokio::test]
async fn a_trailers_only_answer_is_an_outcome_too() {
    let mut bench = bench(Mismatch::Both, preparing("q1"));
    begin(&bench).await;
    for (status, left) in [("5", [1, 0]), ("0", [0, 0])] {
        bench.response = grpc(Frames::default());
        bench.response.headers_mut().insert("grpc-status", HeaderValue::from_static(status));
        let response = bench.send(request("clear", None, Frames::data([about("q1")]))).await;
        assert!(response.body().is_end_stream());
        assert_eq!(bench.on_record(), left);
    }
}

#[tokio::test]
async fn createdataframe_begins_and_its_steps_continue() {
    let bench = bench(Mismatch::Both, grpc(Frames::data([framed(0, &string_field(1, "frame"))]).status("0")));
    bench.fetch(request("createDataFrame", Some("blue"), Frames::default())).await;
    assert_eq!(bench.on_record(), [1, 0]);
    strict_green(&bench).await;
    let (head, ..) = bench
        .fetch(request("limitOnDataFrame", None, Frames::data([framed(0, &string_field(1, "frame"))])))
        .await;
    assert_eq!(head.headers.get("new-strategy").unwrap(), "green");
}
