//! The packages that `packaging/dist` makes of the program under test, in environments that are empty.

mod container;
mod debian;
mod image;
mod sums;

use std::{
    ffi::OsStr,
    fs,
    io::Write as _,
    path::{Path, PathBuf},
    process::Command,
    sync::LazyLock,
};

use crate::{readme::pages::root, support::has};

/// The folder with what is shipped, packed once from the program under test. `None` if a tool is missing.
fn dist() -> Option<&'static Path> {
    static DIST: LazyLock<Option<PathBuf>> = LazyLock::new(|| {
        if !has("umoci", "umoci") || !has("dpkg-shlibdeps", "dpkg-dev") {
            return None;
        }
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("dist");
        pack(&folder);
        Some(folder)
    });
    DIST.as_deref()
}

/// Packs the program under test into an empty folder.
fn pack(folder: &Path) {
    _ = fs::remove_dir_all(folder);
    let mut pack = Command::new(root().join("packaging/dist"));
    said(pack.args(["--binary", env!("CARGO_BIN_EXE_teal"), "--out"]).arg(folder));
}

/// Whether this is root, who may boot containers. If not, the test is skipped in words.
fn is_root() -> bool {
    let is_root = run("id", ["-u"]).trim() == "0";
    if !is_root {
        // Past the capture of a passing test.
        _ = writeln!(std::io::stderr(), "skipped: needs root");
    }
    is_root
}

/// The one file of a folder that ends like this.
fn file(folder: &Path, end: &str) -> PathBuf {
    let files = fs::read_dir(folder).expect("it is there").map(|entry| entry.expect("it can be read").path());
    let found: Vec<PathBuf> = files.filter(|path| path.to_string_lossy().ends_with(end)).collect();
    let [file] = &found[..] else { panic!("expected one file *{end}, found {found:?}") };
    file.clone()
}

/// Runs a program, and returns its output if it succeeds.
fn run(program: &str, args: impl IntoIterator<Item = impl AsRef<OsStr>>) -> String {
    said(Command::new(program).args(args))
}

fn said(command: &mut Command) -> String {
    let output = command.output().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    let [out, err] = [&output.stdout, &output.stderr].map(|text| String::from_utf8_lossy(text).into_owned());
    assert!(output.status.success(), "{command:?}: {}\n{out}{err}", output.status);
    out
}
