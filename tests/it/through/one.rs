//! In front of one engine, which serves both strategies.

use super::{SWITCHES, SWITCHES_WITHIN, fast};
use crate::{
    support::{Connector, alone, engine, python, teal},
    switching::load,
};

fn every_method_answers(connector: Connector) {
    let engine = engine().run();
    let server = teal().upstream(engine.address).switch_every("0").run();
    python(connector).run(&server, "methods.py", &[]);
}

fn reads(connector: Connector, api: &str) {
    let _alone = alone();
    let engine = engine().run();
    let server = teal().upstream(engine.address).switch_every("0").run();
    python(connector).run(&server, "parameters.py", &[api]);
    python(connector).run(&server, "reading.py", &[api]);
}

fn loads(connector: Connector, cutover: &str) {
    let _alone = alone();
    let engine = engine().with("--batch-rows", "512").run();
    let server = fast(teal().upstream(engine.address)).cutover(cutover).run();
    load(connector, &server, cutover, SWITCHES, SWITCHES_WITHIN);
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
fn v2_2_6_reads_right_rows() {
    reads(Connector::V2_2_6, "sync");
}

#[test]
fn v2_3_15_reads_right_rows() {
    reads(Connector::V2_3_15, "sync");
}

#[test]
fn v3_0_2_reads_right_rows() {
    reads(Connector::V3_0_2, "sync");
}

#[test]
fn v3_0_2_reads_right_rows_in_envelopes() {
    reads(Connector::V3_0_2, "sync-v2");
}

#[test]
fn v2_2_6_loses_nothing() {
    loads(Connector::V2_2_6, "drain");
}

#[test]
fn v2_3_15_loses_nothing() {
    loads(Connector::V2_3_15, "drain");
}

#[test]
fn v3_0_2_loses_nothing() {
    loads(Connector::V3_0_2, "drain");
}

#[test]
fn v3_0_2_recovers_from_strict_switches() {
    loads(Connector::V3_0_2, "strict");
}
