//! In front of engines of another implementation, with another HTTP/2 stack.

use std::{collections::BTreeSet, net::SocketAddr};

use super::SOON;
use crate::{
    support::{Connector, Recorder, Running, alone, beside, python, teal},
    switching::{Pace, load},
};

/// The engine of `tests/python`.
struct Grpcio {
    _running: Running,
    address: SocketAddr,
}

impl Grpcio {
    fn start(args: &[&str]) -> Self {
        let running = python(Connector::V3_0_2).start_offline("engine.py", args);
        let line = running.wait_for("listens on ", 1, SOON).remove(0);
        let port = line.trim_start_matches("listens on ").parse::<u16>().expect("a port");
        Self { _running: running, address: SocketAddr::from(([127, 0, 0, 1], port)) }
    }
}

/// Blue's and green's, which know each other's sessions.
fn engines(args: &[&str]) -> [Grpcio; 2] {
    ["blue", "green"].map(|name| Grpcio::start(&[&[name], args].concat()))
}

/// Queries are tracked through a switch by the engines' messages, plain or compressed.
fn are_followed(args: &[&str]) {
    let _beside = beside();
    let engines = engines(args);
    let [blue, green] = engines.each_ref().map(|engine| Recorder::before(engine.address));
    let server = teal()
        .between(blue.address, green.address)
        .admin()
        .switch_every("0")
        .with("--announce-timeout", "0")
        .with("--drain-timeout", "0")
        .run();
    let admin = server.admin().to_string();
    python(Connector::V3_0_2).run(&server, "tracking.py", &[&[admin.as_str()], args].concat());
    for method in ["prepareStatementV2", "createDataFrame"] {
        let calls = blue.calls().into_iter().filter(|call| call.method == method);
        let compressed: BTreeSet<bool> = calls.map(|call| call.is_compressed).collect();
        assert_eq!(compressed, BTreeSet::from([args.contains(&"gzip")]), "{method}");
    }
}

fn loses_nothing(connector: Connector, args: &[&str]) {
    let _alone = alone();
    let [blue, green] = engines(args);
    load(&[connector; 2], teal().between(blue.address, green.address), "drain", Pace::Fast);
}

#[test]
fn queries_are_followed() {
    are_followed(&[]);
}

#[test]
fn queries_are_followed_where_messages_are_compressed() {
    are_followed(&["gzip"]);
}

#[test]
fn v2_3_15_loses_nothing() {
    loses_nothing(Connector::V2_3_15, &[]);
}

#[test]
fn v3_0_2_loses_nothing_with_compression() {
    loses_nothing(Connector::V3_0_2, &["gzip"]);
}
