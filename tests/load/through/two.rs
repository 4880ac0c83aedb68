//! In front of two engines that accept each other's sessions: each sees only the calls of its strategy.

use super::{SOON, read};
use crate::{
    support::{Builder, Connector, Recorder, Server, alone, beside, engine, python, teal},
    switching::{Pace, VERSIONS, load},
};

/// Two engines, with a recorder before each.
struct Twins {
    _engines: [Server; 2],
    blue: Recorder,
    green: Recorder,
}

impl Twins {
    fn start(settings: fn(Builder) -> Builder) -> Self {
        let engines = [(); 2].map(|()| settings(engine()).run());
        let [blue, green] = engines.each_ref().map(|engine| Recorder::before(engine.address));
        Self { _engines: engines, blue, green }
    }

    /// A teal in front of them.
    fn server(&self) -> Builder {
        teal().between(self.blue.address, self.green.address)
    }

    /// Fails unless both engines were called, and each only by its own strategy.
    fn saw_their_own(&self) {
        for (recorder, strategy) in [(&self.blue, "blue"), (&self.green, "green")] {
            let calls = recorder.calls();
            assert!(calls.iter().any(|call| call.strategy.as_deref() == Some(strategy)), "{calls:?}");
            let strays = recorder.strays(strategy);
            assert!(strays.is_empty(), "{} of {} calls: {strays:?}", strays.len(), calls.len());
        }
    }
}

fn every_method_answers(connector: Connector) {
    let _beside = beside();
    let twins = Twins::start(|engine| engine);
    let server = twins.server().switch_every("0").run();
    python(connector).run(&server, "methods.py", &[]);
    assert!(twins.blue.calls().len() > 100);
    assert!(twins.green.calls().is_empty(), "{:?}", twins.green.calls());
}

/// The three connectors side by side.
fn loads(cutover: &str, pace: Pace) {
    let _alone = alone();
    let twins = Twins::start(|engine| engine.with("--sessions", "any").with("--batch-rows", "512"));
    load(&VERSIONS, twins.server(), cutover, pace);
    twins.saw_their_own();
}

tests_of_each_connector!();

#[test]
fn every_connector_reads_right_rows_through_switches() {
    let _alone = alone();
    let twins = Twins::start(|engine| engine.with("--sessions", "any"));
    let server = Pace::Fast.set(twins.server()).run();
    // Not all other APIs can follow a switch.
    read(&server, "reading.py", &VERSIONS.map(|version| (version, "sync")));
    // At the latest when the announcement times out.
    server.wait_for("Strategy switched from ", 1, SOON * 2);
    twins.saw_their_own();
}
