//! `rehearse(&server).with("--clients", "4").run()`: the real binary as client, and its report.

use std::{
    net::SocketAddr,
    path::{Path, PathBuf},
    process::{Command, ExitStatus},
    sync::atomic::{AtomicU32, Ordering},
    time::Duration,
};

use serde_json::Value;

use super::{Running, Server, server::binary};

/// The most time that a rehearsal takes beyond its duration.
const PATIENCE: Duration = Duration::from_secs(150);

/// A rehearsal of a server, to be.
pub(crate) fn rehearse(server: &Server) -> Rehearsal {
    rehearse_at(server.address)
}

/// A rehearsal of whatever is at an address.
pub(crate) fn rehearse_at(address: SocketAddr) -> Rehearsal {
    rehearsal().with("--to", &format!("http://{address}"))
}

/// A rehearsal of what has yet to be said.
pub(crate) fn rehearsal() -> Rehearsal {
    static RUNS: AtomicU32 = AtomicU32::new(0);
    let run = format!("rehearsal-{}-{}.json", std::process::id(), RUNS.fetch_add(1, Ordering::Relaxed));
    let json = Path::new(env!("CARGO_TARGET_TMPDIR")).join(run);
    let mut command = binary();
    command.args(["rehearse", "--json"]).arg(&json);
    Rehearsal { command, json }
}

pub(crate) struct Rehearsal {
    command: Command,
    json: PathBuf,
}

/// How a rehearsal ended, and what it said.
pub(crate) struct Rehearsed {
    pub(crate) status: ExitStatus,
    pub(crate) output: String,
    pub(crate) report: Value,
}

impl Rehearsal {
    pub(crate) fn with(mut self, flag: &str, value: &str) -> Self {
        self.command.args([flag, value]);
        self
    }

    pub(crate) fn arg(mut self, arg: &str) -> Self {
        self.command.arg(arg);
        self
    }

    pub(crate) fn start(mut self) -> (Running, PathBuf) {
        (Running::start("teal rehearse", &mut self.command), self.json)
    }

    pub(crate) fn run(self) -> Rehearsed {
        let (process, json) = self.start();
        Rehearsed::of(process, &json)
    }

    /// The output of a rehearsal that must refuse.
    pub(crate) fn refused(self) -> (ExitStatus, String) {
        let (mut process, json) = self.start();
        let status = process.wait(PATIENCE);
        process.drained();
        let _ = std::fs::remove_file(json);
        (status, process.output())
    }
}

impl Rehearsed {
    /// Waits for the end of a rehearsal.
    pub(crate) fn of(mut process: Running, json: &Path) -> Self {
        let status = process.wait(PATIENCE);
        process.drained();
        let output = process.output();
        let report = std::fs::read(json).ok().and_then(|json| serde_json::from_slice(&json).ok());
        let report = report.unwrap_or_else(|| panic!("no report; it wrote\n{output}"));
        let _ = std::fs::remove_file(json);
        Self { status, output, report }
    }

    /// A number of the report, such as `/queries/lost`.
    pub(crate) fn number(&self, pointer: &str) -> u64 {
        let found = self.report.pointer(pointer).and_then(Value::as_u64);
        found.unwrap_or_else(|| panic!("no {pointer} in the report; it wrote\n{}", self.output))
    }

    /// Fails unless every promise was kept.
    pub(crate) fn keeps_promises(&self) {
        for verdict in self.report["promises"].as_array().expect("verdicts") {
            assert_eq!(verdict["broken"], 0, "{verdict:#}");
        }
    }
}
