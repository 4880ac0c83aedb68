//! Builders that read like sentences: `teal().switch_every("2s").run()` starts the real binary,
//! `python(Connector::V3_0_2).run("reading.py", &[…])` a script with a published connector.

#![allow(dead_code, unused_imports, reason = "two programs share it, and neither needs all of it")]

mod certificates;
mod compiled;
mod cutter;
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
    sync::{PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard},
};

pub(crate) use certificates::{Authority, Pair};
pub(crate) use compiled::{go, java};
pub(crate) use cutter::Cutter;
pub(crate) use http::{answer, send};
pub(crate) use node::node;
pub(crate) use operate::{Said, command};
pub(crate) use place::Place;
pub(crate) use process::Running;
pub(crate) use python::{Connector, packages, python};
pub(crate) use recorder::{Call, Recorder};
pub(crate) use rehearsal::{Rehearsal, Rehearsed, rehearsal, rehearse, rehearse_at};
pub(crate) use server::{Builder, Server, engine, teal};
pub(crate) use tonic::{Bare, call};

static HEAVY: RwLock<()> = RwLock::new(());

/// The turn of a heavy test, until it is dropped.
pub(crate) enum Turn {
    Alone(RwLockWriteGuard<'static, ()>),
    Beside(RwLockReadGuard<'static, ()>),
}

/// Held by a test that keeps every core busy, or measures: such tests run one after the other.
pub(crate) fn alone() -> Turn {
    Turn::Alone(HEAVY.write().unwrap_or_else(PoisonError::into_inner))
}

/// Held by a test that mostly waits, but not for long beside one that keeps every core busy.
pub(crate) fn beside() -> Turn {
    Turn::Beside(HEAVY.read().unwrap_or_else(PoisonError::into_inner))
}

/// Whether `program`, or the file with this whole path, is there. If not, the test is skipped in words, or fails under `TEAL_TEST_ALL=1`.
pub(crate) fn has(program: &str, package: &str) -> bool {
    let found = std::env::split_paths(&std::env::var_os("PATH").unwrap_or_default())
        .any(|folder| folder.join(program).is_file());
    if !found {
        let words = format!("needs {program} (apt-get install {package})");
        assert!(std::env::var_os("TEAL_TEST_ALL").is_none_or(|all| all != "1"), "{words}");
        // Written past the capture of a passing test's output, so that it is seen.
        let _ = writeln!(std::io::stderr(), "skipped: {words}");
    }
    found
}
