//! The service over recordings that are made here.

use std::{
    convert::Infallible,
    fs,
    time::{Duration, SystemTime},
};

use binlog::{Encoder, Head, Metadata, Trailer};
use bytes::Bytes;
use grpc::Prefix;
use http::{HeaderMap, HeaderValue, Request, Response};
use http_body_util::{BodyExt, Full};
use prost::Message;
use protocol::{Protocol, pb};
use tonic::body::Body;
use tower::{ServiceExt, service_fn};

use super::*;

const OK: Trailer<'_> = Trailer { code: 0, message: "", details: b"", metadata: Metadata::NONE };

/// A recording in the making.
#[derive(Default)]
struct Tape {
    log: Vec<u8>,
    calls: u64,
}

impl Tape {
    fn call(&mut self, method: &str, sent: impl Message, received: impl Message) {
        self.ended(method, &sent.encode_to_vec(), Some(&received.encode_to_vec()), OK);
    }

    fn ended(&mut self, method: &str, sent: &[u8], received: Option<&[u8]>, trailer: Trailer<'_>) {
        self.calls += 1;
        let (log, method) = (&mut self.log, format!("/QueryEngineService/{method}"));
        let at = SystemTime::UNIX_EPOCH + Duration::from_secs(1_700_000_000 + self.calls);
        let mut encoder = Encoder::new(self.calls);
        let head =
            Head { method: &method, authority: "", timeout: None, peer: None, metadata: Metadata::NONE };
        encoder.client_header(log, at, head);
        encoder.message(log, at, true, sent.len() as u32, false, sent);
        if let Some(received) = received {
            encoder.server_header(log, at, &[("x-served", b"yes")].into_iter().collect());
            encoder.message(log, at, false, received.len() as u32, false, received);
        }
        encoder.trailer(log, at + Duration::from_millis(40), trailer);
    }

    /// A query with one answer to each batch.
    fn query(&mut self, statement: &str, id: &str, batches: &[&str]) {
        self.call(
            "prepareStatementV2",
            prepare("session-1", statement),
            pb::PrepareStatementResponse {
                query_id: id.into(),
                session_id: "session-1".into(),
                new_strategy: Some("green".into()),
                ..Default::default()
            },
        );
        for rows in batches {
            self.call(
                "getNextResultBatch",
                batch("session-1", id),
                pb::GetNextResultBatchResponse {
                    result_batch: rows.as_bytes().to_vec(),
                    session_id: "session-1".into(),
                    ..Default::default()
                },
            );
        }
    }

    fn replay(&self) -> Replay {
        self.replay_at(0.0)
    }

    fn replay_at(&self, speed: f64) -> Replay {
        load(&self.log, speed).unwrap()
    }
}

fn load(log: &[u8], speed: f64) -> Result<Replay, LoadError> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("calls");
    fs::write(&path, log).unwrap();
    Replay::load(&path, Protocol::default().roles(), speed)
}

fn prepare(session: &str, statement: &str) -> pb::PrepareStatementV2Request {
    pb::PrepareStatementV2Request {
        session_id: session.into(),
        query_string: statement.into(),
        schema: "sales".into(),
        ..Default::default()
    }
}

fn batch(session: &str, query: &str) -> pb::GetNextResultBatchRequest {
    pb::GetNextResultBatchRequest { session_id: session.into(), query_id: query.into(), ..Default::default() }
}

fn request(method: &str, message: &[u8]) -> Request<Full<Bytes>> {
    let mut body = Vec::new();
    Prefix { flag: 0, len: message.len() as u32 }.write(&mut body);
    body.extend_from_slice(message);
    let request =
        Request::post(format!("/QueryEngineService/{method}")).header("content-type", "application/grpc");
    request.body(Full::new(Bytes::from(body))).unwrap()
}

async fn respond(service: ReplayService, request: Request<Full<Bytes>>) -> Response<Body> {
    service.oneshot(request).await.unwrap_or_else(|never: Infallible| match never {})
}

