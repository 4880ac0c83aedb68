//! The history of calls: listed, streamed, and compared with statements.

use std::{
    net::{IpAddr, Ipv4Addr},
    time::Instant,
};

use protocol::Protocol;
use proxy::{
    gate::{Arriving, ObserveCall, ObserveConnection},
    telemetry::{Collector, Metrics, Shard, history::Limits},
};
use switch::{Actor, Effect, Header, NewEvent, Order};

use super::{events::Reader, *};

/// A server that keeps calls.
struct Kept {
    bench: Bench,
    shard: Arc<Shard>,
}

fn kept(calls: usize) -> Kept {
    let (switch, _timer) = Switch::new(still());
    let limits = Limits { calls, bytes: 1 << 20, messages: 0, threads: 1 };
    let (protocol, metrics) = (Protocol::default(), Metrics::default());
    let collector = Collector::keeping(limits, &protocol, Some(switch.clone()), metrics, None);
    let shard = collector.shard();
    let admin = AdminState::new(switch.clone(), collector);
    let shared = Arc::new(Shared { admin, token: None, end: CancellationToken::new() });
    Kept { bench: Bench { router: router::router(shared.clone()), switch, shared }, shard }
}

impl Kept {
    /// A call that ends with this status.
    fn call(&self, method: &str, query: &str, status: &'static str) {
        let connection = self.shard.connection(IpAddr::V4(Ipv4Addr::LOCALHOST));
        let mut call = connection.call(Arriving {
            arrived: Instant::now(),
            path: &format!("/QueryEngineService/{method}"),
            method: Protocol::default().method(&format!("/QueryEngineService/{method}")),
            head: &HeaderMap::new(),
            extensions: &http::Extensions::new(),
            caller: None,
            query: Some(query),
            asked: Header::Names(Strategy::Blue),
            heading: self.bench.switch.heading(),
        });
        call.let_in(Strategy::Blue, &mut HeaderMap::new());
        let trailers = HeaderMap::from_iter([("grpc-status".parse().unwrap(), status.parse().unwrap())]);
        call.over(Some(&trailers), Effect::Nothing);
    }

    async fn ids(&self, parameters: &str) -> Vec<u64> {
        let (status, answer) = self.bench.get(&format!("/api/v1/calls?{parameters}")).await;
        assert_eq!(status, StatusCode::OK, "{answer}");
        answer["calls"].as_array().unwrap().iter().map(|call| call["id"].as_u64().unwrap()).collect()
    }

    async fn refusal(&self, parameters: &str) -> String {
        let (status, answer) = self.bench.get(&format!("/api/v1/calls?{parameters}")).await;
        assert_eq!((status, code(&answer)), (StatusCode::UNPROCESSABLE_ENTITY, "bad_parameter"), "{answer}");
        message(&answer).to_owned()
    }

    async fn verify(&self, statement: Value) -> (StatusCode, Value) {
        self.bench.post("/api/v1/calls/verify", statement).await
    }
}

#[tokio::test]
async fn calls_are_listed_and_paged() {
    let kept = kept(50);
    for number in 0..60 {
        kept.call(if number % 2 == 0 { "clear" } else { "getSchemaNames" }, "q-1", "0");
    }
    assert_eq!(kept.ids("limit=3").await, [58, 59, 60]);
    assert_eq!(kept.ids("limit=2&after=20").await, [21, 22]);
    assert_eq!(kept.ids("limit=2&after=22&method=clear").await, [23, 25]);
    assert_eq!(kept.ids("since=call:58").await, [59, 60]);
    let (_, answer) = kept.bench.get("/api/v1/calls?limit=4&method=cl*").await;
    let facts = ["total", "last", "complete_from"].map(|field| answer[field].clone());
    assert_eq!(facts, [json!(25), json!(60), json!(11)]);
    let (_, answer) = kept.bench.get("/api/v1/calls?limit=4&method=cl*&after=11").await;
    assert_eq!((&answer["last"], &answer["total"]), (&json!(19), &json!(24)));
    let call = &answer["calls"][0];
    assert_eq!(
        (&call["engine"], &call["query"], &call["method"]),
        (&json!("built-in"), &json!("q-1"), &json!("clear"))
    );
}

#[tokio::test]
async fn since_takes_calls_events_and_epochs() {
    let kept = kept(50);
    let command = |command| kept.bench.switch.command(command, Order::by(Actor::Operator)).unwrap();
    kept.call("clear", "q", "0");
    command(Command::Announce { to: None });
    kept.call("clear", "q", "0");
    let note = NewEvent { kind: "test", ..NewEvent::default() };
    let test = kept.bench.switch.event_log().note(note);
    command(Command::Cutover { force: false });
    kept.call("clear", "q", "0");
    assert_eq!(kept.ids("since=epoch:0").await, [1, 2, 3]);
    assert_eq!(kept.ids("since=epoch:1").await, [2, 3]);
    assert_eq!(kept.ids("since=epoch:2").await, [3]);
    assert_eq!(kept.ids("since=event:1").await, [2, 3]);
    assert_eq!(kept.ids(&format!("since=event:{}", test + 1)).await, [3]);
    assert_eq!(kept.ids(&format!("since=event:{test}")).await, [3]);
    for (since, expected) in [
        ("yesterday", "expected call:ID, event:ID or epoch:N"),
        ("call:x", "expected call:ID, event:ID or epoch:N"),
        ("call:4", "expected a call that has ended, the last one is 3"),
        ("epoch:3", "expected an epoch up to 2"),
        ("event:9", "expected one of the last 10000 events, the last one is 3"),
        ("event:0", "expected one of the last 10000 events, the last one is 3"),
    ] {
        assert_eq!(kept.refusal(&format!("since={since}")).await, format!("since: '{since}': {expected}"));
    }
}

