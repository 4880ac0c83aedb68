//! Recorded through teal in front of an engine, then replayed without it, through switches.

use std::{fs, path::Path, time::Duration};

use crate::support::{Connector, Running, Server, beside, engine, python, teal};

type Client = (Connector, &'static str);

const CLIENTS: [Client; 7] = [
    (Connector::V2_2_6, "sync"),
    (Connector::V2_3_15, "sync"),
    (Connector::V3_0_2, "sync"),
    (Connector::V3_0_2, "async"),
    (Connector::V3_0_2, "async-v2"),
    (Connector::V3_0_2, "alchemy"),
    (Connector::V2_3_15, "alchemy"),
];
/// It cannot follow a switch: see docs/limitations.md.
const STAYS: Client = (Connector::V3_0_2, "sync-v2");

const SWITCHES: usize = 10;
const WITHIN: Duration = Duration::from_secs(240);

/// Starts clients at once, each with a file for its rows.
fn start(server: &Server, folder: &Path, clients: &[Client]) -> Vec<Running> {
    let start = |(connector, api): &Client| {
        let file = folder.join(format!("{connector:?}-{api}"));
        python(*connector).start(server, "replaying.py", &[api, file.to_str().expect("it is UTF-8")])
    };
    clients.iter().map(start).collect()
}

/// Ends clients after their round.
fn end(clients: Vec<Running>) {
    for mut client in clients {
        client.close_stdin();
        let told = client.succeed(WITHIN);
        assert!(told.contains(" rounds"), "{told}");
    }
}

#[test]
fn connectors_replay_through_ten_switches() {
    let _beside = beside();
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("calls");
    let file = file.to_str().unwrap();
    let behind = engine().run();
    let mut front = teal().upstream(behind.address).switch_every("0").with("--record", file).run();
    for client in start(&front, folder.path(), &[&CLIENTS[..], &[STAYS]].concat()) {
        client.succeed(WITHIN);
    }
    assert!(front.end("TERM", WITHIN).success());
    drop(behind);

    let server = teal().with("--replay", file).switch_every("1s").notice("0s").grace("1s").run();
    let clients = start(&server, folder.path(), &CLIENTS);
    server.wait_for("Strategy switched from", SWITCHES, WITHIN);
    end(clients);
    let still = teal().with("--replay", file).switch_every("0").run();
    end(start(&still, folder.path(), &[STAYS]));
}

#[test]
fn unrecorded_queries_go_to_the_built_in_engine() {
    let _beside = beside();
    let folder = tempfile::tempdir().unwrap();
    let schema = folder.path().join("data/default/sales");
    fs::create_dir_all(&schema).unwrap();
    fs::write(schema.join("flags.csv"), "name\nrecorded\n").unwrap();
    let file = folder.path().join("calls");
    let file = file.to_str().unwrap();
    let start = |server: &Server, (connector, api): Client, what| {
        python(connector).start(server, "unrecorded.py", &[api, what])
    };
    let clients = [CLIENTS[0], CLIENTS[2], CLIENTS[3], CLIENTS[5]];

    let data = folder.path().join("data");
    let mut engine =
        teal().with("--data", data.to_str().unwrap()).switch_every("0").with("--record", file).run();
    for client in clients {
        start(&engine, client, "record").succeed(WITHIN);
    }
    assert!(engine.end("TERM", WITHIN).success());

    // Its own tables are others.
    let server = teal().with("--replay", file).with("--replay-missing", "mock");
    let server = server.switch_every("1s").notice("0s").grace("1s").run();
    let clients: Vec<_> = clients.into_iter().map(|client| start(&server, client, "replay")).collect();
    server.wait_for("Strategy switched from", 3, WITHIN);
    end(clients);
    let refused = teal().with("--replay", file).switch_every("0").run();
    let mut client = start(&refused, CLIENTS[2], "replay");
    assert!(!client.wait(WITHIN).success());
    client.drained();
    let told = client.output();
    assert!(told.contains("not recorded:") && told.contains("the nearest recorded one is"), "{told}");
}

#[test]
fn bad_recordings_are_refused_at_the_start() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("calls");
    fs::write(&file, "SELECT 1").unwrap();
    let (status, output) = teal().with("--replay", file.to_str().unwrap()).refused();
    assert_eq!(status.code(), Some(1), "{output}");
    let expected = "at byte 0: expected a binary log of gRPC, found another format";
    assert!(output.contains("--replay (or TEAL_REPLAY)") && output.contains(expected), "{output}");
    let (status, output) = teal().with("--replay", "x").with("--upstream", "127.0.0.1:1").refused();
    assert_eq!(status.code(), Some(64), "{output}");
}
