use prost_types::{FileDescriptorProto, FileDescriptorSet};

use super::*;
use crate::pb;

const PREPARE: &str = "/QueryEngineService/prepareStatementV2";

fn decode(path: &str, is_request: bool, message: &[u8]) -> Decoded {
    Reflection::default().decode(path, is_request, message, false).expect("the method is known")
}

#[test]
fn messages_have_the_names_of_the_descriptors() {
    let query = pb::PrepareStatementV2Request {
        session_id: "s".to_owned(),
        query_string: "SELECT 'é'".to_owned(),
        existing_query: Some(pb::ExistingQuery { query_id: "q".to_owned(), elapsed_time_millis: 5 }),
        ..Default::default()
    };
    let decoded = decode(PREPARE, true, &query.encode_to_vec());
    assert_eq!((decoded.name.as_str(), &decoded.problem), ("PrepareStatementV2Request", &None));
    let content = json!({"sessionId": "s", "queryString": "SELECT 'é'", "existingQuery": {"queryId": "q", "elapsedTimeMillis": 5}});
    assert_eq!(decoded.content, content);
    let answer =
        pb::PrepareStatementResponse { new_strategy: Some("green".to_owned()), ..Default::default() };
    let decoded = decode(PREPARE, false, &answer.encode_to_vec());
    assert_eq!(decoded.content, json!({"new_strategy": "green"}));
    assert_eq!(Reflection::default().decode("/other.Service/call", true, b"", false), None);
}

#[test]
fn results_are_rows_and_columns() {
    let metadata = [&1_i64.to_be_bytes()[..], &1_i32.to_be_bytes(), b"\0\x02id\0\x04LONG\0\0\0\0"].concat();
    let answer = pb::GetResultMetadataResponse { result_meta_data: metadata, ..Default::default() };
    let decoded = decode("/QueryEngineService/getResultMetadata", false, &answer.encode_to_vec());
    let columns = json!({"row_count": 1, "columns": [{"name": "id", "type": "LONG"}]});
    assert_eq!(decoded.content[METADATA], columns);
    let batch = crate::results::tests::longs(&[7, 8]);
    let answer = pb::GetNextResultBatchResponse { result_batch: batch.clone(), ..Default::default() };
    let decoded = decode("/QueryEngineService/getNextResultBatch", false, &answer.encode_to_vec());
    assert_eq!(decoded.content, json!({BATCH: {"row_count": 2, "rows": [["7"], ["8"]]}}));
    let answer = pb::GetNextResultBatchV2Response { result_batches: vec![batch; 2], ..Default::default() };
    let decoded = decode("/QueryEngineService/getNextResultBatchV2", false, &answer.encode_to_vec());
    assert_eq!(decoded.content[BATCHES].as_array().map(Vec::len), Some(2));
}

#[test]
fn what_cannot_be_decoded_has_a_reason() {
    let answer = pb::GetNextResultBatchResponse { result_batch: b"garbage".to_vec(), ..Default::default() };
    let decoded = decode("/QueryEngineService/getNextResultBatch", false, &answer.encode_to_vec());
    assert_eq!(decoded.content[BATCH], "Z2FyYmFnZQ==");
    assert!(decoded.problem.is_some_and(|why| why.starts_with("resultBatch: the batch is no Thrift chunk")));
    // A user, and a password that is no UTF-8.
    let decoded = decode("/QueryEngineService/authenticate", true, b"\x0a\x02me\x12\x01\xff");
    assert!(decoded.problem.is_some());
    assert_eq!(decoded.content["user"], "me", "what comes before is shown");
}

#[test]
fn a_set_without_its_imports_is_refused() {
    let file = FileDescriptorProto {
        name: Some("a.proto".into()),
        dependency: vec!["b.proto".into()],
        ..Default::default()
    };
    let mut protocol = Protocol::default();
    protocol.extend(&FileDescriptorSet { file: vec![file] }.encode_to_vec()).unwrap();
    let why = Reflection::new(&protocol).unwrap_err().to_string();
    assert!(why.starts_with("expected a FileDescriptorSet with all that it imports: "), "{why}");
}
