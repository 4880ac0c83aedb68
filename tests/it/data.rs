//! Tables out of files, and that the built-in ones are the same on every start.

use std::{
    fs,
    path::{Path, PathBuf},
};

use crate::support::{Connector, python, teal};

/// A data directory of its own for each test.
fn folder(name: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    let _ = fs::remove_dir_all(&folder);
    for (path, text) in [
        ("shop/main/fruit.csv", "id,name,price\n1,apple,0.5\n2,\"pear, green\",1.25\n3,,\n"),
        ("shop/main/events.json", "{\"id\": 1, \"tags\": [\"a\", \"b\"]}\n{\"id\": 2, \"tags\": null}\n"),
        ("shop/other/numbers.csv", "n\n1\n2\n"),
        ("more/main/cities.csv", "city\nOslo\nRom\n"),
        ("secret.csv", "word\nhidden\n"),
    ] {
        let file = folder.join(path);
        fs::create_dir_all(file.parent().expect("it is in a folder")).expect("the target folder is writable");
        fs::write(file, text).expect("the target folder is writable");
    }
    folder
}

#[test]
fn a_data_directory_replaces_the_built_in_catalogs() {
    let folder = folder("data-directory");
    let server = teal().with("--data", &folder.to_string_lossy()).run();
    python(Connector::V3_0_2).run(&server, "data.py", &[&folder.to_string_lossy()]);
}

#[test]
fn unknown_tables_are_generated_if_configured() {
    let server = teal().with("--unknown-tables", "generate").run();
    python(Connector::V3_0_2).run(&server, "generated.py", &[]);
}

#[test]
fn rows_are_the_same_on_every_start() {
    let digests = [0, 1].map(|_| python(Connector::V3_0_2).run(&teal().run(), "digest.py", &[]));
    assert_eq!(digests[0], digests[1]);
}
