//! Two processes of each connector query without pause while the server switches.

use std::time::Duration;

use crate::support::{Connector, Server, alone, python, teal};

const SWITCHED: &str = "Strategy switched from ";
const FAST_SWITCHES: usize = 8;
const SLOW_SWITCHES: usize = 5;
const ENDS_WITHIN: Duration = Duration::from_secs(30);

/// 2.2.6 breaks by itself under threads.
fn threads(connector: Connector) -> &'static str {
    if connector == Connector::V2_2_6 { "1" } else { "4" }
}

/// Loads the server by a process of each of these connectors until it has switched so many times, and fails unless the
/// clients find all well.
pub(crate) fn load(clients: &[Connector], server: &Server, cutover: &str, switches: usize, within: Duration) {
    let start = |connector: &Connector| {
        python(*connector).start(server, "switching.py", &[threads(*connector), cutover])
    };
    let mut clients: Vec<_> = clients.iter().map(start).collect();
    server.wait_for(SWITCHED, switches, within);
    for client in &mut clients {
        client.close_stdin();
    }
    for client in clients {
        eprintln!("{}", client.succeed(ENDS_WITHIN));
    }
}

fn loses_nothing_under_fast_switches(connector: Connector) {
    let _alone = alone();
    let server = teal().switch_every("2s").notice("0s").grace("1s").with("--batch-rows", "512").run();
    load(&[connector; 2], &server, "drain", FAST_SWITCHES, Duration::from_secs(60));
}

fn loses_nothing_under_default_notice_and_grace(connector: Connector) {
    let _alone = alone();
    let server = teal().switch_every("8s").with("--batch-rows", "512").run();
    load(&[connector; 2], &server, "drain", SLOW_SWITCHES, Duration::from_secs(120));
}

fn recovers_from_strict_switches(connector: Connector) {
    let _alone = alone();
    let server = teal().switch_every("2s").notice("0s").grace("1s").cutover("strict").run();
    load(&[connector; 2], &server, "strict", FAST_SWITCHES, Duration::from_secs(60));
}

#[test]
fn v2_2_6_loses_nothing_under_fast_switches() {
    loses_nothing_under_fast_switches(Connector::V2_2_6);
}

#[test]
fn v2_3_15_loses_nothing_under_fast_switches() {
    loses_nothing_under_fast_switches(Connector::V2_3_15);
}

#[test]
fn v3_0_2_loses_nothing_under_fast_switches() {
    loses_nothing_under_fast_switches(Connector::V3_0_2);
}

#[test]
fn v2_2_6_loses_nothing_under_default_times() {
    loses_nothing_under_default_notice_and_grace(Connector::V2_2_6);
}

#[test]
fn v2_3_15_loses_nothing_under_default_times() {
    loses_nothing_under_default_notice_and_grace(Connector::V2_3_15);
}

#[test]
fn v3_0_2_loses_nothing_under_default_times() {
    loses_nothing_under_default_notice_and_grace(Connector::V3_0_2);
}

#[test]
fn v2_2_6_recovers_from_strict_switches() {
    recovers_from_strict_switches(Connector::V2_2_6);
}

#[test]
fn v2_3_15_recovers_from_strict_switches() {
    recovers_from_strict_switches(Connector::V2_3_15);
}

#[test]
fn v3_0_2_recovers_from_strict_switches() {
    recovers_from_strict_switches(Connector::V3_0_2);
}
