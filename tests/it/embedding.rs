//! The service of `examples/embed/` behind teal's gate, with a client of grpcio that knows neither.

use std::time::Duration;

use serde_json::Value;

use crate::{
    readme::pages::page,
    support::{
        Running, Server,
        example::{orders, orders_with},
        packages,
    },
};

const SOON: Duration = Duration::from_secs(60);

/// A client that does as it is told.
struct Client {
    running: Running,
    calls: usize,
}

fn client(server: &Server) -> Client {
    let running = packages("grpc").start(server, "embedding.py", &[]);
    running.wait_for("ready", 1, SOON);
    Client { running, calls: 0 }
}

impl Client {
    /// The outcome of a call under a strategy; `-` is none.
    fn call(&mut self, method: &str, strategy: &str) -> String {
        self.calls += 1;
        let number = self.calls;
        self.running.write_line(&format!("{number} {method} {strategy}"));
        let words = format!("{number}: ");
        let line = self.running.wait_for(&words, 1, SOON).remove(0);
        line.split_once(&words).expect("it waited for that").1.to_owned()
    }

    /// Opens a stream, and returns its number and what its head says.
    fn watch(&mut self, strategy: &str) -> (usize, String) {
        let said = self.call("Watch", strategy);
        (self.calls, said)
    }
}

/// The lines of the metrics of calls.
fn requests(server: &Server) -> Vec<String> {
    let metrics = server.get("/metrics");
    metrics.lines().filter(|line| line.starts_with("teal_requests_total{")).map(str::to_owned).collect()
}

#[test]
fn foreign_service_follows_a_switch() {
    let mut server = orders();
    let mut client = client(&server);

    // STABLE(blue)
    assert_eq!(client.call("Place", "blue"), "ok number=1 title=Emma");
    assert_eq!(client.call("Place", "-"), "ok number=2 title=Emma");
    let rejected = |expected, received| {
        format!("UNKNOWN 'status: 456' expected-strategy={expected} received-strategy={received}")
    };
    for method in ["Place", "Count", "Watch"] {
        assert_eq!(client.call(method, "green"), rejected("blue", "green"), "{method}");
        assert_eq!(client.call(method, "purple"), rejected("blue", "purple"), "{method}");
    }
    let (old, head) = client.watch("blue");
    assert_eq!(head, "opened new-strategy=-");

    // ANNOUNCED(blue -> green): the notice is in messages with the field, and in the metadata of all.
    server.operate(&["switch", "green"]).done();
    assert_eq!(
        client.call("Place", "blue"),
        "ok number=3 title=Emma new_strategy=green new-strategy=green",
        "nothing of it came from the service"
    );
    assert_eq!(client.call("Count", "blue"), "ok orders=3 new-strategy=green");
    let (told, head) = client.watch("blue");
    assert_eq!(head, "opened new-strategy=green");
    client.running.wait_for(&format!("{old} got number=3 title=Emma"), 1, SOON);

    // It follows: its first success under green is an adoption, which cuts over once the notice is old enough.
    assert_eq!(client.call("Place", "green"), "ok number=4 title=Emma");
    server.wait_for("Strategy switched from blue to green", 1, SOON);
    for method in ["Place", "Count", "Watch"] {
        assert_eq!(client.call(method, "blue"), rejected("green", "blue"), "{method}");
    }

    // Streams of blue hold the drain, and miss nothing.
    assert_eq!(client.call("Place", "green"), "ok number=5 title=Emma");
    for stream in [old, told] {
        client.running.wait_for(&format!("{stream} got number=5 title=Emma"), 1, SOON);
    }
    assert!(server.operate(&["status"]).done().contains("DRAINING"));
    for stream in [old, told] {
        assert_eq!(client.call("cancel", &stream.to_string()), "cancelled True");
        client.running.wait_for(&format!("{stream} over CANCELLED"), 1, SOON);
    }
    server.wait_for("Drained: no query left on blue", 1, SOON);

    let status = server.operate(&["status"]).done();
    assert!(status.contains("STABLE") && status.contains("green"), "{status}");
    assert_eq!(client.call("Place", "-"), "ok number=6 title=Emma");
    drop(client);
    assert!(server.end("INT", SOON).success(), "{}", server.output());
}

