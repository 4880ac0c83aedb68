//! The configuration file: valid and invalid content, and what overrides it.

use std::{
    fs,
    path::{Path, PathBuf},
};

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::support::{Said, command, teal};

/// The files of a folder of examples.
fn examples(kind: &str) -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/configs").join(kind);
    let files = fs::read_dir(folder).expect("there are examples");
    let mut files: Vec<PathBuf> = files.map(|file| file.expect("it is listed").path()).collect();
    files.sort();
    assert!(files.len() >= 5, "only {files:?}");
    files
}

fn text(path: &Path) -> &str {
    path.to_str().expect("it has a plain name")
}

fn check(file: &Path, more: &[&str]) -> Said {
    command().args(&["check", "--config", text(file)]).args(more).run()
}

/// All settings, by name.
fn settings(file: &Path, more: &[&str]) -> Value {
    serde_json::from_str(&check(file, &[&["--json"], more].concat()).done()).expect("it is JSON")
}

fn values(settings: &Value) -> Vec<(&String, &Value)> {
    let settings = settings.as_object().expect("settings have names");
    settings.iter().map(|(name, setting)| (name, &setting["value"])).collect()
}

#[test]
fn bad_files_are_refused_with_the_place() {
    for file in examples("invalid") {
        let head = fs::read_to_string(&file).expect("it can be read");
        let line = head.lines().next().and_then(|line| line.strip_prefix("# "));
        let line = line.expect("the error stands above").replace("FILE", text(&file));
        for command in [&["check"][..], &["serve"], &[]] {
            let said =
                crate::support::command().args(command).args(&["--config", text(&file)]).run().ended(64);
            assert!(said.err.starts_with(&format!("teal: {line}")), "{said:?} is not {line:?}");
            assert_eq!((said.err.lines().count(), said.out.as_str()), (1, ""), "{said:?}");
        }
    }
}

#[test]
fn check_prints_files_of_the_same_effect() {
    let folder = TempDir::new().expect("there is room for files");
    for file in examples("valid") {
        let printed = folder.path().join("printed.toml");
        fs::write(&printed, check(&file, &[]).done()).expect("files can be written");
        let (one, other) = (settings(&file, &[]), settings(&printed, &[]));
        assert_eq!(values(&one), values(&other), "{}", file.display());
    }
}

#[test]
fn flags_override_environment_and_both_override_files() {
    let folder = TempDir::new().expect("there is room for files");
    let file = folder.path().join("teal.toml");
    for case in 0..8 {
        let (flag, environment, in_file) = (case & 1 != 0, case & 2 != 0, case & 4 != 0);
        fs::write(&file, if in_file { "\n notice = \"3s\"" } else { "" }).expect("files can be written");
        let mut check = command().args(&["check", "--json", "--config", text(&file)]);
        if flag {
            check = check.args(&["--notice", "1s"]);
        }
        if environment {
            check = check.env("TEAL_NOTICE", "2s");
        }
        let expected = match (flag, environment, in_file) {
            (true, ..) => json!({"value": "1s", "origin": "flag"}),
            (_, true, _) => json!({"value": "2s", "origin": "environment"}),
            (.., true) => {
                json!({"value": "3s", "origin": "file", "file": text(&file), "line": 2, "column": 11})
            }
            _ => json!({"value": "1s", "origin": "default"}),
        };
        let told: Value = serde_json::from_str(&check.run().done()).expect("it is JSON");
        assert_eq!(told["notice"], expected, "case {case}");
    }
}

#[test]
fn check_tells_where_each_value_comes_from() {
    let file = examples("valid").into_iter().find(|file| file.ends_with("scenario.toml"));
    let file = file.expect("there is one with a scenario");
    let said = command()
        .args(&["check", "--threads", "3"])
        .env("TEAL_CONFIG", text(&file))
        .env("TEAL_MISMATCH", "grpc")
        .run()
        .done();
    let origin = |start: &str| {
        let line = said.lines().find(|line| line.starts_with(start));
        line.and_then(|line| line.rsplit_once(" # ")).map(|(_, origin)| origin.to_owned())
    };
    for (start, expected) in [
        ("threads = \"3\" ", "flag"),
        ("mismatch = \"grpc\" ", "environment (TEAL_MISMATCH)"),
        ("grace = \"1s\" ", &format!("{}:3", file.display())),
        ("switch-every = \"0s\" ", "scenario"),
        ("# cutover = \"drain\" ", "default"),
        ("# upstream = ", "not set"),
    ] {
        assert_eq!(origin(start).as_deref(), Some(expected), "{start} in\n{said}");
    }
}

#[test]
fn rules_as_tables_equal_rules_as_text() {
    let file = examples("valid").into_iter().find(|file| file.ends_with("faults.toml"));
    let file = file.expect("there is one with faults");
    let server = teal().admin().with("--config", text(&file)).run();
    let faults: Value = serde_json::from_str(&server.get("/api/v1/faults")).expect("it is JSON");
    let rules: Vec<&Value> =
        faults["faults"].as_array().expect("a list").iter().map(|fault| &fault["rule"]).collect();
    assert_eq!(
        rules,
        [
            "id=slow,method=getNextResultBatch,delay=200ms,first=3",
            r#"metadata.team="a, \"b\"",status=UNAVAILABLE,message="C:\\temp, or so",probability=0.5"#,
            "method=clear*,hang",
        ]
    );
    // A repeatable flag replaces the file's values, and is not added to them.
    let told = settings(&file, &["--fault", "method=clear,hang"]);
    assert_eq!(told["fault"]["value"], json!(["method=clear,hang"]));
}

#[test]
fn unreadable_files_are_named() {
    let said = command().args(&["--config", "/no/such.toml"]).run().ended(64);
    let start = "teal: --config (or TEAL_CONFIG): '/no/such.toml': expected a readable file (";
    assert!(said.err.starts_with(start), "{said:?}");
}
