//! The history of several threads, beyond its limits.

use std::{
    net::{IpAddr, Ipv4Addr},
    time::{Duration, Instant},
};

use http::{HeaderMap, HeaderValue};
use protocol::Protocol;
use switch::{Effect, Header, Rules, Switch};

use super::*;
use crate::{
    gate::{Arriving, Caller, ObserveCall, ObserveConnection},
    telemetry::{Call, ClientConnection, Metrics, Shard},
};

const PEER: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

struct Bench {
    protocol: Protocol,
    switch: Switch,
    collector: Collector,
}

fn bench(limits: Limits) -> Bench {
    let (protocol, (switch, _timer)) = (Protocol::default(), Switch::new(Rules::default()));
    let collector = Collector::keeping(limits, &protocol, Some(switch.clone()), Metrics::default(), None);
    Bench { protocol, switch, collector }
}

fn limits(calls: usize, threads: usize) -> Limits {
    Limits { calls, bytes: 32 << 20, messages: 0, threads }
}

impl Bench {
    fn history(&self) -> History {
        self.collector.history().expect("calls are kept")
    }

    fn arrive(
        &self,
        connection: &ClientConnection,
        method: &str,
        query: Option<&str>,
        session: &str,
    ) -> Call {
        connection.call(Arriving {
            arrived: Instant::now(),
            path: &format!("/QueryEngineService/{method}"),
            method: self.protocol.method(&format!("/QueryEngineService/{method}")),
            head: &HeaderMap::new(),
            extensions: &http::Extensions::new(),
            caller: Some(Caller::Session(session)),
            query,
            asked: Header::Names(Strategy::Blue),
            heading: self.switch.heading(),
        })
    }

    fn pass(&self, shard: &Arc<Shard>, method: &str, query: Option<&str>, status: &str) {
        let connection = shard.connection(PEER);
        let mut call = self.arrive(&connection, method, query, "a session");
        call.let_in(Strategy::Blue, &mut HeaderMap::new());
        let status = HeaderValue::from_str(status).unwrap();
        call.over(Some(&[("grpc-status", status)].into_iter().map(named).collect()), Effect::Nothing);
    }
}

