//! What holds of the built-in engine holds in front of any other: a server of its own, one per strategy,
//! and one of another implementation.

mod grpcio;
mod killed;
mod one;
mod sessions;
mod two;

use std::time::Duration;

use crate::support::{Connector, Server, python};

const READS_WITHIN: Duration = Duration::from_secs(240);
const SOON: Duration = Duration::from_secs(60);

/// The ways in that the connectors have.
const WAYS: [(Connector, &str); 7] = [
    (Connector::V2_2_6, "sync"),
    (Connector::V2_3_15, "sync"),
    (Connector::V2_3_15, "alchemy"),
    (Connector::V3_0_2, "sync"),
    (Connector::V3_0_2, "sync-v2"),
    (Connector::V3_0_2, "async"),
    (Connector::V3_0_2, "alchemy-v2"),
];

/// Right rows are read through these ways in, two at a time.
fn read(server: &Server, script: &str, ways: &[(Connector, &str)]) {
    for pair in ways.chunks(2) {
        let started: Vec<_> =
            pair.iter().map(|(connector, api)| python(*connector).start(server, script, &[api])).collect();
        for reader in started {
            reader.succeed(READS_WITHIN);
        }
    }
}
