//! The calls in the history, and their fields.

use protocol::Strategy;
use serde_json::json;
use switch::{Actor, Command, Order};

use super::*;
use crate::{
    fault::{FaultContext, FaultLayer, Faults, Source},
    telemetry::{
        Collector, Metrics,
        history::{Call, History, Limits},
    },
};

const PEER: std::net::IpAddr = std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST);

struct Kept {
    bench: Bench,
    history: History,
    collector: Collector,
}

fn kept(response: Response<Frames>) -> Kept {
    let bench = bench(Mismatch::Both, response);
    let limits = Limits { calls: 100, bytes: 1 << 20, messages: 0, threads: 1 };
    let (switch, metrics) = (Some(bench.switch.clone()), Metrics::default());
    let collector = Collector::keeping(limits, &Protocol::default(), switch, metrics, None);
    let history = collector.history().unwrap();
    Kept { bench, history, collector }
}

impl Kept {
    /// Sends requests on one connection, and returns what is kept of them.
    async fn calls(&self, requests: impl IntoIterator<Item = Request<Frames>>) -> Vec<Call> {
        let response = self.bench.response.clone();
        let backend = service_fn(move |request: Request<RequestBody<Frames>>| {
            let response = response.clone();
            async move {
                request.into_body().collect().await.unwrap();
                Ok::<_, Infallible>(response)
            }
        });
        let gate = self.bench.layer.watched(self.collector.shard().connection(PEER), backend);
        let first = self.history.next();
        for request in requests {
            gate.clone().oneshot(request).await.unwrap().into_body().collect().await.unwrap();
        }
        let engine = |strategy: Strategy| format!("http://{strategy}");
        self.history.read(first, u64::MAX).iter().map(|entry| self.history.view(entry, engine)).collect()
    }
}

fn with_query(method: &str, session: &str, query: &str) -> Request<Frames> {
    let message = [string_field(2, session), string_field(3, query)].concat();
    request(method, Some("blue"), Frames::data([framed(0, &message)]))
}

#[tokio::test]
async fn a_call_is_kept_with_its_facts() {
    let answer = framed(0, b"1234567");
    let kept = kept(grpc(Frames::data([answer.clone(), answer]).status("0")));
    let calls = kept.calls([with_query("getNextResultBatch", "a-secret-session", "q-7")]).await;
    let [call] = &calls[..] else { panic!("{calls:#?}") };
    let facts = serde_json::to_value(call).unwrap();
    for (field, expected) in [
        ("id", json!(1)),
        ("method", json!("getNextResultBatch")),
        ("query", json!("q-7")),
        ("asked", json!("blue")),
        ("strategy", json!("blue")),
        ("verdict", json!("let_in")),
        ("engine", json!("http://blue")),
        ("phase", json!("STABLE")),
        ("epoch", json!(0)),
        ("outcome", json!("ok")),
        ("status", json!("OK")),
        ("message", json!(null)),
        ("request_bytes", json!(5 + 2 + 16 + 2 + 3)),
        ("response_bytes", json!(24)),
        ("notice", json!(null)),
        ("fault", json!(null)),
        ("peer", json!("127.0.0.1")),
    ] {
        assert_eq!(facts[field], expected, "{field}: {facts:#}");
    }
    assert!(call.session.as_ref().unwrap().starts_with('#'), "{call:?}");
    assert!(call.seconds >= call.first_byte_seconds, "{call:?}");
    assert!(!facts.to_string().contains("a-secret-session"), "{facts:#}");
}

#[tokio::test]
async fn neutral_calls_have_the_session_of_the_last() {
    let kept = kept(grpc(Frames::data([framed(0, b"")]).status("0")));
    let about = |session| with_query("getNextResultBatch", session, "q");
    let neutral = request("getSchemaNames", Some("blue"), Frames::data([framed(0, &string_field(1, "two"))]));
    let calls = kept.calls([about("one"), about("one"), about("two"), neutral]).await;
    let sessions: Vec<_> = calls.iter().map(|call| call.session.as_deref()).collect();
    assert!(sessions.iter().all(Option::is_some), "{sessions:?}");
    let is_same: Vec<_> = sessions.windows(2).map(|pair| pair[0] == pair[1]).collect();
    assert_eq!(is_same, [true, false, true], "{sessions:?}");
}

