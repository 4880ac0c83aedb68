//! The connectors' own limits are as `docs/clients.md` describes; a version without them fails this test.

use crate::support::{Connector, python, teal};

fn are_as_documented(connector: Connector) {
    python(connector).run(&teal().switch_every("0").run(), "limits.py", &[]);
}

#[test]
fn limits_of_v2_2_6_are_as_documented() {
    are_as_documented(Connector::V2_2_6);
}

#[test]
fn limits_of_v2_3_15_are_as_documented() {
    are_as_documented(Connector::V2_3_15);
}

#[test]
fn limits_of_v3_0_2_are_as_documented() {
    are_as_documented(Connector::V3_0_2);
}
