//! Checksums, signatures and the bill of materials.

use std::{fs, process::Command};

use serde_json::Value;
use tempfile::TempDir;

use super::{dist, file, root, run, said};
use crate::{readme::pages::page, support::command};

#[test]
fn checksums_cover_all_that_is_shipped() {
    let Some(dist) = dist() else { return };
    said(Command::new("sha256sum").args(["--check", "--strict", "SHA256SUMS"]).current_dir(dist));
    let sums = fs::read_to_string(dist.join("SHA256SUMS")).expect("it is there");
    let files = fs::read_dir(dist).expect("it is there").count();
    // Itself is not among them.
    assert_eq!(sums.lines().count(), files - 1, "{sums}");
    for end in [".deb", ".tar", ".cdx.json"] {
        file(dist, end);
    }
}

#[test]
fn two_runs_make_the_same_files() {
    let Some(dist) = dist() else { return };
    let again = TempDir::new_in(env!("CARGO_TARGET_TMPDIR")).expect("there is room for files");
    super::pack(again.path());
    let sums = [dist, again.path()]
        .map(|folder| fs::read_to_string(folder.join("SHA256SUMS")).expect("it is there"));
    assert_eq!(sums[0], sums[1]);
}

#[test]
fn the_bill_names_each_crate_of_the_program() {
    let Some(dist) = dist() else { return };
    let text = fs::read_to_string(file(dist, ".cdx.json")).expect("it is there");
    let bill: Value = serde_json::from_str(&text).expect("it is JSON");
    assert_eq!((&bill["bomFormat"], &bill["specVersion"]), (&"CycloneDX".into(), &"1.5".into()));
    assert_eq!(bill["metadata"]["component"]["name"], "teal");
    let components = bill["components"].as_array().expect("a list");
    let names: Vec<&str> = components.iter().filter_map(|component| component["name"].as_str()).collect();
    let (own, others): (Vec<&str>, Vec<&str>) = names.iter().partition(|name| name.starts_with("teal-"));
    assert!(own.len() > 10 && others.len() > 200, "{names:?}");
    for name in ["datafusion", "rustls", "ring", "tokio", "tonic"] {
        assert!(names.contains(&name), "{name} is missing");
    }
    // Tests need it, and the program does not.
    assert!(!names.contains(&"criterion"));
    assert!(!text.contains("/tmp/"), "it tells where it was made");
}

/// The commands of the page, with this key.
#[test]
fn signatures_are_verified_as_the_page_says() {
    let Some(dist) = dist() else { return };
    let folder = TempDir::new().expect("there is room for files");
    let at = |name: &str| folder.path().join(name).to_string_lossy().into_owned();
    for file in fs::read_dir(dist).expect("it is there").map(|entry| entry.expect("it can be read")) {
        fs::hard_link(file.path(), at(&file.file_name().to_string_lossy())).expect("files can be linked");
    }
    run("ssh-keygen", ["-q", "-t", "ed25519", "-N", "", "-C", "", "-f", &at("your-key")]);
    said(Command::new(root().join("packaging/sign")).args([&at("your-key"), &at("")]));
    let page = page("docs/install.md").block("console", "-Y verify").text;
    let commands: Vec<&str> = page.lines().filter_map(|line| line.strip_prefix("$ ")).collect();
    assert_eq!(commands.len(), 3, "{page}");
    let verify = || {
        Command::new("sh")
            .args(["-ec", &commands.join("\n")])
            .current_dir(&folder)
            .output()
            .expect("sh starts")
    };
    let well = verify();
    assert!(well.status.success(), "{well:?}");
    let sums = fs::read_to_string(at("SHA256SUMS")).expect("it is there");
    fs::remove_file(at("SHA256SUMS")).expect("it is there");
    fs::write(at("SHA256SUMS"), sums + "0  other\n").expect("files can be written");
    assert!(!verify().status.success(), "changed checksums have no signature");
}

#[test]
fn versions_name_commit_date_features_and_compiler() {
    assert_eq!(command().args(&["-V"]).run().done(), concat!("teal ", env!("CARGO_PKG_VERSION"), "\n"));
    let long = command().args(&["--version"]).run().done();
    let keys: Vec<&str> =
        long.lines().skip(1).filter_map(|line| line.split_once(": ")).map(|(key, _)| key).collect();
    assert_eq!(keys, ["commit", "date", "features", "rustc"], "{long}");
    let value = |key: &str| long.lines().find_map(|line| line.strip_prefix(key)).expect("it is there");
    assert!(value("rustc: ").starts_with("rustc 1."), "{long}");
    assert_eq!(value("features: "), if cfg!(feature = "mock") { "mock" } else { "none" });
    if root().join(".git").exists() {
        let root = root().to_str().expect("it has a plain name");
        let git = |format| {
            run("git", ["-C", root, "log", "-1", "--abbrev=10", "--date=format-local:%Y-%m-%d", format])
        };
        assert_eq!(value("commit: ").trim_end_matches("-dirty"), git("--format=%h").trim());
    } else {
        assert_eq!(value("commit: "), "unknown");
    }
}
