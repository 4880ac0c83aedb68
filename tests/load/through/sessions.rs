//! Between engines that do not accept each other's sessions some clients fail. `own_sessions.py` has the details.
//! Engines that accept them show that the sessions are the reason.

use crate::support::{Connector, beside, engine, python, teal};

fn fares(connector: Connector, api: &str) {
    let _beside = beside();
    for sessions in ["known", "any"] {
        let [blue, green] = [(); 2].map(|()| engine().with("--sessions", sessions).run());
        let server = teal()
            .between(blue.address, green.address)
            .admin()
            .switch_every("0")
            .notice("0s")
            .with("--announce-timeout", "0")
            // The drain must not end before all clients have called.
            .grace("1h")
            .with("--drain-timeout", "0")
            .run();
        let admin = server.admin().to_string();
        python(connector).run(&server, "own_sessions.py", &[&admin, api, sessions]);
    }
}

#[test]
fn v2_2_6_is_denied_other_calls() {
    fares(Connector::V2_2_6, "sync");
}

#[test]
fn v2_3_15_is_denied_other_calls() {
    fares(Connector::V2_3_15, "sync");
}

#[test]
fn v3_0_2_is_denied_other_calls() {
    fares(Connector::V3_0_2, "sync");
}

#[test]
fn v3_0_2_needs_no_session_with_token() {
    fares(Connector::V3_0_2, "sync-token");
}

#[test]
fn v3_0_2_does_not_recover_through_asyncio() {
    fares(Connector::V3_0_2, "async");
}
