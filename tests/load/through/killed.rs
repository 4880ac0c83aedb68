//! Killed engines and cancelled calls leave nothing behind.

use super::SOON;
use crate::support::{Connector, Place, Recorder, alone, beside, engine, python, teal};

/// The most that memory may grow, in bytes.
const MOST: usize = 20 << 20;
/// The most additional connections to an engine while resets are paced on the others.
const CONNECTIONS: usize = 8;

#[test]
fn engines_killed_mid_result_are_found_again() {
    let _beside = beside();
    let start = |at: &str| engine().listen(at).with("--batch-rows", "256").run();
    let place = Place::new();
    let first = start(&place.text());
    let server = teal().upstream(first.address).switch_every("0").run();
    let mut client = python(Connector::V3_0_2).start(&server, "killed.py", &[]);
    client.wait_for("reading", 1, SOON * 2);
    // With SIGKILL.
    drop(first);
    client.wait_for("refused", 1, SOON * 2);
    let _again = start(&place.text());
    client.write_line("it is there again");
    client.succeed(SOON * 2);
}

#[test]
fn ten_thousand_cancelled_calls_leave_nothing() {
    let _alone = alone();
    let engine = engine().run();
    let recorder = Recorder::before(engine.address);
    let server = teal().upstream(recorder.address).switch_every("0").run();
    let mut client = python(Connector::V3_0_2).start(&server, "cancelled.py", &[]);
    let mut held = Vec::new();
    for said in ["warm", "done"] {
        client.wait_for(said, 1, SOON * 3);
        recorder.wait_for_silence(SOON);
        held.push((server.resident(), server.open_files()));
        client.write_line("go on");
    }
    client.succeed(SOON);
    eprintln!("bytes and open files after 1000 calls, and after all: {held:?}");
    let [(resident, files), (resident_after, files_after)] = held[..] else { unreachable!("two words") };
    assert!(resident_after.saturating_sub(resident) < MOST, "{held:?}");
    // This many cancelled calls are spread over more connections to the engine.
    assert!(files_after <= files + CONNECTIONS, "{held:?}");
}
