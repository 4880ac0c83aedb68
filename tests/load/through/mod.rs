//! The promises hold in front of any engine: a server of its own, one per strategy, and one of another
//! implementation.

use std::time::Duration;

use crate::support::{Connector, Server, python};

const READS_WITHIN: Duration = Duration::from_secs(240);
const SOON: Duration = Duration::from_secs(60);

/// The APIs of the connectors.
const WAYS: [(Connector, &str); 7] = [
    (Connector::V2_2_6, "sync"),
    (Connector::V2_3_15, "sync"),
    (Connector::V2_3_15, "alchemy"),
    (Connector::V3_0_2, "sync"),
    (Connector::V3_0_2, "sync-v2"),
    (Connector::V3_0_2, "async"),
    (Connector::V3_0_2, "alchemy-v2"),
];

/// The tests in front of one engine and of two, by `every_method_answers` and `loads` of the module that calls this.
macro_rules! tests_of_each_connector {
    () => {
        #[test]
        fn every_method_answers_v2_2_6() {
            every_method_answers(Connector::V2_2_6);
        }

        #[test]
        fn every_method_answers_v2_3_15() {
            every_method_answers(Connector::V2_3_15);
        }

        #[test]
        fn every_method_answers_v3_0_2() {
            every_method_answers(Connector::V3_0_2);
        }

        tests_under_load!();
    };
}

mod grpcio;
mod killed;
mod one;
mod sessions;
mod two;

/// Reads right rows through these APIs, two at a time.
fn read(server: &Server, script: &str, ways: &[(Connector, &str)]) {
    for pair in ways.chunks(2) {
        let started: Vec<_> =
            pair.iter().map(|(connector, api)| python(*connector).start(server, script, &[api])).collect();
        for reader in started {
            reader.succeed(READS_WITHIN);
        }
    }
}
