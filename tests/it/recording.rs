//! Recordings of calls: by a flag, by operators, and what is in them.

use std::{fs, path::Path, time::Duration};

use prost::Message as _;
use protocol::pb;
use serde_json::Value;

use crate::support::{Server, call, command, go, teal};

const SOON: Duration = Duration::from_secs(60);

/// The calls that `teal record show` prints.
fn shown(file: &Path) -> Vec<Value> {
    let printed =
        command().args(&["record", "show"]).args(&[file.to_str().expect("it is UTF-8")]).run().done();
    printed.lines().map(|line| serde_json::from_str(line).expect("each line is JSON")).collect()
}

/// Logs in, executes, and is rejected once. Returns the session.
fn talk(server: &Server) -> String {
    let metadata = [("strategy", "blue"), ("authorization", "Bearer t0ken")];
    let login =
        pb::AuthenticateRequest { user: "me".into(), password: "p4ssw0rd".into(), ..Default::default() };
    let answer =
        call(server.address, "authenticate", &metadata, login.encode_to_vec(), SOON).expect("it logs in");
    let session = pb::AuthenticateResponse::decode(answer.into_inner()).expect("it is one").session_id;
    let query = pb::PrepareStatementV2Request {
        session_id: session.clone(),
        catalog: "default".into(),
        schema: "sales".into(),
        query_string: "SELECT 1".into(),
        ..Default::default()
    };
    call(server.address, "prepareStatementV2", &metadata, query.encode_to_vec(), SOON).expect("it begins");
    call(server.address, "prepareStatementV2", &[("strategy", "green")], query.encode_to_vec(), SOON)
        .expect_err("it is rejected");
    session
}

fn check(file: &Path, session: &str) {
    let bytes = fs::read(file).expect("there is a file");
    for secret in ["p4ssw0rd", "t0ken", session] {
        assert!(!bytes.windows(secret.len()).any(|window| window == secret.as_bytes()), "{secret}");
    }
    let calls = shown(file);
    let of = |field: &str| {
        calls.iter().map(|call| call[field].as_str().expect("it is text").to_owned()).collect::<Vec<_>>()
    };
    let prepare = "QueryEngineService/prepareStatementV2";
    assert_eq!(of("method"), ["QueryEngineService/authenticate", prepare, prepare]);
    assert_eq!(of("outcome"), ["ok", "ok", "rejected"]);
    assert_eq!(of("asked"), ["blue", "blue", "green"]);
    assert!(of("peer").iter().all(|peer| peer.starts_with("127.0.0.1:")), "{calls:?}");
    assert!(calls[1]["request_bytes"].as_u64() > Some(50) && calls[1]["response_bytes"].as_u64() > Some(30));
}

#[test]
fn operators_record_without_secrets() {
    let folder = tempfile::tempdir().unwrap();
    let server = teal().admin().switch_every("0").with("--record-dir", folder.path().to_str().unwrap()).run();
    assert_eq!(server.operate(&["record", "status"]).done(), "nothing is recorded\n");
    let file = folder.path().canonicalize().unwrap().join("calls");
    let started = server.operate(&["record", "start", "calls"]).done();
    assert_eq!(started, format!("recording to {}: 0 calls, 0 lost\n", file.display()));
    server.operate(&["record", "start", "others"]).ended(1);
    let session = talk(&server);
    let stopped = server.operate(&["record", "stop"]).done();
    assert_eq!(stopped, format!("recorded to {}: 3 calls, 0 lost\n", file.display()));
    talk(&server);
    check(&file, &session);
    let metrics = server.get("/metrics");
    assert!(metrics.contains("\nteal_recorded_calls_total 3\n"), "{metrics}");
    server.operate(&["record", "start", "../calls"]).ended(1);
}

#[test]
fn a_server_records_until_its_end() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("calls");
    let start = || teal().switch_every("0").with("--record", file.to_str().unwrap());
    let mut server = start().run();
    let session = talk(&server);
    assert!(server.end("TERM", SOON).success());
    check(&file, &session);

    fs::write(&file, "precious").unwrap();
    let (status, output) = start().refused();
    assert_eq!(status.code(), Some(1), "{output}");
    assert!(
        output.contains("--record (or TEAL_RECORD)") && output.contains("is not overwritten"),
        "{output}"
    );
    assert_eq!(fs::read(&file).unwrap(), b"precious");
}

#[test]
fn the_log_of_grpc_go_is_shown() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("log");
    let Some(peer) = go(&["binlog", file.to_str().unwrap()]) else { return };
    peer.succeed(SOON);
    let calls = shown(&file);
    // The server and the client log each call.
    assert_eq!(calls.len(), 4, "{calls:?}");
    assert!(calls.iter().all(|call| call["method"] == "teal.test.TestService/Unary"), "{calls:?}");
    let with = |status: &str| calls.iter().filter(|call| call["status"] == status).collect::<Vec<_>>();
    assert_eq!((with("OK").len(), with("NOT_FOUND").len()), (2, 2));
    assert!(with("NOT_FOUND").iter().all(|call| call["message"] == "not here"));
    assert!(with("OK").iter().all(|call| call["asked"] == "blue"));
}
