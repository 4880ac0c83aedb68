//! Scripts of `tests/node`, with the packages that its lock file names, installed once below the target
//! directory.

use std::{
    fs::{self, File},
    hash::{DefaultHasher, Hash, Hasher},
    path::{Path, PathBuf},
    process::Command,
    sync::LazyLock,
};

use super::{Running, has};

/// Starts `script ARGS…`. `None` where there is no Node, as [`has`] says it.
pub(crate) fn node(script: &str, args: &[&str]) -> Option<Running> {
    if !has("node", "nodejs") || !has("npm", "npm") {
        return None;
    }
    let mut command = Command::new("node");
    Some(Running::start(script, command.arg(SCRIPTS.join(script)).args(args)))
}

/// The scripts beside the packages: a copy for each state of the folder.
static SCRIPTS: LazyLock<PathBuf> = LazyLock::new(|| {
    let sources = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/node");
    let mut files: Vec<_> = fs::read_dir(&sources)
        .expect("the scripts are there")
        .map(|entry| entry.expect("the scripts are there").path())
        .filter(|path| path.is_file())
        .collect();
    files.sort();
    let mut hasher = DefaultHasher::new();
    for file in &files {
        fs::read(file).expect("the scripts are there").hash(&mut hasher);
    }
    let target = Path::new(env!("CARGO_TARGET_TMPDIR"));
    let folder = target.join(format!("node-{:016x}", hasher.finish()));
    let finished = folder.join("finished");

    // Held by the one that makes it, in whatever process; released by its end, however it ends.
    let lock = File::create(folder.with_extension("lock")).expect("the target folder is writable");
    lock.lock().expect("a file can be locked");
    if !finished.exists() {
        fs::create_dir_all(&folder).expect("the target folder is writable");
        for file in &files {
            fs::copy(file, folder.join(file.file_name().expect("it is a file")))
                .expect("a file can be copied");
        }
        let installed = Command::new("npm")
            .args(["ci", "--ignore-scripts", "--no-audit", "--no-fund", "--prefix"])
            .arg(&folder)
            .output()
            .expect("npm starts");
        let said = String::from_utf8_lossy(&installed.stderr);
        assert!(installed.status.success(), "the packages of tests/node could not be installed: {said}");
        File::create(&finished).expect("the target folder is writable");
    }
    folder
});
