//! What the watch makes of real connectors, and where traces go.

use std::{
    fs,
    net::SocketAddr,
    path::Path,
    time::{Duration, Instant},
};

use serde_json::Value;
use teal::{
    gate::{GateLayer, Mismatch},
    protocol::Protocol,
    server,
    switch::{Rules, Switch},
    telemetry::{Metrics, Watch},
    upstream::{Targets, Upstream},
};
use tokio::net::TcpListener;

use crate::support::{Connector, Running, Server, python, teal};

/// However busy the machine is.
const WITHIN: Duration = Duration::from_secs(120);

/// A switch, watched, before an engine; on a runtime of its own that ends with the test.
struct Watched {
    _runtime: tokio::runtime::Runtime,
    address: SocketAddr,
    switch: Switch,
    watch: Watch,
}

fn watched(engine: &Server, rules: Rules) -> Watched {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .expect("a runtime");
    let _within = runtime.enter();
    let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0")).expect("a free port");
    let address = listener.local_addr().expect("it is bound");
    let engine: teal::upstream::Target = format!("http://{}", engine.address).parse().expect("a URL");
    let targets = Targets { blue: engine.clone(), green: engine, connect_timeout: Duration::from_secs(20) };
    let (switch, timer) = Switch::new(Rules { switch_every: None, ..rules });
    let (protocol, metrics) = (Protocol::default(), Metrics::default());
    let watch = Watch::new(&protocol, Some(switch.clone()), metrics.clone(), None);
    let layer = GateLayer::new(switch.clone(), protocol, Mismatch::Both);
    let steps = watch.clone();
    runtime.spawn(timer.tell(move |step| steps.step(step)).run());
    runtime.spawn(watch.clone().run());
    let shards = watch.clone();
    let start = move || {
        let (layer, upstream, shard) = (layer.clone(), Upstream::connect(&targets, &metrics), shards.shard());
        move |peer: SocketAddr| layer.watched(shard.line(peer.ip()), upstream.clone())
    };
    runtime.spawn(server::serve(listener, 2, start, std::future::pending()));
    Watched { _runtime: runtime, address, switch, watch }
}

impl Watched {
    /// A client with that fate, once it is at work.
    fn client(&self, fate: &str) -> Running {
        let client = python(Connector::V3_0_2).start_at(self.address, "fates.py", &[fate]);
        client.wait_for("at work", 1, WITHIN);
        client
    }

    /// What is known of the client with that fate.
    fn known(&self, fate: &str) -> Value {
        let clients = serde_json::to_value(self.watch.clients()).expect("JSON");
        let user = format!("{fate}@example.com");
        let client = clients.as_array().expect("a list").iter().find(|client| client["user"] == user);
        client.unwrap_or_else(|| panic!("no {user} among {clients}")).clone()
    }

