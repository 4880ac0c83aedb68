//! Verdicts on real connectors, and the export of traces.

use std::{
    fs,
    ops::Deref,
    path::Path,
    time::{Duration, Instant},
};

use serde_json::Value;

use crate::support::{Builder, Connector, Place, Running, Server, python, teal};

/// Long enough for a busy machine.
const WITHIN: Duration = Duration::from_secs(120);

/// A switch before an engine, moved by operators only.
struct Watched {
    proxy: Server,
    _engine: Server,
}

impl Deref for Watched {
    type Target = Server;

    fn deref(&self) -> &Server {
        &self.proxy
    }
}

fn watched(set: impl FnOnce(Builder) -> Builder) -> Watched {
    let engine = teal().with("--gate", "off").run();
    let proxy = teal().admin().switch_every("0").with("--announce-timeout", "0");
    let proxy = set(proxy.with("--upstream", &format!("http://{}", engine.address))).run();
    Watched { proxy, _engine: engine }
}

impl Watched {
    fn json(&self, path: &str) -> Value {
        serde_json::from_str(&self.get(path)).expect("JSON")
    }

    /// Starts a client with this fate, and waits until it works.
    fn client(&self, fate: &str) -> Running {
        let client = python(Connector::V3_0_2).start(self, "fates.py", &[fate]);
        client.wait_for("at work", 1, WITHIN);
        client
    }

    /// The client with this fate, from the API.
    fn known(&self, fate: &str) -> Value {
        let clients = self.json("/api/v1/clients");
        let user = format!("{fate}@example.com");
        let client =
            clients["clients"].as_array().expect("a list").iter().find(|client| client["user"] == user);
        client.unwrap_or_else(|| panic!("no {user} among {clients}")).clone()
    }

    /// Waits for the verdict on a client.
    fn verdict(&self, fate: &str, verdict: &str) -> Value {
        self.seen(fate, |client| client["verdict"] == verdict)
    }

