//! The table of points matches the tests.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

const TABLE: &str = include_str!("../../../docs/proxying.md");
/// The folders with tests that are named after a point.
const FOLDERS: [&str; 3] = ["tests", "src", "crates"];

/// A test, by file and name.
type Test = (PathBuf, String);

/// The points of the table in their order, each with its tests.
fn points() -> Vec<(usize, BTreeSet<Test>)> {
    let rows = TABLE.lines().filter_map(|line| {
        let (number, rest) = line.strip_prefix("| ")?.split_once(" | ")?;
        Some((number.parse().ok()?, rest))
    });
    let tests = |row: &str| {
        let words = row.split('`').skip(1).step_by(2).filter_map(|word| word.split_once("::"));
        words.map(|(file, name)| (path(file), name.to_owned())).collect()
    };
    rows.map(|(number, row)| (number, tests(row))).collect()
}

fn path(file: &str) -> PathBuf {
    if file.contains('/') { file.into() } else { Path::new("tests/it/proxying").join(file) }
}

fn source(file: &Path) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(file);
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// Tests, and facts of Python, whose names begin with a point's number.
fn named(folder: &Path, found: &mut BTreeSet<Test>) {
    let here = Path::new(env!("CARGO_MANIFEST_DIR")).join(folder);
    for entry in fs::read_dir(here).unwrap() {
        let entry = entry.unwrap();
        let path = folder.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            named(&path, found);
        } else if path.extension().is_some_and(|kind| kind == "rs" || kind == "py") {
            for line in source(&path).lines() {
                let name = line.trim_start().trim_start_matches("async ");
                let name = name.strip_prefix("fn ").or_else(|| name.strip_prefix("def "));
                if let Some((name, _)) = name.and_then(|name| name.split_once('('))
                    && name.starts_with("point_")
                {
                    found.insert((path.clone(), name.to_owned()));
                }
            }
        }
    }
}

#[test]
fn every_point_has_tests_and_they_are_there() {
    let points = points();
    let numbers: Vec<_> = points.iter().map(|(number, _)| *number).collect();
    assert_eq!(numbers, Vec::from_iter(1..=45));
    for (number, tests) in points {
        let own = format!("point_{number:02}_");
        let also = format!("_and_{number:02}_");
        assert!(
            tests.iter().any(|(_, name)| name.starts_with(&own) || name.contains(&also)),
            "no test is named after point {number}"
        );
        for (file, name) in tests {
            let is_there = [format!("fn {name}("), format!("def {name}(")];
            let source = source(&file);
            assert!(is_there.iter().any(|line| source.contains(line)), "{}::{name}", file.display());
        }
    }
}

#[test]
fn every_test_of_a_point_is_listed() {
    let mut found = BTreeSet::new();
    for folder in FOLDERS {
        named(Path::new(folder), &mut found);
    }
    assert!(found.len() > 60, "{found:?}");
    let points = points();
    for test in found {
        let number = test.1["point_".len()..][..2].parse::<usize>().expect("a number of two digits");
        let (_, listed) = points.iter().find(|(point, _)| *point == number).expect("there is such a point");
        assert!(listed.contains(&test), "{test:?}");
    }
}
