//! A server that is asked to end lets calls in progress finish.

use std::{net::TcpStream, time::Duration};

use crate::support::{Connector, python, teal};

const SOON: Duration = Duration::from_secs(15);

fn ends_after_calls_in_progress(signal: &str) {
    let mut server = teal().run();
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
        let status = server.end(signal, Duration::from_secs(3));
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
