//! Processes of all connectors query without pause, side by side, while the server switches.

use std::time::Duration;

use crate::support::{Builder, Connector, Server, alone, python, teal};

/// One connector per generation.
pub(crate) const VERSIONS: [Connector; 3] = [Connector::V2_2_6, Connector::V2_3_15, Connector::V3_0_2];

const SWITCHED: &str = "Strategy switched from ";
const SWITCHES_WITHIN: Duration = Duration::from_secs(120);
const ENDS_WITHIN: Duration = Duration::from_secs(30);

/// How a server switches while it is loaded.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Pace {
    /// Without pause.
    Fast,
    /// With the default notice and grace.
    Slow,
}

impl Pace {
    pub(crate) fn set(self, server: Builder) -> Builder {
        match self {
            Self::Fast => server.switch_every("2s").notice("0s").grace("1s"),
            Self::Slow => server.switch_every("8s"),
        }
    }

    /// The number of switches that a load must see, so that each strategy is adopted and left.
    fn switches(self) -> usize {
        match self {
            Self::Fast => 5,
            Self::Slow => 2,
        }
    }
}

/// The number of threads; 2.2.6 does not support several.
fn threads(connector: Connector) -> &'static str {
    if connector == Connector::V2_2_6 { "1" } else { "4" }
}

/// Loads a server with one process per connector until it has switched often enough, and fails unless every client
/// succeeds.
pub(crate) fn load(clients: &[Connector], server: Builder, cutover: &str, pace: Pace) -> Server {
    let server = pace.set(server).cutover(cutover).run();
    let start = |connector: &Connector| {
        python(*connector).start(&server, "switching.py", &[threads(*connector), cutover])
    };
    let mut clients: Vec<_> = clients.iter().map(start).collect();
    server.wait_for(SWITCHED, pace.switches(), SWITCHES_WITHIN);
    for client in &mut clients {
        client.close_stdin();
    }
    for client in clients {
        eprintln!("{}", client.succeed(ENDS_WITHIN));
    }
    server
}

fn loads(cutover: &str, pace: Pace) {
    let _alone = alone();
    load(&VERSIONS, teal().with("--batch-rows", "512"), cutover, pace);
}

tests_under_load!();
