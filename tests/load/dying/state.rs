//! teal is killed, and its successor continues from the file of `--state`.

use std::{fs, path::Path};

use tempfile::TempDir;

use super::*;

fn between(engines: &[Server; 2], file: &Path, listen: &str) -> Server {
    teal()
        .admin()
        .listen(listen)
        .between(engines[BLUE].address, engines[GREEN].address)
        .switch_every("0")
        .notice("1h")
        .with("--announce-timeout", "2h")
        .grace("1s")
        .with("--state", file.to_str().expect("it has a plain name"))
        .run()
}

fn phase(teal: &Server) -> (String, String, u64) {
    let state: Value = serde_json::from_str(&teal.get("/api/v1/state")).expect("it is JSON");
    let text = |key: &str| state[key].as_str().expect("it is a text").to_owned();
    (text("phase"), text("active"), state["epoch"].as_u64().expect("it is a number"))
}

#[test]
fn its_successor_goes_on_with_the_switch() {
    let folder = TempDir::new().unwrap();
    let file = folder.path().join("switch.json");
    let engines = [engine("127.0.0.1:0"), engine("127.0.0.1:0")];
    let _beside = beside();
    let place = Place::new();
    let listen = place.text();
    let first = between(&engines, &file, &listen);
    let mut client = python(Connector::V3_0_2).start(&first, "dying.py", &["4"]);
    client.wait_for("warm", 1, Duration::from_secs(60));
    first.operate(&["switch"]).ended(0);
    first.wait_for("Strategy change pending: blue -> green", 1, SOON);
    // With SIGKILL.
    drop(first);
    let second = between(&engines, &file, &listen);
    assert_eq!(phase(&second), ("ANNOUNCED".to_owned(), "blue".to_owned(), 1));
    second.operate(&["cutover"]).ended(0);
    second.wait_for("Strategy switched from blue to green", 1, SOON);
    drop(second);
    let third = between(&engines, &file, &listen);
    third.wait_for("Drained: no query left on blue", 1, SOON);
    assert_eq!(phase(&third), ("STABLE".to_owned(), "green".to_owned(), 3));
    client.close_stdin();
    let said = client.succeed(Duration::from_secs(60));
    let told: Told = serde_json::from_str(said.lines().find(|line| line.starts_with('{')).unwrap()).unwrap();
    eprintln!("{told:?}");
    assert_eq!(told.stuck, 0, "{told:?}");
    // Connections that ended with teal, and none that was refused.
    assert!(!told.lost.keys().any(|why| why.contains(MISMATCH) || why.contains("wrong rows")), "{told:?}");
    assert!(told.lost.values().sum::<u64>() <= 8, "4 threads, killed twice: {told:?}");
}

#[test]
fn a_file_that_is_no_state_is_named() {
    let folder = TempDir::new().unwrap();
    let file = folder.path().join("switch.json");
    for (text, expected) in [
        ("", "expected the state of a switch"),
        ("{\"teal_switch_state\": 1}", "expected the state of a switch"),
        ("{\"teal_switch_state\": 2, \"more\": true}", "expected state of version 1, found version 2"),
    ] {
        fs::write(&file, text).unwrap();
        let (status, output) = teal().with("--state", file.to_str().unwrap()).refused();
        assert_eq!(status.code(), Some(64), "{output}");
        assert!(output.contains("--state") && output.contains(expected), "{output}");
        assert_eq!(output.trim_end().lines().count(), 1, "{output}");
        assert_eq!(fs::read_to_string(&file).unwrap(), text, "it is left as it was");
    }
    let (status, output) = teal().with("--state", "/nowhere/switch.json").refused();
    assert_eq!(status.code(), Some(64), "{output}");
    assert!(output.contains("'/nowhere/switch.json': expected a file that can be written"), "{output}");
}