    /// Waits until a client satisfies a condition.
    fn seen(&self, fate: &str, is: impl Fn(&Value) -> bool) -> Value {
        let deadline = Instant::now() + WITHIN;
        loop {
            let client = self.known(fate);
            if is(&client) {
                return client;
            }
            assert!(Instant::now() < deadline, "{client:#}");
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

#[test]
fn every_client_gets_its_verdict() {
    let proxy = watched(|proxy| proxy.grace("500ms").with("--drain-timeout", "4s"));
    let mut vanishing = proxy.client("vanish");
    vanishing.close_stdin();
    vanishing.succeed(WITHIN);
    let following = proxy.client("follow");
    let frozen = proxy.client("freeze");
    python(Connector::V3_0_2).run(&proxy, "fates.py", &["stray"]);

    proxy.operate(&["switch"]).done();
    frozen.wait_for("refused", 1, WITHIN);

    let client = proxy.verdict("vanish", "lost_work");
    assert_eq!(client["reason"], "1 query was left when the drain of blue timed out", "{client:#}");
    assert_eq!(client["queries"]["abandoned"], 1, "{client:#}");
    assert_eq!((&client["told"], &client["strategy"]), (&Value::Null, &"blue".into()), "{client:#}");

    let client = proxy.verdict("freeze", "lost_work");
    assert_eq!(client["came_back"], false, "{client:#}");
    let reason = client["reason"].as_str().unwrap();
    let is_refused = reason.contains("456 to prepareStatementV2");
    assert!(is_refused && reason.ends_with("has not used green after it"), "{client:#}");
    assert!(client["rejected"].as_u64() > Some(0), "{client:#}");
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
    // Credentials are never shown.
    let all = proxy.get("/api/v1/clients");
    assert!(!all.contains("S3cret"), "{all}");

    let lost = proxy.json("/api/v1/clients?verdict=lost_work&limit=1");
    let counted = lost["by_verdict"].as_object().unwrap();
    let number = |verdict: &str| counted.get(verdict).and_then(Value::as_u64).unwrap_or_default();
    assert!(number("followed") == 1 && number("lost_work") >= 2, "{lost:#}");
    assert_eq!(counted.keys().map(|verdict| number(verdict)).sum::<u64>(), lost["total"], "{lost:#}");
    let listed = lost["clients"].as_array().unwrap();
    assert!(listed.len() == 1 && listed[0]["verdict"] == "lost_work", "{lost:#}");

    let table = proxy.operate(&["clients"]).done();
    let columns = ["USER AGENT", "USER", "PEER", "STRATEGY", "VERDICT", "REASON"];
    let head = table.lines().next().unwrap_or_default();
    assert!(columns.iter().all(|column| head.contains(column)), "{table}");
    for row in [["vanish@", " blue ", " lost_work "], ["follow@", " green ", " followed "]] {
        assert!(table.lines().any(|line| row.iter().all(|cell| line.contains(cell))), "{row:?}\n{table}");
    }

    let series = proxy.json("/api/v1/series");
    let points = series["points"].as_array().unwrap();
    let sum = |what: &str, of: &str| points.iter().map(|it| it[what][of].as_u64().unwrap()).sum::<u64>();
    assert!(sum("requests", "blue") > 0 && sum("requests", "green") > 0, "{series}");
    assert!(points.iter().map(|point| point["rejected"].as_u64().unwrap()).sum::<u64>() > 0, "{series}");
    assert!(sum("queries", "blue") > 0, "the query that nobody ended was in flight: {series}");

    let folder = tempfile::tempdir().unwrap();
    let exposition = folder.path().join("metrics");
    fs::write(&exposition, proxy.get("/metrics")).unwrap();
    let dashboard = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/grafana/teal.json");
    let files = [exposition, dashboard].map(|path| path.into_os_string().into_string().unwrap());
    python(Connector::V3_0_2).run_offline("exposition.py", &files.each_ref().map(String::as_str));
}

#[test]
fn clients_back_after_a_456_have_recovered() {
    let proxy = watched(|proxy| proxy.cutover("strict").notice("0s"));
    let mut client = proxy.client("recover");
    let deadline = Instant::now() + WITHIN;
    // A client may hear of it in time, between two queries: then the next switch is the one.
    let known = loop {
        let before = proxy.known("recover")["verdicts"][0]["switch"].clone();
        proxy.operate(&["switch"]).done();
        // Where nothing holds it, it has cut over by itself.
        _ = proxy.operate(&["cutover"]);
        let settled = loop {
            let known = proxy.known("recover");
            let is_judged =
                ["followed", "recovered", "late"].iter().any(|verdict| known["verdict"] == *verdict);
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
    let script = python(Connector::V3_0_2).start_offline("traces.py", &[kind]);
    let said = script.wait_for("collector ", 1, WITHIN);
    let words: Vec<&str> = said[0].split(' ').collect();
    let address = |at: usize| format!("http://127.0.0.1:{}", words[at]);
    let addresses = [address(1), address(3)];
    (script, addresses)
}

#[test]
fn calls_are_spans_in_their_clients_traces() {
    let (mut script, [collector, engine]) = collector("traced");
    let server = teal()
        .with("--upstream", &engine)
        .with("--otlp-endpoint", &collector)
        .env("OTEL_BSP_SCHEDULE_DELAY", "100")
        .run();
    script.write_line(&server.address.to_string());
    script.succeed(WITHIN);
}

#[test]
fn without_an_endpoint_metadata_passes_as_it_is() {
    let (mut script, [_, engine]) = collector("untraced");
    let server = teal().with("--upstream", &engine).run();
    script.write_line(&server.address.to_string());
    script.succeed(WITHIN);
}

#[test]
fn absent_collectors_are_logged_once_and_harmless() {
    let place = Place::new();
    let nobody = place.address;
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

#[test]
fn without_a_gate_there_are_metrics_still() {
    let place = Place::new();
    let nobody = place.address;
    let server = teal().admin().with("--gate", "off").with("--upstream", &format!("http://{nobody}")).run();
    let failed = format!("teal_upstream_errors_total{{upstream=\"http://{nobody}\",kind=\"connect\"}} ");
    let deadline = Instant::now() + WITHIN;
    let metrics = loop {
        let metrics = server.get("/metrics");
        let count = metrics.lines().find_map(|line| line.strip_prefix(&failed));
        if count.is_some_and(|count| count != "0") {
            break metrics;
        }
        assert!(Instant::now() < deadline, "{metrics}");
        std::thread::sleep(Duration::from_millis(20));
    };
    assert!(metrics.lines().any(|line| line.starts_with("process_resident_memory_bytes ")), "{metrics}");
    assert!(
        metrics.contains(&format!("teal_upstream_connections{{upstream=\"http://{nobody}\"}} 0\n")),
        "{metrics}"
    );
    assert_eq!(server.get("/api/v1/clients"), r#"{"clients":[],"total":0,"by_verdict":{}}"#);
}
