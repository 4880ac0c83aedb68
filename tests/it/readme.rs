//! What the README says to do works as it stands there, but for ports.

use std::{fs, process::Command};

use tempfile::TempDir;

use crate::support::{Connector, Server, python, teal};

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
