//! Scripts of `tests/python`, run with one published connector and what it needs.
//!
//! Each connector, and each set of other packages, has a virtual environment of its own below the target
//! directory, made once.

use std::{
    fs::{self, File},
    hash::{DefaultHasher, Hash, Hasher},
    path::{Path, PathBuf},
    process::Command,
    sync::LazyLock,
    time::Duration,
};

use super::{Running, Server};

const INSTALL: &str = "install it with: apt-get install python3 python3-venv";

/// A published version of `e6data-python-connector`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Connector {
    V2_2_6,
    V2_3_15,
    V3_0_2,
}

impl Connector {
    fn version(self) -> &'static str {
        match self {
            Self::V2_2_6 => "2.2.6",
            Self::V2_3_15 => "2.3.15",
            Self::V3_0_2 => "3.0.2",
        }
    }
}

/// A Python with `connector` installed.
pub(crate) fn python(connector: Connector) -> Python {
    packages(connector.version())
}

/// A Python with the packages of `tests/python/requirements/NAME.txt` installed.
pub(crate) fn packages(name: &'static str) -> Python {
    Python { packages: name, within: Duration::from_secs(240), env: Vec::new() }
}

pub(crate) struct Python {
    packages: &'static str,
    within: Duration,
    env: Vec<(String, String)>,
}

impl Python {
    /// Sets a variable for the script.
    pub(crate) fn env(mut self, name: &str, value: &str) -> Self {
        self.env.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Runs `script SERVER ARGS…`, fails with its output unless it succeeds, and hands that back.
    pub(crate) fn run(&self, server: &Server, script: &str, args: &[&str]) -> String {
        self.start(server, script, args).succeed(self.within)
    }

    /// Runs a script that talks to no server.
    pub(crate) fn run_offline(&self, script: &str, args: &[&str]) -> String {
        self.start_offline(script, args).succeed(self.within)
    }

    /// Starts a script that talks to no server and lets it run.
    pub(crate) fn start_offline(&self, script: &str, args: &[&str]) -> Running {
        Running::start(script, self.command(script).args(args))
    }

    /// Starts `script SERVER ARGS…` and lets it run.
    pub(crate) fn start(&self, server: &Server, script: &str, args: &[&str]) -> Running {
        let address = server.address.to_string();
        Running::start(script, self.command(script).arg(address).args(args))
    }

    /// A program that came with the packages.
    pub(crate) fn program(&self, name: &str) -> Command {
        Command::new(environment(self.packages).join("bin").join(name))
    }

    fn command(&self, script: &str) -> Command {
        let mut command = self.program("python");
        command
            .arg(scripts().join(script))
            .env("PYTHONDONTWRITEBYTECODE", "1")
            .env("PYTHONUNBUFFERED", "1")
            .env("GRPC_VERBOSITY", "ERROR")
            .envs(self.env.iter().map(|(name, value)| (name, value)))
            .env("TEAL_TEST_WITHIN", (self.within.as_secs() - 10).to_string());
        command
    }
}

fn scripts() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/python")
}

/// A virtual environment: made when it is not there yet, or was not finished.
fn environment(packages: &str) -> PathBuf {
    let requirements = scripts().join(format!("requirements/{packages}.txt"));
    let mut hasher = DefaultHasher::new();
    fs::read(&requirements).expect("requirements are there").hash(&mut hasher);
    INTERPRETER.as_ref().unwrap_or_else(|missing| panic!("{missing}")).hash(&mut hasher);
    let target = Path::new(env!("CARGO_TARGET_TMPDIR"));
    let folder = target.join(format!("python-{packages}-{:016x}", hasher.finish()));
    let finished = folder.join("finished");

    // Held by the one that makes it, in whatever process; released by its end, however it ends.
    let lock = File::create(folder.with_extension("lock")).expect("the target folder is writable");
    lock.lock().expect("a file can be locked");
    if !finished.exists() {
        let _ = fs::remove_dir_all(&folder);
        succeed(Command::new("python3").args(["-m", "venv"]).arg(&folder), INSTALL);
        succeed(
            Command::new(folder.join("bin/python"))
                .args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check"])
                .args(["--no-deps", "--only-binary=:all:", "--requirement"])
                .arg(&requirements),
            "the packages of tests/python/requirements could not be installed",
        );
        File::create(&finished).expect("the target folder is writable");
    }
    folder
}

/// What tells one Python from another, after checking that it can make environments.
static INTERPRETER: LazyLock<Result<String, String>> = LazyLock::new(|| {
    let about = "import sys, venv, ensurepip; print(sys.version, sys.base_prefix)";
    attempt(Command::new("python3").args(["-c", about]), INSTALL)
});

fn succeed(command: &mut Command, otherwise: &str) {
    attempt(command, otherwise).unwrap_or_else(|problem| panic!("{problem}"));
}

/// The output of a command, or what went wrong and what to do about it.
fn attempt(command: &mut Command, otherwise: &str) -> Result<String, String> {
    let output = command.output().map_err(|error| format!("{command:?}: {error}; {otherwise}"))?;
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    if output.status.success() {
        return Ok(said);
    }
    let complained = String::from_utf8_lossy(&output.stderr);
    Err(format!("{command:?}: {}\n{said}{complained}\n{otherwise}", output.status))
}
