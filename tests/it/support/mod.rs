//! Builders that read like sentences: `teal().switch_every("2s").run()` starts the real binary,
//! `python(Connector::V3_0_2).run("reading.py", &[…])` a script with a published connector.

#![allow(dead_code, unused_imports, reason = "two programs share it, and neither needs all of it")]

mod certificates;
mod compiled;
mod cutter;
pub(crate) mod example;
mod http;
mod node;
mod operate;
pub(crate) mod peers;
mod place;
mod process;
mod python;
pub(crate) mod raw;
mod recorder;
mod rehearsal;
mod server;
mod tonic;

use std::{
    io::Write,
    sync::{Condvar, Mutex},
};

pub(crate) use certificates::{Authority, Pair};
pub(crate) use compiled::{go, java};
pub(crate) use cutter::Cutter;
pub(crate) use http::{answer, send, send_with};
pub(crate) use node::node;
pub(crate) use operate::{Said, command};
pub(crate) use place::Place;
pub(crate) use process::Running;
pub(crate) use python::{Connector, packages, python};
pub(crate) use recorder::{Call, Recorder};
pub(crate) use rehearsal::{Rehearsal, Rehearsed, rehearsal, rehearse, rehearse_at};
pub(crate) use server::{Builder, Server, engine, teal};
pub(crate) use tonic::{Bare, call};

/// Heavy tests that may run beside each other, on however many threads tests run.
const MOST_BESIDE: usize = 1;

static FREE: Mutex<usize> = Mutex::new(MOST_BESIDE);
static FREED: Condvar = Condvar::new();

/// The turn of a heavy test, until it is dropped.
pub(crate) struct Turn(usize);

impl Turn {
    fn take(places: usize) -> Self {
        let free = FREE.lock().expect("no test panics with it");
        *FREED.wait_while(free, |free| *free < places).expect("no test panics with it") -= places;
        Self(places)
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        *FREE.lock().expect("no test panics with it") += self.0;
        FREED.notify_all();
    }
}

/// Held by a test that keeps every core busy, or measures: such tests run one after the other.
pub(crate) fn alone() -> Turn {
    Turn::take(MOST_BESIDE)
}

/// Held by a test that mostly waits, but must not wait for one that keeps every core busy.
pub(crate) fn beside() -> Turn {
    Turn::take(1)
}

/// Whether `program`, or the file with this whole path, is there. If not, the test is skipped in words, or fails under `TEAL_TEST_ALL=1`.
pub(crate) fn has(program: &str, package: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let found = std::env::split_paths(&path).any(|folder| folder.join(program).is_file());
    is_there(found, program, package)
}

/// Finds a file below the folders of libraries, as [`has`] finds programs.
pub(crate) fn has_library(file: &str, package: &str) -> Option<String> {
    let folders = std::fs::read_dir("/usr/lib").into_iter().flatten().flatten();
    let found = folders.map(|folder| folder.path().join(file)).find(|path| path.is_file());
    is_there(found.is_some(), file, package);
    found.map(|path| path.to_string_lossy().into_owned())
}

fn is_there(found: bool, program: &str, package: &str) -> bool {
    if !found {
        let words = format!("needs {program} (apt-get install {package})");
        assert!(std::env::var_os("TEAL_TEST_ALL").is_none_or(|all| all != "1"), "{words}");
        // Written past the capture of a passing test's output, so that it is seen.
        let _ = writeln!(std::io::stderr(), "skipped: {words}");
    }
    found
}

/// Returns whether a browser and its driver are installed.
pub(crate) fn has_browser() -> bool {
    has("chromium", "chromium") && has("chromedriver", "chromium-driver")
}
