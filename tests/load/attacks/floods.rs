//! Row 2: frames that cost their sender next to nothing (CVE-2019-9511 to 9518, 2024-27316).

use std::{sync::Mutex, time::Duration};

use super::{
    ENHANCE_YOUR_CALM, INITIAL_WINDOW_SIZE, LONG, MIB, engines,
    flooder::{Consequences, Flood},
    refused, serve, teal_before,
    trial::Trial,
    victim::Calls,
};
use crate::support::{
    alone,
    peers::{engine, within},
    raw::{self, CONTINUATION, DATA, END_HEADERS, HEADERS, PING, Raw, SETTINGS, WINDOW_UPDATE},
};

const PRIORITY: u8 = 2;
const UNKNOWN: u8 = 0xbe;

/// Calls that stay open, as the first frames of a connection.
fn calls(number: u32) -> Vec<u8> {
    let head = raw::call("/attack/silent", &[("strategy", "blue")]);
    (0..number).flat_map(|call| raw::frame(HEADERS, END_HEADERS, 1 + 2 * call, &head)).collect()
}

/// Floods beside a victim. Each of the attacker's connections must be ended for this reason, and the victim's must
/// not.
fn ends_alone(reason: &str, flood: &Flood) {
    let _alone = alone();
    let engines = engines();
    let engine = engines.block_on(engine(serve));
    let mut trial = Trial::of(teal_before(engine.address), Calls::SMALL);
    let consequences = Mutex::<Consequences>::default();
    trial.attack(2, async |attack| flood.run(attack, &consequences).await);
    let flooded = consequences.into_inner().unwrap();
    eprintln!("{} MiB in {} connections", flooded.bytes / MIB, flooded.connections.len());
    trial.harmed_nobody();
    assert!(!flooded.sent_away.is_empty(), "no connection was ended with a GOAWAY");
    assert!(flooded.sent_away.iter().all(|code| *code == ENHANCE_YOUR_CALM), "{:?}", flooded.sent_away);
    let lines = trial.server.lines_with("ended for abuse");
    for peer in &flooded.connections[..flooded.connections.len() - 1] {
        let of_peer = lines.iter().filter(|line| line.contains(&peer.to_string())).collect::<Vec<_>>();
        assert_eq!(of_peer.len(), 1, "one line about {peer}");
        assert!(of_peer[0].contains("WARN"), "{of_peer:?}");
    }
    let count = refused(&trial.server, reason);
    assert!(count >= flooded.sent_away.len() as u64, "{count} times {reason}");
    assert!(trial.grown() < 32 * MIB, "{} bytes more", trial.grown());
}

#[test]
fn settings_floods_end_their_own_connection_alone() {
    // Each changes the window of every stream.
    let settings = |number| {
        let window = 65_535 + (number & 1);
        raw::frame(SETTINGS, 0, 0, &raw::entries(&[(INITIAL_WINDOW_SIZE, window)]))
    };
    let pause = Duration::from_millis(250);
    ends_alone(
        "settings_flood",
        &Flood { opening: calls(1000), pace: 2 * MIB, pause, ..Flood::of(settings) },
    );
}

#[test]
fn ping_floods_end_their_own_connection_alone() {
    ends_alone("ping_flood", &Flood::of(|number| raw::frame(PING, 0, 0, &u64::from(number).to_be_bytes())));
}

#[test]
fn floods_of_empty_data_end_their_connection_alone() {
    let flood = Flood { opening: calls(1), ..Flood::of(|_| raw::frame(DATA, 0, 1, &[])) };
    ends_alone("empty_data_flood", &flood);
}

#[test]
fn floods_of_priority_end_their_own_connection_alone() {
    let flood = Flood::of(|_| raw::frame(PRIORITY, 0, 1, &[0, 0, 0, 0, 1]));
    ends_alone("ignored_frame_flood", &Flood { opening: calls(1), ..flood });
}

#[test]
fn floods_of_unknown_frames_end_their_connection_alone() {
    ends_alone("ignored_frame_flood", &Flood::of(|_| raw::frame(UNKNOWN, 0, 1, &[])));
}

#[test]
fn floods_of_window_updates_end_their_connection_alone() {
    let flood = Flood::of(|number| raw::frame(WINDOW_UPDATE, 0, number & 1, &1_u32.to_be_bytes()));
    ends_alone("window_update_flood", &Flood { opening: calls(1), ..flood });
}

#[test]
fn continuation_floods_end_their_own_connection_alone() {
    let opening = raw::frame(HEADERS, 0, 1, &raw::call("/attack/silent", &[]));
    ends_alone(
        "continuation_flood",
        &Flood { opening, ..Flood::of(|_| raw::frame(CONTINUATION, 0, 1, &[])) },
    );
}

#[test]
fn too_many_settings_at_once_end_the_connection() {
    let engines = engines();
    engines.block_on(async {
        let server = teal_before(engine(serve).await.address);
        for (entries, is_refused) in [(32, false), (33, true)] {
            let mut client = Raw::connect(server.address).await;
            client.settled().await;
            client.write(SETTINGS, 0, 0, &raw::entries(&vec![(INITIAL_WINDOW_SIZE, 65_535); entries])).await;
            client.write(PING, 0, 0, b"settled?").await;
            let frame = within(client.next()).await.expect("a PING or a GOAWAY");
            assert_eq!(frame.kind == raw::GOAWAY, is_refused, "{entries}: {frame:?}");
        }
        assert_eq!(refused(&server, "settings_entries"), 1);
        server.wait_for("ended for abuse", 1, LONG);
    });
}
