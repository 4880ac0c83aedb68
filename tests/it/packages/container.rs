//! An empty Debian, booted by systemd in a container that shares this machine's network.

use std::{
    env,
    fs::{self, File},
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

use tempfile::TempDir;

use super::{run, said};
use crate::{support::Running, systemd::Manager};

const SOON: Duration = Duration::from_secs(60);

/// The package that a smallest system lacks: an init that is systemd.
const PACKAGES: &str = "--include=adduser,dbus,systemd,systemd-sysv";

/// The folder of a new system, of the release of this machine. Systems are unpacked from an archive in `~/.cache`.
pub(super) fn system() -> TempDir {
    let release = fs::read_to_string("/etc/os-release").expect("it is Debian or Ubuntu");
    let name = release.lines().find_map(|line| line.strip_prefix("VERSION_CODENAME="));
    let name = name.expect("the release has a name");
    let home = env::var_os("HOME").expect("there is a home");
    let cache = env::var_os("XDG_CACHE_HOME").map_or_else(|| Path::new(&home).join(".cache"), PathBuf::from);
    let cache = cache.join("teal-tools");
    fs::create_dir_all(&cache).expect("the cache is writable");
    let archive = cache.join(format!("{name}.tar"));
    let lock = File::create(archive.with_extension("lock")).expect("the cache is writable");
    lock.lock().expect("a file can be locked");
    if !archive.exists() {
        let new = TempDir::new_in(&cache).expect("there is room for files");
        said(Command::new("debootstrap").args(["--variant=minbase", PACKAGES, name]).arg(new.path()));
        said(Command::new("chroot").arg(new.path()).args(["apt-get", "clean"]));
        let partial = archive.with_extension("partial");
        said(
            Command::new("tar")
                .arg("--create")
                .arg("--file")
                .arg(&partial)
                .arg("--directory")
                .arg(new.path())
                .arg("."),
        );
        fs::rename(partial, &archive).expect("the cache is writable");
    }
    let system = TempDir::new_in(env!("CARGO_TARGET_TMPDIR")).expect("there is room for files");
    said(
        Command::new("tar")
            .arg("--extract")
            .arg("--file")
            .arg(&archive)
            .arg("--directory")
            .arg(system.path()),
    );
    system
}

/// A booted system.
pub(super) struct Container {
    init: String,
    process: Running,
    _root: TempDir,
}

impl Container {
    /// Boots a system, and waits until it is up.
    pub(super) fn boot(root: TempDir) -> Self {
        let manager = Manager::new();
        let mut nspawn = Command::new("systemd-nspawn");
        // It is not registered with a systemd of this machine, which may have none.
        nspawn.args([
            "--quiet",
            "--boot",
            "--register=no",
            "--keep-unit",
            "--notify-ready=yes",
            "--directory",
        ]);
        let process =
            Running::start("systemd-nspawn", nspawn.arg(root.path()).env("NOTIFY_SOCKET", manager.address()));
        let mut init = None;
        loop {
            for line in manager.next() {
                match line.split_once('=') {
                    Some(("X_NSPAWN_LEADER_PID", id)) => init = Some(id.to_owned()),
                    Some(("READY", "1")) => {
                        let init = init.expect("it is named before it is ready");
                        return Self { init, process, _root: root };
                    }
                    _ => {}
                }
            }
        }
    }

    /// Runs a script in it, and returns its output if it succeeds.
    pub(super) fn run(&self, script: &str) -> String {
        let script = format!("export DEBIAN_FRONTEND=noninteractive LC_ALL=C; {script}");
        run("nsenter", ["--all", "--target", &self.init, "--wd=/", "/bin/sh", "-ec", &script])
    }

    /// Shuts it down.
    pub(super) fn end(mut self) {
        self.process.signal("TERM");
        self.process.wait(SOON);
    }
}