/// Calls, and returns the trailers and the message.
async fn send(replay: &Replay, method: &str, message: &[u8]) -> (HeaderMap, Bytes) {
    let (head, body) = respond(replay.service(None), request(method, message)).await.into_parts();
    let body = body.collect().await.unwrap();
    match body.trailers().cloned() {
        None => (head.headers, Bytes::new()),
        Some(trailers) => {
            assert_eq!(head.headers["x-served"], "yes");
            (trailers, body.to_bytes().slice(grpc::PREFIX_LEN..))
        }
    }
}

async fn ask<R: Message + Default>(replay: &Replay, method: &str, message: impl Message) -> R {
    let (trailers, answer) = send(replay, method, &message.encode_to_vec()).await;
    assert_eq!(trailers["grpc-status"], "0", "{trailers:?}");
    R::decode(answer).unwrap()
}

/// Why a call is not answered.
async fn missing(replay: &Replay, method: &str, message: impl Message) -> String {
    let (trailers, _) = send(replay, method, &message.encode_to_vec()).await;
    assert_eq!(trailers["grpc-status"], "5", "{trailers:?}");
    trailers["grpc-message"].to_str().unwrap().to_owned()
}

async fn log_in(replay: &Replay, user: &str) -> String {
    let login = pb::AuthenticateRequest { user: user.into(), password: "any".into(), ..Default::default() };
    ask::<pb::AuthenticateResponse>(replay, "authenticate", login).await.session_id
}

async fn execute(replay: &Replay, session: &str, statement: &str) -> String {
    let answer: pb::PrepareStatementResponse =
        ask(replay, "prepareStatementV2", prepare(session, statement)).await;
    assert_eq!((answer.session_id.as_str(), answer.new_strategy), (session, None));
    answer.query_id
}

async fn fetch(replay: &Replay, session: &str, query: &str) -> String {
    let answer: pb::GetNextResultBatchResponse =
        ask(replay, "getNextResultBatch", batch(session, query)).await;
    assert_eq!(answer.session_id, session);
    String::from_utf8(answer.result_batch).unwrap()
}

fn tape() -> Tape {
    let mut tape = Tape::default();
    let login = pb::AuthenticateRequest { user: "me".into(), ..Default::default() };
    let session = pb::AuthenticateResponse { session_id: "session-1".into(), ..Default::default() };
    tape.call("authenticate", login, session);
    tape.query("SELECT 1", "q1", &["a", "b", ""]);
    tape.query("SELECT 1", "q2", &["c", ""]);
    tape.query("SELECT 'x  y' FROM orders", "q3", &["d", ""]);
    tape
}

#[tokio::test]
async fn clients_replay_at_once_with_own_ids() {
    let replay = tape().replay();
    let sessions = [log_in(&replay, "me").await, log_in(&replay, "other").await];
    assert_ne!(sessions[0], sessions[1]);
    let mut queries = Vec::new();
    for session in &sessions {
        queries.push(execute(&replay, session, "SELECT 1").await);
    }
    assert_ne!(queries[0], queries[1]);
    for expected in ["a", "b", "", ""] {
        for (session, query) in sessions.iter().zip(&queries) {
            assert_eq!(fetch(&replay, session, query).await, expected);
        }
    }
}

#[tokio::test]
async fn answers_come_in_order_and_the_last_again() {
    let replay = tape().replay();
    let session = log_in(&replay, "me").await;
    for expected in ["a", "c", "c"] {
        let query = execute(&replay, &session, "\n SELECT\t 1 ").await;
        assert_eq!(fetch(&replay, &session, &query).await, expected);
    }
}

