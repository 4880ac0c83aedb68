//! The service on the wire: its descriptors, and every method through generated stubs.

use std::{fs, path::Path};

use crate::support::{Connector, python, teal};

fn descriptors_are_equal(connector: Connector) {
    let file = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("descriptors-{connector:?}.bin"));
    fs::write(&file, protocol::DESCRIPTORS).expect("the target folder is writable");
    python(connector).run_offline("descriptors.py", &[&file.to_string_lossy()]);
}

fn every_method_answers(connector: Connector) {
    python(connector).run(&teal().switch_every("0").run(), "methods.py", &[]);
}

#[test]
fn descriptors_equal_those_of_v2_2_6() {
    descriptors_are_equal(Connector::V2_2_6);
}

#[test]
fn descriptors_equal_those_of_v2_3_15() {
    descriptors_are_equal(Connector::V2_3_15);
}

#[test]
fn descriptors_equal_those_of_v3_0_2() {
    descriptors_are_equal(Connector::V3_0_2);
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
fn every_method_answers_without_the_gate() {
    python(Connector::V3_0_2).run(&teal().with("--gate", "off").run(), "methods.py", &[]);
}
