//! In front of one engine, which serves both strategies.

use super::{WAYS, read};
use crate::{
    support::{Connector, alone, beside, engine, python, teal},
    switching::{Pace, VERSIONS, load},
};

fn every_method_answers(connector: Connector) {
    let _beside = beside();
    let engine = engine().run();
    let server = teal().upstream(engine.address).switch_every("0").run();
    python(connector).run(&server, "methods.py", &[]);
}

/// The three connectors side by side.
fn loads(cutover: &str, pace: Pace) {
    let _alone = alone();
    let engine = engine().with("--batch-rows", "512").run();
    load(&VERSIONS, teal().upstream(engine.address), cutover, pace);
}

tests_of_each_connector!();

#[test]
fn every_connector_reads_right_rows() {
    let _beside = beside();
    let engine = engine().run();
    let server = teal().upstream(engine.address).switch_every("0").run();
    read(&server, "parameters.py", &WAYS);
    read(&server, "reading.py", &WAYS);
}