#[tokio::test]
async fn another_way_of_fetching_finds_its_query() {
    let mut tape = tape();
    tape.query("SELECT 1", "q4", &[]);
    let rows = pb::GetNextResultBatchV2Response { result_batches: vec![b"e".to_vec()], ..Default::default() };
    tape.call("getNextResultBatchV2", batch("session-1", "q4"), rows);
    let replay = tape.replay();
    let session = log_in(&replay, "me").await;
    let query = execute(&replay, &session, "SELECT 1").await;
    let rows: pb::GetNextResultBatchV2Response =
        ask(&replay, "getNextResultBatchV2", batch(&session, &query)).await;
    assert_eq!(rows.result_batches, [b"e"]);
    // Queries of other statements do not help.
    let query = execute(&replay, &session, "SELECT 'x  y' FROM orders").await;
    let why = missing(&replay, "getNextResultBatchV2", batch(&session, &query)).await;
    assert!(why.ends_with("about other queries"), "{why}");
}

#[tokio::test]
async fn calls_that_were_not_recorded_name_the_nearest() {
    let replay = tape().replay();
    let session = log_in(&replay, "me").await;
    let why = missing(&replay, "prepareStatementV2", prepare(&session, "SELECT 'x y' FROM orders")).await;
    let name = "QueryEngineService/prepareStatementV2";
    let expected = format!(
        "not recorded: {name} with 'SELECT 'x y' FROM orders'; the nearest recorded one is 'SELECT 'x  y' FROM orders'"
    );
    assert_eq!(why, expected, "blanks in quotes count");
    let other = pb::PrepareStatementV2Request { schema: "other".into(), ..prepare(&session, "SELECT 1") };
    assert!(missing(&replay, "prepareStatementV2", other).await.contains("in another schema"));
    let why = missing(&replay, "getNextResultBatch", batch(&session, "q1")).await;
    assert_eq!(why, "not recorded: the query 'q1' was not given out here");
    let why = missing(&replay, "getCataloges", pb::GetCatalogesRequest::default()).await;
    assert_eq!(why, "not recorded: no call of QueryEngineService/getCataloges is");
}

#[tokio::test]
async fn a_query_waiting_for_its_planner_is_replayed() {
    let existing =
        |id: &str, millis| Some(pb::ExistingQuery { query_id: id.into(), elapsed_time_millis: millis });
    let identify = |session: &str, existing_query| pb::IdentifyPlannerRequest {
        session_id: session.into(),
        existing_query,
        ..Default::default()
    };
    let planned = |id: &str, ip: &str| pb::IdentifyPlannerResponse {
        existing_query: existing(id, 7),
        planner_ip: Some(ip.into()),
        session_id: "session-1".into(),
        ..Default::default()
    };
    let mut tape = Tape::default();
    tape.call("identifyPlanner", identify("session-1", None), planned("q1", ""));
    tape.call("identifyPlanner", identify("session-1", existing("q1", 7)), planned("q1", "10.0.0.1"));
    let begin = |session: &str, existing_query| pb::PrepareStatementV2Request {
        existing_query,
        ..prepare(session, "SELECT 1")
    };
    let begun = pb::PrepareStatementResponse { query_id: "q1".into(), ..Default::default() };
    tape.call("prepareStatementV2", begin("session-1", existing("q1", 7)), begun);
    let replay = tape.replay();
    let first: pb::IdentifyPlannerResponse = ask(&replay, "identifyPlanner", identify("s", None)).await;
    let id = first.existing_query.unwrap().query_id;
    assert!(id != "q1" && first.session_id == "s");
    // Clients measure the time themselves.
    let second: pb::IdentifyPlannerResponse =
        ask(&replay, "identifyPlanner", identify("s", existing(&id, 99))).await;
    assert_eq!(
        (second.planner_ip.as_deref(), &second.existing_query.unwrap().query_id),
        (Some("10.0.0.1"), &id)
    );
    let begun: pb::PrepareStatementResponse =
        ask(&replay, "prepareStatementV2", begin("s", existing(&id, 123))).await;
    assert_eq!(begun.query_id, id);
}

