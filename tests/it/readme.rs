//! The instructions in the README and in `docs/` work as written, except for ports and durations; their tables match
//! the program; their links resolve.

mod links;
pub(crate) mod pages;
mod reference;
mod settings;
mod shell;

use std::{fs, net::SocketAddr, path::Path, process::Command, thread};

use serde_json::Value;
use tempfile::TempDir;

use self::{
    pages::{Block, page, pages, root},
    shell::Shell,
};
use crate::support::{Authority, Connector, Place, Server, beside, has, python, teal};

/// Runs its Python against a server instead of one on the default port.
fn runs(server: &Server, program: &str) -> String {
    runs_at(server.address, program)
}

fn runs_at(server: SocketAddr, program: &str) -> String {
    let folder = TempDir::new().expect("there is room for files");
    let script = folder.path().join("example.py");
    let program = program.replace("port=50051", &format!("port={}", server.port()));
    fs::write(&script, program).expect("files can be written");
    python(Connector::V3_0_2).run_offline(script.to_str().expect("it has a plain name"), &[])
}

fn first_example() -> String {
    page("README.md").block("python", "cursor.execute").text
}

/// Runs the README's first example against the built-in engine of a server on this host.
pub(crate) fn first_example_reads_at(server: SocketAddr) {
    let said = runs_at(server, &first_example());
    assert!(said.starts_with("[[") && said.contains("'"), "{said}");
}

#[test]
fn the_first_example_reads_rows() {
    first_example_reads_at(teal().run().address);
}

#[test]
fn the_example_of_tls_reads_rows() {
    let shown = page("docs/upstream.md").block("python", "secure=True").text;
    let authority = Authority::new();
    let pair = authority.issue("localhost");
    let [certificate, key, ca] = [pair.certificate, pair.key, authority.file()]
        .map(|path| path.into_os_string().into_string().expect("temporary files have plain names"));
    let server = teal().with("--tls-cert", &certificate).with("--tls-key", &key).run();
    let connection = shown
        .replace("\"cert.pem\"", &format!("{ca:?}"))
        .replace("...", "username=\"me@example.com\", password=\"secret\", database=\"sales\"");
    let first = first_example();
    let end = first.find("cursor = ").expect("it has a cursor");
    let start = first.find("connection = ").expect("it has a connection");
    let program = format!("{}connection = {connection}{}", &first[..start], &first[end..]);
    let said = runs(&server, &program);
    assert!(said.starts_with("[["), "{said}");
}

#[test]
fn ci_runs_the_test_command_of_the_readme() {
    let block = page("README.md").block("sh", "cargo test").text;
    let command = block.lines().find(|line| line.starts_with("cargo test")).expect("it is shown");
    let command = command.split('#').next().unwrap_or_default().trim();
    assert!(page(".ci/run").text.lines().any(|line| line == command), "{command} is not in .ci/run");
}

/// The rule of `cargo run` without `--bin`: of all packages that it may run, one names its program. Running cargo itself
/// would wait for other builds here, or begin one.
#[test]
fn cargo_run_starts_teal() {
    assert!(page("README.md").block("sh", "cargo run --release").text.starts_with("cargo run --release "));
    let mut cargo = Command::new(env!("CARGO"));
    cargo.args(["metadata", "--no-deps", "--offline", "--format-version", "1"]).current_dir(root());
    let said = cargo.output().expect("cargo starts");
    assert!(said.status.success(), "{}", String::from_utf8_lossy(&said.stderr));
    let metadata: Value = serde_json::from_slice(&said.stdout).expect("it is JSON");
    let list = |value: &Value| value.as_array().cloned().unwrap_or_default();
    let members = list(&metadata["workspace_default_members"]);
    let packages = list(&metadata["packages"]).into_iter().filter(|package| members.contains(&package["id"]));
    let (mut programs, mut named) = (Vec::new(), Vec::new());
    for package in packages {
        let targets = list(&package["targets"]);
        let is_program = |target: &&Value| list(&target["kind"]).contains(&"bin".into());
        programs.extend(targets.iter().filter(is_program).map(|target| target["name"].clone()));
        named.extend(package["default_run"].as_str().map(str::to_owned));
    }
    assert_eq!(named, ["teal"], "of {programs:?}");
    assert!(programs.contains(&"teal".into()), "{programs:?}");
}