#[test]
fn health_and_reflection_need_no_strategy() {
    let server = orders();
    let mut client = client(&server);
    let (stream, _) = client.watch("blue");
    server.operate(&["switch"]).done();
    // They get no notice in their messages. Their heads carry it.
    assert_eq!(client.call("Check", "-"), "ok status=1 new-strategy=green");
    assert_eq!(client.call("Reflect", "-"), "ok files=1");
    server.operate(&["cutover"]).done();
    for method in ["Check", "Reflect"] {
        assert!(client.call(method, "-").starts_with("ok "), "{method}");
        assert!(client.call(method, "blue").starts_with("ok "), "{method}: the stream holds the drain");
        assert!(client.call(method, "purple").contains("'status: 456'"), "{method}");
    }
    client.call("cancel", &stream.to_string());
    server.wait_for("Drained: no query left on blue", 1, SOON);
    for method in ["Check", "Reflect"] {
        assert!(client.call(method, "-").starts_with("ok "), "{method}");
        assert!(client.call(method, "blue").contains("'status: 456'"), "{method}: it names a strategy");
    }
}

#[test]
fn operators_see_the_foreign_service() {
    let server = orders();
    let mut client = client(&server);
    client.call("Place", "blue");
    client.call("Place", "green");
    assert!(client.call("Count", "blue").starts_with("ok "));
    let (stream, _) = client.watch("blue");
    client.call("cancel", &stream.to_string());
    client.running.wait_for(&format!("{stream} over CANCELLED"), 1, SOON);

    assert!(server.get("/").contains("<html"), "the dashboard");
    server.get("/readyz");
    let requests = requests(&server);
    for expected in [
        r#"method="library.Orders/Place",strategy="blue",outcome="ok",grpc_status="OK"} 1"#,
        r#"method="library.Orders/Place",strategy="green",outcome="rejected",grpc_status="UNKNOWN"} 1"#,
        r#"method="library.Orders/Count",strategy="blue",outcome="ok",grpc_status="OK"} 1"#,
    ] {
        assert!(requests.iter().any(|line| line.ends_with(expected)), "{expected} is not in {requests:#?}");
    }
    let clients: Value = serde_json::from_str(&server.get("/api/v1/clients")).expect("JSON");
    let known = &clients["clients"][0];
    assert!(known["user_agent"].as_str().expect("it has one").starts_with("grpc-python"), "{clients}");
    assert_eq!(known["peer"], "127.0.0.1");

    let to = ["--match", "method=/library.Orders/Count", "--status", "UNAVAILABLE"];
    server.operate(&[&["fault", "add"][..], &to].concat()).done();
    assert!(client.call("Count", "blue").starts_with("UNAVAILABLE"), "a fault hits it");
    server.operate(&["switch"]).done();
    let events = server.get("/api/v1/events");
    assert!(events.contains(r#""kind":"announced""#), "{events}");
}

/// Whatever the page shows of the example is in it, or in the docs of the crates, which are compiled.
#[test]
fn the_page_shows_the_example() {
    let sources =
        ["examples/embed/src/main.rs", "examples/embed/src/on_tonic.rs", "crates/proxy/src/gate/request.rs"];
    let sources: String = sources.map(|source| page(source).text).concat();
    let known: Vec<&str> =
        sources.lines().map(|line| line.trim().trim_start_matches("/// ").trim()).collect();
    let blocks = page("docs/embedding.md").blocks();
    let shown: Vec<&str> =
        blocks.iter().filter(|block| block.language == "rust").flat_map(|block| block.text.lines()).collect();
    assert!(shown.len() > 8, "{shown:?}");
    for line in shown {
        assert!(known.contains(&line.trim()), "{line:?} is not in the example");
    }
}

#[test]
fn the_example_names_bad_flags() {
    let output = orders_with(&["--listen", "everywhere"]).output().expect("it starts");
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{said}");
    assert!(said.contains("'everywhere' for '--listen <ADDR>'"), "{said}");
}

/// The layer is for programs without the built-in engine: nothing of DataFusion may come with it.
#[test]
fn the_example_builds_without_the_engine() {
    let mut cargo = std::process::Command::new(env!("CARGO"));
    cargo.args(["tree", "--offline", "--locked", "--package", "orders", "--edges", "normal,build"]);
    cargo.args(["--prefix", "none", "--features", "tonic-server"]).current_dir(env!("CARGO_MANIFEST_DIR"));
    let output = cargo.output().expect("cargo starts");
    let tree = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && tree.contains("teal-proxy v"), "{output:?}");
    for large in ["datafusion", "arrow", "parquet", "teal-sql", "teal-mock"] {
        assert!(!tree.lines().any(|line| line.starts_with(large)), "{large} is among\n{tree}");
    }
}
