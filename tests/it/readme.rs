//! What the README says to do works as it stands there, but for ports.

use std::{fs, net::TcpListener, path::Path, process::Command};

use tempfile::TempDir;

use crate::support::{Connector, Server, alone, python, teal};

const README: &str = include_str!("../../README.md");

/// The first block in this language that contains `text`.
fn block(language: &str, text: &str) -> &'static str {
    let mut blocks = README.split("```").skip(1).step_by(2).filter_map(|block| block.strip_prefix(language));
    blocks.find(|block| block.contains(text)).unwrap_or_else(|| panic!("no block with {text:?}"))
}

/// Runs its Python against a server instead of one on the default port.
fn runs(server: &Server, program: &str) -> String {
    let folder = TempDir::new().expect("there is room for files");
    let script = folder.path().join("example.py");
    let program = program.replace("port=50051", &format!("port={}", server.address.port()));
    fs::write(&script, program).expect("files can be written");
    python(Connector::V3_0_2).run_offline(script.to_str().expect("it has a plain name"), &[])
}

#[test]
fn the_first_example_reads_rows() {
    let program = block("python", "cursor.execute");
    let said = runs(&teal().run(), program);
    assert!(said.starts_with("[[") && said.contains("'"), "{said}");
}

/// Runs the line for CI with another scenario, on ports of its own.
fn tests_in_one_line(scenario: &str) -> std::process::Output {
    let free = [0, 1].map(|_| TcpListener::bind("127.0.0.1:0").expect("a port is free"));
    let [clients, operators] = free.map(|free| free.local_addr().expect("it is bound").to_string());
    let line = block("sh", "teal rehearse --duration").trim();
    assert_eq!(line.lines().count(), 1, "{line}");
    let line = line.replace("--scenario graceful", &format!("--scenario {scenario}"));
    let line = line.replace("teal rehearse", &format!("teal rehearse --to http://{clients}"));
    let teal = Path::new(env!("CARGO_BIN_EXE_teal")).parent().expect("it is in a folder");
    let path = std::env::var_os("PATH").unwrap_or_default();
    let path = std::env::join_paths([teal.to_path_buf()].into_iter().chain(std::env::split_paths(&path)));
    let mut sh = Command::new("sh");
    sh.args(["-c", &line]).env("PATH", path.expect("folders have plain names"));
    sh.env("TEAL_LISTEN", clients).env("TEAL_ADMIN", operators).output().expect("sh starts")
}

#[test]
fn a_scenario_and_a_rehearsal_are_a_test_in_one_line() {
    let _alone = alone();
    for (scenario, is_well) in [("graceful", true), ("switch-mid-fetch", false)] {
        let output = tests_in_one_line(scenario);
        let said = [output.stdout, output.stderr].map(|text| String::from_utf8_lossy(&text).into_owned());
        assert_eq!(output.status.success(), is_well, "{scenario}: {said:?}");
        assert!(said[0].contains("Verdict: "), "{scenario}: {said:?}");
        assert!(said[1].contains(&format!("Scenario {scenario}: done")), "{scenario}: {said:?}");
    }
}

#[test]
fn tables_of_ones_own_are_read() {
    let folder = TempDir::new().expect("there is room for files");
    let line =
        block("sh", "--data demo").lines().find(|line| line.starts_with("mkdir")).expect("it is shown");
    let made = Command::new("sh").args(["-c", line]).current_dir(&folder).status();
    assert!(made.expect("sh starts").success(), "{line}");
    let data = folder.path().join("demo");
    let server = teal().with("--data", data.to_str().expect("it has a plain name")).run();
    let program = block("python", "cursor.execute")
        .replace("catalog=\"default\", database=\"sales\"", "catalog=\"shop\", database=\"main\"");
    let statement = program.lines().find(|line| line.starts_with("cursor.execute")).expect("it is shown");
    let program = program.replace(statement, "cursor.execute(\"SELECT * FROM fruit ORDER BY id\")");
    assert_eq!(runs(&server, &program).trim(), "[[1, 'apple'], [2, 'pear']]");
}