fn named((name, value): (&'static str, HeaderValue)) -> (http::HeaderName, HeaderValue) {
    (http::HeaderName::from_static(name), value)
}

fn ids(entries: &[Entry]) -> Vec<u64> {
    entries.iter().map(Entry::id).collect()
}

#[test]
fn threads_are_merged_in_order_of_ids() {
    let bench = bench(limits(100, 2));
    let shards = [bench.collector.shard(), bench.collector.shard()];
    for number in 0..10 {
        bench.pass(&shards[usize::from(number % 3 == 0)], "getSchemaNames", None, "0");
    }
    let history = bench.history();
    assert_eq!((ids(&history.read(0, u64::MAX)), history.next()), ((1..=10).collect(), 11));
    assert_eq!(ids(&history.read(4, 7)), [4, 5, 6]);
    assert_eq!(ids(&history.read(9, u64::MAX)), [9, 10]);
}

#[test]
fn only_the_last_calls_are_kept() {
    let bench = bench(limits(300, 2));
    let shards = [bench.collector.shard(), bench.collector.shard()];
    let history = bench.history();
    for number in 1..=1000 {
        assert_eq!(history.complete_from(), u64::max(1, (number as u64).saturating_sub(300)));
        bench.pass(&shards[number % 2], "getSchemaNames", None, "0");
    }
    assert_eq!(ids(&history.read(0, u64::MAX)), (701..=1000).collect::<Vec<_>>());
    assert_eq!(history.complete_from(), 701);
}

#[test]
fn memory_is_bounded_for_each_thread() {
    let bytes = 20 * COST;
    let bench = bench(Limits { calls: 1000, bytes, messages: 0, threads: 2 });
    let shards = [bench.collector.shard(), bench.collector.shard()];
    for _ in 0..100 {
        bench.pass(&shards[0], "getSchemaNames", None, "0");
    }
    bench.pass(&shards[1], "getSchemaNames", None, "0");
    let history = bench.history();
    assert_eq!(ids(&history.read(0, u64::MAX)), (91..=101).collect::<Vec<_>>());
    assert_eq!(history.complete_from(), 91);
    let tiny = Limits { calls: 1000, bytes: 1, messages: 0, threads: 64 };
    assert_eq!(tiny.capacity(), 1);
}

#[test]
fn without_calls_there_is_no_history() {
    let bench = bench(limits(0, 2));
    bench.pass(&bench.collector.shard(), "getSchemaNames", None, "0");
    assert!(bench.collector.history().is_none());
    let alone = Collector::keeping(limits(10, 1), &bench.protocol, None, Metrics::default(), None);
    assert!(alone.history().is_none(), "without a switch there are no calls to keep");
}

#[test]
fn a_reader_misses_nothing_while_threads_write() {
    let bench = bench(limits(100_000, 4));
    let shards: Vec<_> = (0..4).map(|_| bench.collector.shard()).collect();
    let history = bench.history();
    std::thread::scope(|scope| {
        for shard in &shards {
            scope.spawn(|| (0..2_000).for_each(|_| bench.pass(shard, "getSchemaNames", None, "0")));
        }
        let mut after = 0;
        while after < 8_000 {
            let next = history.next();
            let found = history.read(after + 1, next);
            assert_eq!(ids(&found), (after + 1..next).collect::<Vec<_>>());
            after = next - 1;
        }
    });
}

#[test]
fn filters_choose_by_all_their_conditions() {
    let bench = bench(limits(100, 1));
    let shard = bench.collector.shard();
    bench.pass(&shard, "prepareStatement", Some("q-1"), "0");
    bench.pass(&shard, "prepareStatementV2", Some("q-2"), "14");
    bench.pass(&shard, "clear", Some("q-1"), "0");
    let connection = shard.connection(PEER);
    bench.arrive(&connection, "clear", Some("q-3"), "another").rejected(Some(Strategy::Green));
    let cut_off = bench.arrive(&connection, "clear", None, "another");
    drop(cut_off);
    let history = bench.history();
    let none = Conditions::default();
    let session = history.view(&history.read(1, 2)[0], |_| String::new()).session.unwrap();
    for (conditions, expected) in [
        (none, &[1, 2, 3, 4, 5][..]),
        (Conditions { method: Some("prepareStatement*"), ..none }, &[1, 2]),
        (Conditions { method: Some("prepareStatement"), ..none }, &[1]),
        (Conditions { query: Some("q-1"), ..none }, &[1, 3]),
        (Conditions { status: Some("unavailable"), ..none }, &[2]),
        (Conditions { status: Some("14"), ..none }, &[2]),
        (Conditions { status: Some("none"), ..none }, &[5]),
        (Conditions { strategy: Some("Green"), ..none }, &[4]),
        (Conditions { outcome: Some("rejected"), ..none }, &[4]),
        (Conditions { outcome: Some("dropped"), ..none }, &[5]),
        (Conditions { client: Some("127.0.0.?"), ..none }, &[1, 2, 3, 4, 5]),
        (Conditions { client: Some(&session), ..none }, &[1, 2, 3]),
        (Conditions { method: Some("clear"), status: Some("OK"), query: Some("q*"), ..none }, &[3]),
        (Conditions { method: Some("nothing"), ..none }, &[]),
    ] {
        let filter = Filter::new(conditions, Since::Start).unwrap();
        assert_eq!(ids(&history.find(&filter)), expected, "{conditions:?}");
    }
    let since = |since| ids(&history.find(&Filter::new(none, since).unwrap()));
    assert_eq!((since(Since::Call(3)), since(Since::Call(9))), (vec![4, 5], vec![]));
    assert_eq!((since(Since::Epoch(0)).len(), since(Since::Epoch(1))), (5, vec![]));
    assert_eq!(since(Since::Time(Instant::now() + Duration::from_secs(9))), Vec::<u64>::new());
}

#[test]
fn a_bad_condition_names_its_field() {
    let none = Conditions::default();
    for (conditions, expected) in [
        (
            Conditions { status: Some("FINE"), ..none },
            "status: 'FINE': expected a gRPC status such as OK or 14, or none",
        ),
        (
            Conditions { status: Some("17"), ..none },
            "status: '17': expected a gRPC status such as OK or 14, or none",
        ),
        (
            Conditions { outcome: Some("foreign"), ..none },
            "outcome: 'foreign': expected ok, error, rejected or dropped",
        ),
        (Conditions { strategy: Some("red"), ..none }, "strategy: 'red': expected blue or green"),
        (Conditions { method: Some(""), ..none }, "method: '': expected a value, or a pattern with * and ?"),
    ] {
        assert_eq!(Filter::new(conditions, Since::Start).unwrap_err().to_string(), expected);
    }
    let bad = Filter::new(Conditions { query: Some("[a"), ..none }, Since::Start).unwrap_err().to_string();
    assert!(bad.starts_with("query: '[a': expected a pattern ("), "{bad}");
}

#[test]
fn messages_leave_with_their_calls() {
    let bench = bench(Limits { messages: 4 << 10, ..limits(3, 1) });
    let shard = bench.collector.shard();
    let connection = shard.connection(PEER);
    let query = prost::Message::encode_to_vec(&protocol::pb::ClearRequest {
        session_id: "a session of its own".into(),
        query_id: "q-1".into(),
        ..Default::default()
    });
    let framed = [&[0, 0, 0, 0, u8::try_from(query.len()).unwrap()], &query[..]].concat();
    for _ in 0..5 {
        let mut call = connection.call(Arriving {
            arrived: Instant::now(),
            path: "/QueryEngineService/clear",
            method: bench.protocol.method("/QueryEngineService/clear"),
            head: &[("content-type", HeaderValue::from_static("application/grpc"))]
                .into_iter()
                .map(named)
                .collect(),
            extensions: &http::Extensions::new(),
            caller: None,
            query: None,
            asked: Header::Absent,
            heading: bench.switch.heading(),
        });
        call.let_in(Strategy::Blue, &mut HeaderMap::new());
        call.message_tap().expect("messages are kept").sent(&framed);
        call.over(None, Effect::Nothing);
    }
    let history = bench.history();
    let entries = history.read(0, u64::MAX);
    assert_eq!(ids(&entries), [3, 4, 5]);
    let messages = history.messages(&entries[0]).unwrap();
    let content = messages.request[0].content.as_ref().unwrap();
    assert_eq!(content["queryId"], "q-1");
    assert!(content["sessionId"].as_str().is_some_and(|session| session.starts_with('#')));
    assert!(shard.messages(2).is_none() && shard.messages(3).is_some());
    bench.pass(&shard, "clear", None, "0");
    let none = history.messages(history.read(6, 7).first().unwrap()).unwrap();
    assert!(none.request.is_empty() && none.note.is_some());
    let without = self::bench(limits(3, 1));
    let shard = without.collector.shard();
    without.pass(&shard, "clear", None, "0");
    assert!(without.history().messages(&without.history().read(1, 2)[0]).is_none());
}

#[test]
fn all_memory_is_shared_out() {
    for limits in [
        Limits { messages: 16 << 10, ..limits(10_000, 2) },
        Limits { messages: 1 << 20, ..limits(10_000, 64) },
        Limits { messages: 16 << 10, bytes: 1 << 20, ..limits(10, 1) },
    ] {
        let parts = limits.threads * (limits.capacity() * COST + limits.stored()) + limits.in_progress();
        assert!(parts <= limits.bytes, "{limits:?}: {parts}");
        assert!(limits.most() * 8 <= limits.stored() && limits.most() > 0, "{limits:?}");
    }
}