#[tokio::test]
async fn what_is_missing_goes_to_the_fallback() {
    let replay = tape().replay();
    let session = log_in(&replay, "me").await;
    let query = execute(&replay, &session, "SELECT 1").await;
    // Answers with what it was asked.
    let echo = service_fn(|request: Request<Body>| async { Ok(Response::new(request.into_body())) });
    let answer = async |request: Request<Full<Bytes>>| {
        let answer = respond(replay.service(Some(Fallback::new(echo))), request).await;
        let status = answer.headers().get("grpc-status").cloned();
        (answer.into_body().collect().await.unwrap().to_bytes(), status)
    };
    let other = request("prepareStatementV2", &prepare(&session, "SELECT 2").encode_to_vec());
    let asked = other.body().clone().collect().await.unwrap().to_bytes();
    assert_eq!(answer(other).await, (asked, None));
    let unknown = batch(&session, "a query of the fallback").encode_to_vec();
    assert!(answer(request("getNextResultBatch", &unknown)).await.0.ends_with(&unknown));
    let foreign = Request::post("/oauth2/token").body(Full::new("id".into())).unwrap();
    assert_eq!(answer(foreign).await, ("id".into(), None));
    // What concerns a recorded query stays here.
    let (body, _) = answer(request("getNextResultBatch", &batch(&session, &query).encode_to_vec())).await;
    assert_eq!(pb::GetNextResultBatchResponse::decode(&body[grpc::PREFIX_LEN..]).unwrap().result_batch, b"a");
    let plan = pb::ExplainRequest { query_id: query, ..Default::default() }.encode_to_vec();
    assert_eq!(answer(request("explain", &plan)).await, (Bytes::new(), Some(HeaderValue::from_static("5"))));
}

#[tokio::test]
async fn errors_are_replayed_and_rejections_are_not() {
    let mut tape = Tape::default();
    let expected = [("expected-strategy", b"green")].into_iter().collect();
    let clear = pb::StatusRequest::default().encode_to_vec();
    tape.ended("status", &clear, None, Trailer { code: 2, metadata: &expected, ..OK });
    tape.ended("status", &clear, None, Trailer { code: 3, message: "100 % é", details: b"d", ..OK });
    let replay = tape.replay();
    assert_eq!(replay.calls(), 1);
    let (trailers, _) = send(&replay, "status", &clear).await;
    let of = |name: &str| trailers[name].to_str().unwrap();
    assert_eq!(
        (of("grpc-status"), of("grpc-message"), of("grpc-status-details-bin")),
        ("3", "100 %25 %C3%A9", "ZA")
    );
}

#[tokio::test(start_paused = true)]
async fn answers_take_their_time_by_the_speed() {
    for (speed, millis) in [(0.0, 0), (1.0, 40), (2.0, 20)] {
        let replay = tape().replay_at(speed);
        let began = tokio::time::Instant::now();
        log_in(&replay, "me").await;
        assert_eq!(began.elapsed().as_millis(), millis, "{speed}");
    }
}

#[test]
fn bad_recordings_are_refused_with_the_offset() {
    let log = tape().log;
    let why = |log: &[u8]| load(log, 0.0).unwrap_err().to_string();
    assert!(why(b"").ends_with("at byte 0: the file is empty"));
    assert!(why(b"SELECT 1").ends_with("at byte 0: expected a binary log of gRPC, found another format"));
    let corrupt = [&log[..], &[0, 0, 0, 1, 0]].concat();
    assert!(why(&corrupt).contains(&format!("at byte {}: the entry is corrupt", log.len())));
    let mut rejected = Tape::default();
    rejected.ended(
        "clear",
        b"",
        None,
        Trailer { metadata: &[("expected-strategy", b"x")].into_iter().collect(), ..OK },
    );
    assert!(why(&rejected.log).contains("none that can be replayed"));
    // The last call is not whole, and the others are used.
    assert_eq!(load(&log[..log.len() - 1], 0.0).unwrap().calls(), tape().calls as usize - 1);
}