#[tokio::test]
async fn a_begin_is_kept_with_its_query() {
    let kept = kept(grpc(Frames::data([framed(0, &prepared("q-new"))]).status("0")));
    let calls =
        kept.calls([request("prepareStatement", None, Frames::data([framed(0, &string_field(1, "s"))]))]);
    let call = &calls.await[0];
    assert_eq!((call.query.as_deref(), call.asked.as_deref()), (Some("q-new"), None), "{call:?}");
}

#[tokio::test]
async fn a_rejected_call_is_kept_with_its_phase() {
    let kept = kept(grpc(Frames::data([framed(0, b"")]).status("0")));
    let ask = |strategy| {
        request("getSchemaNames", Some(strategy), Frames::data([framed(0, &string_field(1, "s"))]))
    };
    kept.bench
        .switch
        .command(Command::Announce { to: Some(Strategy::Green) }, Order::by(Actor::Operator))
        .unwrap();
    let calls = kept.calls([ask("blue"), ask("purple")]).await;
    assert_eq!(calls[0].notice, Some(Strategy::Green), "{calls:#?}");
    let rejected = &calls[1];
    assert_eq!(rejected.asked.as_deref(), Some("unknown"));
    assert_eq!((rejected.verdict.as_str(), rejected.outcome.as_str()), ("rejected", "rejected"));
    assert_eq!((rejected.message.as_deref(), &rejected.engine), (Some("status: 456"), &None));
    assert_eq!((rejected.phase, rejected.epoch), (switch::PhaseName::Announced, 1));
}

#[tokio::test]
async fn an_error_is_kept_without_its_session() {
    let mut frames = Frames::default();
    let trailers = [("grpc-status", "16"), ("grpc-message", "no%20session%20abcdefgh-1")];
    frames.left.push_back(Err(trailers
        .map(|(name, value)| (http::HeaderName::from_static(name), HeaderValue::from_static(value)))
        .into_iter()
        .collect()));
    let kept = kept(grpc(frames));
    let call = &kept.calls([with_query("clear", "abcdefgh-1", "q")]).await[0];
    assert_eq!((call.status.as_str(), call.message.as_deref()), ("UNAUTHENTICATED", Some("no session ***")));
    assert_eq!(call.outcome, "error");
}

#[tokio::test]
async fn faults_are_kept_with_the_call_they_hit() {
    let kept = kept(grpc(Frames::data([framed(0, b"")]).status("0")));
    let faults = Faults::new(false, FaultContext::default());
    for rule in [
        "id=slow,method=clear,delay=0s",
        "id=batch,method=getNextResultBatch,delay=0s",
        "id=cut,method=clear,reset=CANCEL",
    ] {
        faults.add(rule.parse().unwrap(), Source::Operator).unwrap();
    }
    let response = kept.bench.response.clone();
    let backend = service_fn(move |_| std::future::ready(Ok::<_, Infallible>(response.clone())));
    let backend = FaultLayer::new(faults).layer(backend);
    let gate = kept.bench.layer.watched(kept.collector.shard().connection(PEER), backend);
    assert!(gate.clone().oneshot(with_query("clear", "s", "q")).await.is_err());
    for method in ["getNextResultBatch", "isNotMatched"] {
        let response = gate.clone().oneshot(with_query(method, "s", "q")).await.unwrap();
        response.into_body().collect().await.unwrap();
    }
    let calls: Vec<_> =
        kept.history.read(0, 9).iter().map(|entry| kept.history.view(entry, |_| String::new())).collect();
    let facts = calls.iter().map(|call| (call.outcome.as_str(), call.fault.as_deref()));
    let expected = [("dropped", Some("slow,cut")), ("ok", Some("batch")), ("ok", None)];
    assert_eq!(facts.collect::<Vec<_>>(), expected);
}
