//! A server that shuts down completes calls in progress.

use std::{net::TcpStream, thread, time::Duration};

use crate::support::{Connector, Server, answer, call, python, send, teal};

const SOON: Duration = Duration::from_secs(60);

/// Less than the 10 s that a call in progress has.
const AT_ONCE: Duration = Duration::from_secs(8);

fn ends_after_calls_in_progress(signal: &str) {
    // A query that computes for 3 s on one machine is too fast or too slow on another.
    let mut server = teal().with("--fault", "method=getNextResultBatch,delay=3s").run();
    let client = python(Connector::V3_0_2).start(&server, "inflight.py", &[]);
    client.wait_for("in flight", 1, Duration::from_secs(120));
    let status = server.end(signal, SOON);
    assert_eq!(status.code(), Some(0), "{}", server.output());
    client.succeed(SOON);
    assert!(TcpStream::connect(server.address).is_err(), "something still listens");
}

#[test]
fn sigterm_lets_calls_in_progress_finish() {
    ends_after_calls_in_progress("TERM");
}

#[test]
fn sigint_lets_calls_in_progress_finish() {
    ends_after_calls_in_progress("INT");
}

#[test]
fn an_idle_server_ends_at_once() {
    for signal in ["TERM", "INT"] {
        let mut server = teal().run();
        let status = server.end(signal, AT_ONCE);
        assert_eq!(status.code(), Some(0), "{}", server.output());
    }
}

#[test]
fn an_idle_connection_does_not_hold_the_end() {
    let mut server = teal().run();
    let silent = TcpStream::connect(server.address).expect("it listens");
    let status = server.end("TERM", SOON);
    assert_eq!(status.code(), Some(0), "{}", server.output());
    drop(silent);
}

/// The status line of a probe.
fn probe(server: &Server, path: &str) -> String {
    answer(send(server.admin(), &format!("GET {path}"), "")).lines().next().unwrap_or_default().to_owned()
}

/// A call on a new connection.
fn is_served(server: &Server) -> bool {
    let metadata = [("authorization", "Bearer someone"), ("strategy", "blue")];
    call(server.address, "getSchemaNames", &metadata, Vec::new(), SOON).is_ok()
}

#[test]
fn probes_learn_of_sigterm_before_listeners_close() {
    let mut server = teal().admin().with("--shutdown-delay", "1h").run();
    assert!(probe(&server, "/readyz").contains(" 200 "));
    server.signal("TERM");
    server.wait_for("SIGTERM: not ready from now on, closing the listener in 1h", 1, SOON);
    assert!(probe(&server, "/readyz").contains(" 503 "));
    assert!(probe(&server, "/livez").contains(" 200 "));
    assert!(is_served(&server));
    // SIGINT does not wait for the delay.
    assert_eq!(server.end("INT", SOON).code(), Some(130), "{}", server.output());
    assert!(!server.output().contains("Server stopped"), "{}", server.output());
}

#[test]
fn the_listener_closes_after_the_delay() {
    let mut server = teal().with("--shutdown-delay", "300ms").run();
    assert_eq!(server.end("TERM", SOON).code(), Some(0), "{}", server.output());
    let told = ["not ready from now on", "SIGTERM: finishing calls in progress", "Server stopped"];
    let output = server.output();
    let places = told.map(|text| output.find(text));
    assert!(places.is_sorted() && places[0].is_some(), "{output}");
}

#[test]
fn sigint_does_not_wait_for_the_delay() {
    let mut server = teal().with("--shutdown-delay", "1h").run();
    assert_eq!(server.end("INT", SOON).code(), Some(0), "{}", server.output());
}

#[test]
fn a_second_sigint_cuts_calls_in_progress() {
    for first in ["INT", "TERM"] {
        let mut server = teal().with("--fault", "method=getSchemaNames,hang").run();
        let address = server.address;
        let held = thread::spawn(move || {
            let metadata = [("authorization", "Bearer someone"), ("strategy", "blue")];
            call(address, "getSchemaNames", &metadata, Vec::new(), SOON)
        });
        server.wait_for("Fault f1 hit", 1, SOON);
        server.signal(first);
        server.wait_for("finishing calls in progress", 1, SOON);
        assert_eq!(server.end("INT", SOON).code(), Some(130), "{}", server.output());
        assert!(!server.output().contains("Server stopped"), "{}", server.output());
        assert!(held.join().expect("it ends").is_err());
    }
}