#[tokio::test]
async fn bad_filters_name_the_field() {
    let kept = kept(5);
    for (parameters, expected) in [
        ("status=FINE", "status: 'FINE': expected a gRPC status such as OK or 14, or none"),
        ("outcome=good", "outcome: 'good': expected ok, error, rejected or dropped"),
        ("strategy=red", "strategy: 'red': expected blue or green"),
        ("limit=0", "limit: 0: expected a number from 1 to 10000"),
        ("limit=10001", "limit: 10001: expected a number from 1 to 10000"),
        ("after=-1", "after: expected a whole number of 0 or more"),
    ] {
        assert_eq!(kept.refusal(parameters).await, expected);
    }
    assert!(kept.refusal("metod=x").await.contains("metod"));
}

#[tokio::test]
async fn without_a_history_there_are_no_calls() {
    let bench = Bench::new(still());
    let (status, answer) = bench.get("/api/v1/calls").await;
    assert_eq!((status, code(&answer)), (StatusCode::NOT_FOUND, "not_here"));
    assert!(message(&answer).contains("--calls"), "{answer}");
    assert_eq!(bench.get("/api/v1/calls/stream").await.0, StatusCode::NOT_FOUND);
    assert_eq!(bench.post("/api/v1/calls/verify", "{}").await.0, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn a_reader_gets_calls_as_they_end() {
    let kept = kept(1000);
    kept.call("clear", "early", "0");
    let mut reader = Reader::open(&kept.bench, "/api/v1/calls/stream?method=clear", None).await;
    for number in 0..600 {
        kept.call(if number % 2 == 0 { "clear" } else { "getSchemaNames" }, "q", "0");
    }
    let mut ids = Vec::new();
    while ids.len() < 300 {
        let sent = reader.next().await.unwrap();
        assert_eq!(sent.kind, "call");
        ids.push(sent.data["id"].as_u64().unwrap());
    }
    assert_eq!(ids, (0..300).map(|number| 2 + 2 * number).collect::<Vec<_>>());
    let last = Reader::open(&kept.bench, "/api/v1/calls/stream", None).await;
    drop(last);
    let mut again = Reader::open(&kept.bench, "/api/v1/calls/stream?after=598", None).await;
    let sent = again.next().await.unwrap();
    assert_eq!(sent.data["id"], 599);
    let mut resumed = Reader::open(&kept.bench, "/api/v1/calls/stream", sent.id.as_deref()).await;
    assert_eq!(resumed.next().await.unwrap().data["id"], 600);
    assert_eq!(resumed.next().await.unwrap().data["id"], 601);
    kept.bench.shared.end.cancel();
    assert!(resumed.next().await.is_none(), "it ends with the server");
}

#[tokio::test]
async fn a_slow_reader_is_told_what_it_lost() {
    let kept = kept(10);
    kept.call("clear", "q", "0");
    let mut reader = Reader::open(&kept.bench, "/api/v1/calls/stream?after=0", None).await;
    assert_eq!(reader.next().await.unwrap().data["id"], 1);
    for _ in 0..25 {
        kept.call("clear", "q", "0");
    }
    let lost = reader.next().await.unwrap();
    assert_eq!((lost.kind.as_str(), &lost.data), ("lost", &json!({"lost": 15})));
    assert_eq!(reader.next().await.unwrap().data["id"], 17);
}

#[tokio::test]
async fn calls_not_asked_for_are_not_lost() {
    let kept = kept(10);
    let path = "/api/v1/calls/stream?method=clear&after=0";
    for _ in 0..5 {
        kept.call("getSchemaNames", "q", "0");
    }
    let passed = Reader::open(&kept.bench, path, None).await.lines().await.unwrap();
    assert!(passed.ends_with("-5"), "{passed}");
    for number in 0..10 {
        kept.call(if number == 9 { "clear" } else { "getSchemaNames" }, "q", "0");
    }
    let mut resumed = Reader::open(&kept.bench, path, passed.strip_prefix("id: ")).await;
    let sent = resumed.next().await.unwrap();
    assert_eq!((sent.kind.as_str(), &sent.data["id"]), ("call", &json!(15)));
}

#[tokio::test]
async fn statements_are_verified() {
    let kept = kept(50);
    for _ in 0..3 {
        kept.call("clear", "q-1", "0");
    }
    kept.call("clear", "q-1", "14");
    for (statement, expected) in [
        (json!({"method": "clear*", "status": "OK"}), None),
        (json!({"method": "clear*", "status": "OK", "exactly": 3}), None),
        (json!({"method": "clear*", "exactly": 3}), Some("expected exactly 3, saw 4")),
        (json!({"method": "clear*", "at_least": 5}), Some("expected at least 5, saw 4")),
        (json!({"method": "clear*", "at_most": 3}), Some("expected at most 3, saw 4")),
        (json!({"at_least": 5, "at_most": 7}), Some("expected 5 to 7, saw 4")),
        (json!({"at_least": 2.0, "at_most": 4}), None),
        (json!({"method": "prepare*", "at_most": 0}), None),
        (json!({"since": "call:3", "exactly": 1}), None),
        (json!({"method": "prepare*"}), Some("expected at least 1, saw 0")),
    ] {
        let (status, answer) = kept.verify(statement.clone()).await;
        match expected {
            None => assert_eq!(status, StatusCode::OK, "{statement}: {answer}"),
            Some(expected) => {
                assert_eq!((status, message(&answer)), (StatusCode::CONFLICT, expected), "{statement}");
            }
        }
    }
    let (_, answer) = kept.verify(json!({"method": "prepare*", "status": "UNAVAILABLE"})).await;
    let seen = &answer["seen"];
    assert_eq!(seen["by_method"], json!({"clear": {"OK": 3, "UNAVAILABLE": 1}}));
    let nearest: Vec<_> = seen["nearest"].as_array().unwrap().iter().map(|call| &call["id"]).collect();
    assert_eq!(nearest, [4, 3, 2, 1], "the one with the status is nearest");
}

#[tokio::test]
async fn bad_statements_name_the_field() {
    let kept = kept(5);
    for (statement, expected) in [
        (json!({"within": "soon"}), "within: 'soon': expected a duration such as 5s, of at most 10m"),
        (json!({"within": "11m"}), "within: '11m': expected a duration such as 5s, of at most 10m"),
        (json!({"exactly": 1, "at_least": 1}), "exactly: expected it without at_least and at_most"),
        (json!({"at_least": 3, "at_most": 2}), "at_most: 2: expected at_least, 3, or more"),
        (json!({"status": "FINE"}), "status: 'FINE': expected a gRPC status such as OK or 14, or none"),
        (json!({"at_most": 1_000_000_001}), "at_most: 1000000001: expected a number up to 1000000000"),
        (json!({"at_least": -1}), "at_least: -1: expected a whole number of 0 or more"),
    ] {
        let (status, answer) = kept.verify(statement).await;
        assert_eq!((status, message(&answer)), (StatusCode::UNPROCESSABLE_ENTITY, expected));
    }
}

#[tokio::test(start_paused = true)]
async fn a_statement_waits_for_calls() {
    let kept = kept(50);
    let statement = |number: &str| json!({"method": "clear", number: 2, "within": "5s"});
    let begun = tokio::time::Instant::now();
    let calling = async {
        for _ in 0..2 {
            tokio::time::sleep(Duration::from_secs(1)).await;
            kept.call("clear", "q", "0");
        }
    };
    let ((status, _), ()) = tokio::join!(kept.verify(statement("at_least")), calling);
    assert_eq!((status, begun.elapsed().as_secs()), (StatusCode::OK, 2), "it is enough");
    let begun = tokio::time::Instant::now();
    assert_eq!(kept.verify(statement("exactly")).await.0, StatusCode::OK);
    assert_eq!(begun.elapsed().as_secs(), 5, "another one may come until the end");
    let begun = tokio::time::Instant::now();
    let calling = async {
        tokio::time::sleep(Duration::from_secs(3)).await;
        kept.call("clear", "q", "0");
    };
    let ((status, answer), ()) = tokio::join!(kept.verify(statement("at_most")), calling);
    assert_eq!((status, message(&answer)), (StatusCode::CONFLICT, "expected at most 2, saw 3"));
    assert_eq!(begun.elapsed().as_secs(), 3, "it is too many");
}

#[tokio::test]
async fn a_statement_about_lost_calls_is_refused() {
    let kept = kept(10);
    for _ in 0..15 {
        kept.call("clear", "q", "0");
    }
    for (statement, is_told) in [
        (json!({"method": "clear", "at_least": 10}), true),
        (json!({"method": "clear", "at_least": 11}), false),
        (json!({"method": "prepare", "at_most": 0}), false),
        (json!({"method": "prepare", "at_most": 0, "since": "call:3"}), false),
        (json!({"method": "prepare", "at_most": 0, "since": "call:5"}), true),
        (json!({"method": "clear", "exactly": 10, "since": "call:5"}), true),
    ] {
        let (status, answer) = kept.verify(statement.clone()).await;
        assert_eq!(status == StatusCode::OK, is_told, "{statement}: {answer}");
        if !is_told {
            assert!(
                message(&answer).starts_with("cannot tell: calls up to 5 have left the history"),
                "{answer}"
            );
        }
    }
}
