//! Names of tests are facts of at most eight words.

use std::{fs, path::Path};

const MOST: usize = 8;

/// Names of the tests in all sources below a folder.
fn tests(folder: &Path, found: &mut Vec<String>) {
    for entry in fs::read_dir(folder).expect("folders can be read") {
        let path = entry.expect("folders can be read").path();
        if path.is_dir() && !path.ends_with("target") {
            tests(&path, found);
        } else if path.extension().is_some_and(|kind| kind == "rs") {
            let source = fs::read_to_string(&path).expect("sources can be read");
            let mut is_test = false;
            for line in source.lines().map(str::trim_start) {
                if line.starts_with("#[") {
                    is_test |= line.starts_with("#[test]") || line.starts_with("#[tokio::test");
                    continue;
                }
                let name = line.trim_start_matches("async ").strip_prefix("fn ").filter(|_| is_test);
                found.extend(name.and_then(|name| name.split_once('(')).map(|(name, _)| name.to_owned()));
                is_test = false;
            }
        }
    }
}

#[test]
fn test_names_have_at_most_eight_words() {
    let mut names = Vec::new();
    for folder in ["tests", "src", "crates"] {
        tests(&Path::new(env!("CARGO_MANIFEST_DIR")).join(folder), &mut names);
    }
    assert!(names.len() > 1000, "{} tests", names.len());
    names.retain(|name| name.split('_').count() > MOST);
    assert!(names.is_empty(), "{names:#?}");
}
