//! Scripts of `tests/node` that need packages, which are installed once below the target directory.

use std::{
    fs::{self, File},
    hash::{DefaultHasher, Hash, Hasher},
    path::{Path, PathBuf},
    process::Command,
};

use super::has;

/// A folder of `tests/node` with its packages, or nothing where there is no Node.
pub(crate) fn node(folder: &str) -> Option<PathBuf> {
    if !has("node", "nodejs") || !has("npm", "npm") {
        return None;
    }
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/node").join(folder);
    let mut hasher = DefaultHasher::new();
    let files = ["package.json", "package-lock.json"];
    for file in files {
        fs::read(source.join(file)).expect("the packages are listed").hash(&mut hasher);
    }
    let target = Path::new(env!("CARGO_TARGET_TMPDIR"));
    let made = target.join(format!("node-{folder}-{:016x}", hasher.finish()));
    let finished = made.join("finished");
    // Held by the one that makes it, in whatever process; released by its end, however it ends.
    let lock = File::create(made.with_extension("lock")).expect("the target folder is writable");
    lock.lock().expect("a file can be locked");
    if !finished.exists() {
        let _ = fs::remove_dir_all(&made);
        fs::create_dir_all(&made).expect("the target folder is writable");
        for file in files {
            fs::copy(source.join(file), made.join(file)).expect("the target folder is writable");
        }
        let output = Command::new("npm")
            .args(["ci", "--silent", "--no-audit", "--no-fund"])
            .current_dir(&made)
            .output();
        let output = output.expect("npm starts");
        assert!(output.status.success(), "npm ci: {}", String::from_utf8_lossy(&output.stderr));
        File::create(&finished).expect("the target folder is writable");
    }
    // A module finds packages beside itself alone.
    for entry in fs::read_dir(&source).expect("the scripts are there") {
        let path = entry.expect("the scripts are there").path();
        if path.extension().is_some_and(|extension| extension == "js") {
            let name = path.file_name().expect("it is a file");
            fs::copy(&path, made.join(name)).expect("the target folder is writable");
        }
    }
    Some(made)
}