fn is_line_for_ci(block: &Block) -> bool {
    block.text.contains("kill $!")
}

/// Runs the line for CI with another scenario, on ports of its own.
fn tests_in_one_line(scenario: &str) -> std::process::Output {
    let places = [(); 2].map(|()| Place::new());
    let [clients, operators] = places.each_ref().map(Place::text);
    let line = page("docs/scenarios.md").block("sh", "teal rehearse --duration").text;
    assert_eq!(page("README.md").block("sh", "teal rehearse --duration").text, line, "there are two of it");
    let line = line.trim();
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
fn scenario_and_rehearsal_make_a_one_line_test() {
    let _beside = beside();
    let expected = [("graceful", true), ("switch-mid-fetch", false)];
    // Each on ports of its own, side by side.
    let started = expected.map(|(scenario, _)| thread::spawn(move || tests_in_one_line(scenario)));
    for ((scenario, is_well), started) in expected.into_iter().zip(started) {
        let output = started.join().expect("it runs");
        let said = [output.stdout, output.stderr].map(|text| String::from_utf8_lossy(&text).into_owned());
        assert_eq!(output.status.success(), is_well, "{scenario}: {said:?}");
        assert!(said[0].contains("Verdict: "), "{scenario}: {said:?}");
        assert!(said[1].contains(&format!("Scenario {scenario}: done")), "{scenario}: {said:?}");
    }
}

#[test]
fn tables_of_ones_own_are_read() {
    let folder = TempDir::new().expect("there is room for files");
    let block = page("docs/engine.md").block("sh", "--data demo").text;
    let line = block.lines().find(|line| line.starts_with("mkdir")).expect("it is shown");
    let made = Command::new("sh").args(["-c", line]).current_dir(&folder).status();
    assert!(made.expect("sh starts").success(), "{line}");
    let data = folder.path().join("demo");
    let server = teal().with("--data", data.to_str().expect("it has a plain name")).run();
    let program = first_example()
        .replace("catalog=\"default\", database=\"sales\"", "catalog=\"shop\", database=\"main\"");
    let statement = program.lines().find(|line| line.starts_with("cursor.execute")).expect("it is shown");
    let program = program.replace(statement, "cursor.execute(\"SELECT * FROM fruit ORDER BY id\")");
    assert_eq!(runs(&server, &program).trim(), "[[1, 'apple'], [2, 'pear']]");
}

/// Runs the shell of a page, and looks for some of what it writes.
fn shell(name: &str, words: &[&str]) {
    if !has("curl", "curl") || !has("openssl", "openssl") {
        return;
    }
    let _beside = beside();
    let shell = Shell::new();
    let blocks = page(name).blocks().into_iter().filter(|block| block.language == "sh");
    let blocks: Vec<Block> =
        blocks.filter(|block| !is_line_for_ci(block) && !block.text.contains("grpcurl")).collect();
    assert!(!blocks.is_empty(), "{name} has no shell");
    let said: String = blocks.iter().map(|block| shell.run(block)).collect();
    for word in words {
        assert!(said.contains(word), "{name}: {word:?} is not in\n{said}");
    }
}

macro_rules! shells {
    ($($test:ident: $page:literal, $words:expr;)*) => {
        $(#[test]
        fn $test() {
            shell($page, &$words);
        })*

        /// `CONTRIBUTING.md` is for people with time: what it names takes minutes to hours.
        #[test]
        fn every_page_with_shell_is_run() {
            let run = ["CONTRIBUTING.md", $($page),*];
            let with_shell = |block: &Block| block.language == "sh";
            for page in pages() {
                let is_run = run.contains(&page.name.as_str());
                assert!(is_run || !page.blocks().iter().any(with_shell), "{} is not run", page.name);
            }
        }
    };
}

shells! {
    readme_commands_work: "README.md", ["Verdict: "];
    engine_commands_work: "docs/engine.md", ["access_token"];
    fault_commands_work: "docs/faults.md", ["getNextResultBatch"];
    scenario_commands_work: "docs/scenarios.md", ["graceful"];
    upstream_commands_work: "docs/upstream.md", [];
    operating_commands_work: "docs/operating.md", ["green", "\"epoch\"", "event: state"];
    rehearse_commands_work: "docs/rehearse.md", ["Verdict: "];
    promise_commands_work: "docs/promises.md", ["Verdict: "];
}