    /// Waits for the verdict on a client.
    fn verdict(&self, fate: &str, verdict: &str) -> Value {
        let deadline = Instant::now() + WITHIN;
        loop {
            let client = self.known(fate);
            if client["verdict"] == verdict {
                return client;
            }
            assert!(Instant::now() < deadline, "not {verdict}: {client:#}");
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

#[test]
fn every_client_gets_its_verdict() {
    let engine = teal().with("--gate", "off").run();
    let proxy = watched(
        &engine,
        Rules {
            announce_timeout: None,
            grace: Duration::from_millis(500),
            drain_timeout: Some(Duration::from_secs(4)),
            ..Rules::default()
        },
    );
    let mut vanishing = proxy.client("vanish");
    vanishing.close_stdin();
    vanishing.succeed(WITHIN);
    let following = proxy.client("follow");
    let frozen = proxy.client("freeze");
    python(Connector::V3_0_2).start_at(proxy.address, "fates.py", &["stray"]).succeed(WITHIN);

    proxy.switch.announce().unwrap();
    frozen.wait_for("refused", 1, WITHIN);

    let client = proxy.verdict("vanish", "lost_work");
    assert_eq!(client["reason"], "1 query was left when the drain of blue timed out", "{client:#}");
    assert_eq!(client["queries"]["abandoned"], 1, "{client:#}");
    assert_eq!((&client["told"], &client["strategy"]), (&Value::Null, &"blue".into()), "{client:#}");

    let client = proxy.verdict("freeze", "lost_work");
    let reason = client["reason"].as_str().unwrap();
    assert!(reason.contains("456 to prepareStatementV2") && reason.ends_with("has not used green after it"));
    assert!(client["rejected"].as_u64() > Some(0) && client["came_back"] == false, "{client:#}");
    assert_eq!((&client["adopted"], &client["strategy"]), (&Value::Null, &"blue".into()), "{client:#}");

    let client = proxy.verdict("follow", "followed");
    let reason = client["reason"].as_str().unwrap();
    assert!(reason.starts_with("told by ") && reason.contains(", used green "), "{client:#}");
    assert_eq!((&client["rejected"], &client["came_back"]), (&0.into(), &Value::Null), "{client:#}");
    assert!(client["told"]["strategy"] == "green" && client["adopted"].is_string(), "{client:#}");
    assert_eq!(client["strategy"], "green", "{client:#}");

    for mut client in [following, frozen] {
        client.close_stdin();
        client.succeed(WITHIN);
    }
    let client = proxy.known("follow");
    let queries = &client["queries"];
    assert!(queries["begun"].as_u64() > Some(1), "{client:#}");
    assert_eq!((&queries["begun"], &queries["open"]), (&queries["completed"], &0.into()), "{client:#}");
    assert!(client["errors"].as_object().unwrap().is_empty(), "{client:#}");
    assert!(client["user_agent"].as_str().unwrap().starts_with("grpc-python/"), "{client:#}");
    // What stands for a client's rights is nobody's business.
    let all = serde_json::to_string(&proxy.watch.clients()).unwrap();
    assert!(!all.contains("S3cret"), "{all}");

    let series = serde_json::to_value(proxy.watch.series()).unwrap();
    let points = series["points"].as_array().unwrap();
    let sum = |what: &str, of: &str| points.iter().map(|it| it[what][of].as_u64().unwrap()).sum::<u64>();
    assert!(sum("requests", "blue") > 0 && sum("requests", "green") > 0, "{series}");
    assert!(points.iter().map(|point| point["rejected"].as_u64().unwrap()).sum::<u64>() > 0, "{series}");
    assert!(sum("queries", "blue") > 0, "the query that nobody ended was in flight: {series}");

    let folder = tempfile::tempdir().unwrap();
    let exposition = folder.path().join("metrics");
    fs::write(&exposition, proxy.watch.metrics()).unwrap();
    let dashboard = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/grafana.json");
    let files = [exposition, dashboard].map(|path| path.into_os_string().into_string().unwrap());
    python(Connector::V3_0_2).run_offline("exposition.py", &files.each_ref().map(String::as_str));
}

#[test]
fn a_client_that_comes_back_after_a_456_has_recovered() {
    let engine = teal().with("--gate", "off").run();
    let rules = Rules {
        cutover: teal::switch::Cutover::Strict,
        notice: Duration::ZERO,
        announce_timeout: None,
        ..Rules::default()
    };
    let proxy = watched(&engine, rules);
    let mut client = proxy.client("recover");
    let deadline = Instant::now() + WITHIN;
    // A client may hear of it in time, between two queries: then the next switch is the one.
    let known = loop {
        let before = proxy.known("recover")["verdicts"][0]["switch"].clone();
        proxy.switch.announce().unwrap();
        _ = proxy.switch.cutover();
        let settled = loop {
            let known = proxy.known("recover");
            let is_judged = ["followed", "recovered"].iter().any(|verdict| known["verdict"] == *verdict);
            if is_judged && known["verdicts"][0]["switch"] != before {
                break known;
            }
            assert!(Instant::now() < deadline, "{known:#}");
            std::thread::sleep(Duration::from_millis(20));
        };
        if settled["verdict"] == "recovered" {
            break settled;
        }
    };
    assert!(known["reason"].as_str().unwrap().starts_with("456 to "), "{known:#}");
    assert!(known["rejected"].as_u64() > Some(0) && known["came_back"] == true, "{known:#}");
    client.close_stdin();
    client.succeed(WITHIN);
}

/// The collector and engine of `traces.py`, and their addresses.
fn collector(kind: &str) -> (Running, [String; 2]) {
    let script = python(Connector::V3_0_2).start_alone("traces.py", &[kind]);
    let said = script.wait_for("collector ", 1, WITHIN);
    let words: Vec<&str> = said[0].split(' ').collect();
    let address = |at: usize| format!("http://127.0.0.1:{}", words[at]);
    let addresses = [address(1), address(3)];
    (script, addresses)
}

#[test]
fn a_call_is_a_span_in_the_trace_of_its_client() {
    let (mut script, [collector, engine]) = collector("traced");
    let server = teal()
        .with("--upstream", &engine)
        .with("--otlp-endpoint", &collector)
        .env("OTEL_BSP_SCHEDULE_DELAY", "100")
        .run();
    script.tell(&server.address.to_string());
    script.succeed(WITHIN);
}

#[test]
fn without_an_endpoint_metadata_passes_as_it_is() {
    let (mut script, [_, engine]) = collector("untraced");
    let server = teal().with("--upstream", &engine).run();
    script.tell(&server.address.to_string());
    script.succeed(WITHIN);
}

#[test]
fn a_collector_that_is_not_there_is_logged_once_and_harms_no_call() {
    let nobody = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let mut server = teal()
        .with("--otlp-endpoint", &format!("http://{nobody}"))
        .env("OTEL_BSP_SCHEDULE_DELAY", "50")
        .run();
    let mut client = python(Connector::V3_0_2).start(&server, "fates.py", &["follow"]);
    client.wait_for("at work", 1, WITHIN);
    let lost = server.wait_for("Traces cannot be sent to", 1, WITHIN);
    assert!(lost[0].contains(" - WARN - ") && lost[0].contains(&nobody.to_string()), "{lost:?}");
    client.close_stdin();
    client.succeed(WITHIN);
    assert!(server.end("TERM", WITHIN).success());
    assert_eq!(server.lines_with("Traces cannot be sent to").len(), 1, "{}", server.output());
}
