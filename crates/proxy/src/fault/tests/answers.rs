//! Effects on responses.

use prost::Message;
use protocol::pb::{GetNextResultBatchResponse, GetNextResultBatchV2Response};
use tokio::time::timeout;

use super::*;

fn v1(batch: &[u8]) -> Vec<u8> {
    let session_id = "s".to_owned();
    framed(
        &GetNextResultBatchResponse { result_batch: batch.to_vec(), session_id, new_strategy: None }
            .encode_to_vec(),
    )
}

fn read_v1(data: &[u8]) -> GetNextResultBatchResponse {
    GetNextResultBatchResponse::decode(&data[5..]).unwrap()
}

fn read_v2(data: &[u8]) -> GetNextResultBatchV2Response {
    GetNextResultBatchV2Response::decode(&data[5..]).unwrap()
}

#[tokio::test]
async fn a_status_has_code_message_and_details() {
    let bench = bench(&["status=UNAVAILABLE,message=\"try, ä\",details=why,http-status=503"]);
    let seen = bench.call("status").await;
    assert_eq!(seen.status(), (503, "14", "try,%20%C3%A4".into()));
    assert!(seen.data.is_empty() && seen.trailers.is_none());
    assert_eq!(seen.head.headers[CONTENT_TYPE], "application/grpc");
    let details = seen.head.headers["grpc-status-details-bin"].as_bytes();
    use base64::{Engine as _, engine::general_purpose::STANDARD_NO_PAD};
    let details = STANDARD_NO_PAD.decode(details).unwrap();
    let contains = |part: &[u8]| details.windows(part.len()).any(|window| window == part);
    assert!(contains("try, ä".as_bytes()) && contains(b"google.rpc.DebugInfo") && contains(b"why"));
    assert_eq!(bench.calls(), 0);
}

#[tokio::test]
async fn an_http_status_alone_is_no_grpc() {
    let seen = bench(&["http-status=502"]).call("status").await;
    assert_eq!(seen.status(), (502, "", String::new()));
    assert_eq!(
        (seen.head.headers[CONTENT_TYPE].to_str().unwrap(), seen.data),
        ("text/plain", b"502 Bad Gateway\n".to_vec())
    );
}

#[tokio::test(start_paused = true)]
async fn a_call_that_hangs_is_never_answered() {
    let bench = bench(&["hang"]);
    assert!(timeout(Duration::from_secs(3600), bench.call("status")).await.is_err());
    assert_eq!((bench.calls(), bench.hits()), (0, vec![1]));
}

#[tokio::test]
async fn a_cut_answer_ends_without_trailers() {
    for (bytes, left) in [(0, 0), (1, 1), (5, 5), (9, 9), (10, 10), (11, 10)] {
        let bench = bench(&[&format!("truncate={bytes}B")]);
        let seen = bench.call("status").await;
        assert_eq!(seen.data, bench.answer[..left], "{bytes}");
        assert_eq!(seen.trailers.is_some(), bytes > 10, "{bytes}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_throttled_answer_leaves_at_its_rate() {
    let mut bench = bench(&["throttle=100B/s"]);
    bench.answer = framed(&[7; 995]);
    let seen = bench.call("status").await;
    assert_eq!((seen.data, seen.trailers.is_some()), (bench.answer.clone(), true));
    assert!((9.9..10.3).contains(&seen.took.as_secs_f64()), "1000 bytes at 100 a second: {:?}", seen.took);
}

#[tokio::test(start_paused = true)]
async fn each_message_waits_for_itself() {
    let mut bench = bench(&["delay=1s,at=message"]);
    bench.answer = [framed(b"one"), framed(b""), framed(&[0; 300])].concat();
    let seen = bench.call("status").await;
    assert_eq!((seen.data, seen.took), (bench.answer.clone(), Duration::from_secs(3)));
}

#[tokio::test]
async fn only_bytes_of_a_batch_are_flipped() {
    let mut bench = bench(&["corrupt=3,seed=1"]);
    let batch: Vec<u8> = (0..100).collect();
    bench.answer = v1(&batch);
    let changed = |data: &[u8]| data.iter().zip(&batch).filter(|(found, sent)| found != sent).count();
    let first = read_v1(&bench.call("getNextResultBatch").await.data);
    assert_eq!((changed(&first.result_batch), first.session_id.as_str()), (3, "s"));
    let envelope = GetNextResultBatchV2Response {
        result_batches: vec![batch.clone(), batch.clone()],
        ..Default::default()
    };
    bench.answer = framed(&envelope.encode_to_vec());
    let second = read_v2(&bench.call("getNextResultBatchV2").await.data);
    assert_eq!(second.result_batches.iter().map(|batch| changed(batch)).collect::<Vec<_>>(), [3, 3]);
    assert_eq!(bench.call("status").await.data, bench.answer, "what is no batch passes");
    bench.answer = v1(&[]);
    assert_eq!(bench.call("getNextResultBatch").await.data, bench.answer, "so does one without bytes");
}

#[tokio::test]
async fn an_empty_batch_costs_no_rows() {
    let bench = bench(&["empty-batch"]);
    let v1 = bench.send(about("getNextResultBatch", "q")).await.unwrap();
    assert_eq!(
        read_v1(&v1.data),
        GetNextResultBatchResponse { session_id: "session".into(), ..Default::default() }
    );
    assert_eq!(v1.trailers.as_ref().unwrap()[GRPC_STATUS], "0");
    let v2 = bench.send(about("getNextResultBatchV2", "q")).await.unwrap();
    assert_eq!(
        read_v2(&v2.data),
        GetNextResultBatchV2Response { session_id: "session".into(), ..Default::default() }
    );
    assert_eq!(bench.calls(), 0, "the engine was not asked");
}

#[tokio::test]
async fn a_result_ends_after_its_batches() {
    let mut bench = bench(&["truncate=2batches"]);
    bench.answer = v1(b"rows");
    for (query, is_end) in [("a", false), ("b", false), ("a", false), ("a", true), ("b", false), ("b", true)]
    {
        let seen = bench.send(about("getNextResultBatch", query)).await.unwrap();
        assert_eq!(read_v1(&seen.data).result_batch.is_empty(), is_end, "{query}");
        let expected: &[&str] = if is_end { &["f1"] } else { &[] };
        assert_eq!(seen.faults(), expected);
    }
    let seen = bench.send(about("getNextResultBatchV2", "a")).await.unwrap();
    assert!(read_v2(&seen.data).end_of_stream);
}

#[tokio::test(start_paused = true)]
async fn slow_batches_are_fetches_alone() {
    let bench = bench(&["slow-batches=2s"]);
    assert_eq!(bench.call("getNextResultBatch").await.took, Duration::from_secs(2));
    assert_eq!(bench.call("status").await.took, Duration::ZERO);
}

#[tokio::test]
async fn an_error_is_not_shaped() {
    let bench = bench(&["delay=1ms,at=message"]);
    let backend = service_fn(|_: Request<RequestBody<Frames>>| async {
        let response = Response::builder().header(CONTENT_TYPE, "application/grpc").header(GRPC_STATUS, "5");
        Ok::<_, Infallible>(response.body(Frames::default()).unwrap())
    });
    let request = request("status", &[]).map(RequestBody::new);
    let response = bench.layer().layer(backend).oneshot(request).await.unwrap();
    assert!(response.body().is_end_stream(), "one HEADERS frame that ends the stream");
}
