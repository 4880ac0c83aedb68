//! The response to a rejected request, seen by a client that shows frames: Node's.

use std::{path::Path, process::Command, time::Duration};

use crate::support::{Running, has, teal};

fn is_said_as(mismatch: &str) {
    if !has("node", "nodejs") {
        return;
    }
    let server = teal().with("--mismatch", mismatch).run();
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/node/rejected.mjs");
    let mut node = Command::new("node");
    node.arg(script).arg(server.address.to_string()).arg(mismatch);
    Running::start("rejected.mjs", &mut node).succeed(Duration::from_secs(20));
}

#[test]
fn a_rejection_is_said_in_both_dialects() {
    is_said_as("both");
}

#[test]
fn a_rejection_is_said_as_an_edge_would() {
    is_said_as("http");
}

#[test]
fn a_rejection_is_said_in_grpc_alone() {
    is_said_as("grpc");
}
