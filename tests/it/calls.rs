//! The history of calls, as a connector fills it: listed, followed, and verified by commands.

use std::{fs, time::Duration};

use serde_json::Value;

use crate::support::{Connector, Cutter, Server, answer, command, engine, python, send, teal};

const SOON: Duration = Duration::from_secs(60);

fn once(server: &Server) {
    python(Connector::V3_0_2).run(server, "once.py", &[]);
}

/// The calls that a command lists, one in each line.
fn listed(server: &Server, filter: &str) -> Vec<Value> {
    let said = server.operate(&["calls", "--filter", filter]).done();
    said.lines().map(|line| serde_json::from_str(line).expect("a line is JSON")).collect()
}

#[test]
fn a_connectors_calls_are_kept() {
    let engine = engine().run();
    let server = teal()
        .admin()
        .switch_every("0")
        .upstream(engine.address)
        .with("--fault", "id=slow,method=getResultMetadata,delay=1ms")
        .run();
    once(&server);
    let calls = listed(&server, "client=someone@example.com");
    let of = |method: &str| {
        let call =
            calls.iter().find(|call| call["method"].as_str().is_some_and(|name| name.starts_with(method)));
        call.unwrap_or_else(|| panic!("no {method} among {calls:#?}"))
    };
    let (login, begin, clear) = (of("authenticate"), of("prepareStatement"), of("clear"));
    assert!(begin["query"].as_str().is_some_and(|id| !id.is_empty()), "{begin:#}");
    assert_eq!(
        (&begin["query"], &begin["session"]),
        (&clear["query"], &login["session"]),
        "{begin:#} {clear:#}"
    );
    let session = begin["session"].as_str().expect("a session");
    assert!(session.starts_with('#') && session.len() == 9, "{session}");
    for call in [begin, clear] {
        assert_eq!(
            (&call["status"], &call["outcome"], &call["strategy"]),
            (&"OK".into(), &"ok".into(), &"blue".into())
        );
        assert_eq!(call["engine"], format!("http://{}", engine.address), "{call:#}");
        for size in ["request_bytes", "response_bytes", "seconds", "first_byte_seconds"] {
            assert!(call[size].as_f64() > Some(0.0), "{size}: {call:#}");
        }
        assert!(
            call["user_agent"].as_str().is_some_and(|agent| agent.starts_with("grpc-python/")),
            "{call:#}"
        );
    }
    assert_eq!(of("getResultMetadata")["fault"], "slow");
    let all = server.operate(&["calls", "--json", "--limit", "1000"]).done();
    assert!(!all.contains("S3cret"), "{all}");
}

#[test]
fn statements_since_a_cutover_are_verified() {
    let server = teal().admin().switch_every("0").with("--announce-timeout", "0").grace("0s").run();
    once(&server);
    let statement = "method=prepareStatement*,status=OK";
    let said = server.operate(&["verify", statement, "--exactly", "1"]).done();
    assert!(said.starts_with("it is so: 1 of "), "{said}");
    server.operate(&["switch"]).done();
    server.operate(&["cutover"]).done();
    let green = [statement, ",strategy=green"].concat();
    let since = ["verify", &green, "--since", "epoch:2"];
    let said = server.operate(&since).ended(1);
    assert_eq!(said.err, "teal: expected at least 1, saw 0\n");
    assert!(said.out.starts_with("0 of 0 calls match\n"), "{}", said.out);
    let waiting = command().args(&since).args(&["--within", "1m"]).to(&server.admin()).start();
    once(&server);
    waiting.succeed(SOON);
    let said = server.operate(&["verify", &green, "--at-most", "0"]).ended(1);
    assert!(said.out.contains("\nNearest:\nTIME ") && said.out.contains("prepareStatement"), "{}", said.out);
    let said = server.operate(&["verify", &green, "--at-most", "0", "--json"]).ended(1);
    let refuted: Value = serde_json::from_str(&said.out).expect("it is JSON");
    assert_eq!(refuted["seen"]["matched"], 1, "{refuted:#}");
}

#[test]
fn calls_are_followed_as_they_end() {
    let server = teal().admin().switch_every("0").run();
    let followed =
        command().args(&["calls", "--follow", "--filter", "status=ok"]).to(&server.admin()).start();
    let mut stream = send(server.admin(), "GET /api/v1/calls/stream?method=clear*&since=call:0", "");
    once(&server);
    followed.wait_for("\"method\":\"clear", 1, SOON);
    let mut seen = String::new();
    while !seen.contains("event: call\n") || !seen.contains("\"method\":\"clear") {
        assert!(
            std::io::BufRead::read_line(&mut stream, &mut seen).expect("the stream goes on") > 0,
            "{seen}"
        );
    }
}

/// Each connection is cut within a dozen calls.
#[test]
fn calls_are_followed_across_cut_connections() {
    let mut server = teal().admin().switch_every("0").run();
    let cutter = Cutter::before(server.admin(), 4_000);
    let mut followed = command().args(&["calls", "--follow"]).to(&cutter.address).start();
    for _ in 0..4 {
        once(&server);
    }
    let listed = server.operate(&["calls"]).done();
    let last = listed.lines().last().expect("a connector makes calls");
    followed.wait_for(last, 1, SOON);
    assert_eq!(followed.output(), listed.trim_end(), "each call once, in order");
    assert!(cutter.cuts() >= 2, "{} cuts", cutter.cuts());
    // What ends is not waited for.
    cutter.relent();
    server.end("TERM", SOON);
    assert_eq!(followed.wait(SOON).code(), Some(2), "{}", followed.output());
}

#[test]
fn bad_filters_are_refused() {
    let server = teal().admin().switch_every("0").run();
    let said = server.operate(&["calls", "--filter", "metod=x"]).ended(64);
    let expected =
        "expected KEY=VALUE,… with the keys method, client, strategy, query, status, outcome (found 'metod')";
    assert_eq!(said.err, format!("teal: --filter: 'metod=x': {expected}\n"));
    let said = server.operate(&["verify", "status=FINE"]).ended(1);
    assert_eq!(said.err, "teal: status: 'FINE': expected a gRPC status such as OK or 14, or none\n");
    let said = server.operate(&["calls", "--since", "epoch:9"]).ended(1);
    assert_eq!(said.err, "teal: since: 'epoch:9': expected an epoch up to 0\n");
}

#[test]
fn without_calls_nothing_is_kept() {
    let server = teal().admin().switch_every("0").with("--calls", "0").run();
    once(&server);
    let said = server.operate(&["calls"]).ended(1);
    assert_eq!(said.err, "teal: no calls are kept: --calls is 0, or --gate is off\n");
    let page = answer(send(server.admin(), "GET /api/v1/calls/stream", ""));
    assert!(page.starts_with("HTTP/1.1 404 "), "{page}");
    let file = tempfile::NamedTempFile::new().expect("a file can be made");
    fs::write(file.path(), "calls = 3\n").expect("it is writable");
    let server = teal().admin().switch_every("0").with("--config", &file.path().to_string_lossy()).run();
    once(&server);
    assert_eq!(listed(&server, "client=*").len(), 3);
}
