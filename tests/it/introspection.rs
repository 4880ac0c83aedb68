//! Introspection tools: health and reflection on the port of the clients.

use std::time::Duration;

use crate::support::{packages, teal};

const SOON: Duration = Duration::from_secs(60);

#[test]
fn tools_find_and_call_the_services() {
    packages("grpc").run(&teal().run(), "introspection.py", &[]);
}

#[test]
fn tools_find_them_without_a_gate() {
    packages("grpc").run(&teal().with("--gate", "off").run(), "introspection.py", &[]);
}

#[test]
fn tools_are_answered_by_the_upstream_engine() {
    let engine = teal().with("--gate", "off").run();
    let server = teal().with("--upstream", &format!("http://{}", engine.address)).run();
    packages("grpc").run(&server, "introspection.py", &[]);
}

#[test]
fn who_watches_does_not_hold_the_end() {
    let mut server = teal().run();
    let watching = packages("grpc").start(&server, "watching.py", &[]);
    watching.wait_for("watching", 1, Duration::from_secs(120));
    assert_eq!(server.end("TERM", SOON).code(), Some(0), "{}", server.output());
    watching.succeed(SOON);
}
