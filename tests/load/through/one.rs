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

#[test]
fn every_connector_reads_right_rows() {
    let _beside = beside();
    let engine = engine().run();
    let server = teal().upstream(engine.address).switch_every("0").run();
    read(&server, "parameters.py", &WAYS);
    read(&server, "reading.py", &WAYS);
}

#[test]
fn nothing_is_lost_under_fast_switches() {
    loads("drain", Pace::Fast);
}

#[test]
fn nothing_is_lost_under_default_times() {
    loads("drain", Pace::Slow);
}

#[test]
fn every_connector_recovers_from_strict_switches() {
    loads("strict", Pace::Fast);
}
