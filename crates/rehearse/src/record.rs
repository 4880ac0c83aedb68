//! The record of a rehearsal: each call, query and adoption. Times are microseconds since the start.

use std::{
    sync::atomic::{AtomicU32, AtomicU64, Ordering},
    time::SystemTime,
};

use parking_lot::{Mutex, MutexGuard};
use protocol::{CallKind, Strategy};
use serde::Serialize;
use tokio::time::Instant;

use super::behaviour::Behaviour;

/// The most calls kept for the checker; later ones are only counted.
const MOST_CALLS: usize = 4_000_000;

/// One call, as its client saw it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Call {
    /// The number of the client.
    pub client: u32,
    /// The query of the call, as a unique number per prepared query.
    pub query: Option<u32>,
    /// The method's name.
    pub method: &'static str,
    /// The kind of the call.
    pub kind: CallKind,
    /// The strategy in its header.
    pub strategy: Option<Strategy>,
    /// When it was sent.
    pub sent: u64,
    /// When its outcome arrived.
    pub answered: u64,
    /// How it ended.
    pub outcome: Outcome,
    /// The strategy that its response announced.
    pub notice: Option<Strategy>,
}

/// How a call ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// With status OK.
    Answered,
    /// With a 456.
    Refused,
    /// With another error.
    Failed {
        /// The gRPC code.
        code: i32,
        /// The details.
        message: Box<str>,
        /// The connection or the engine was lost, so there was no response.
        is_broken: bool,
    },
    /// The client left before the response.
    GivenUp,
}

/// One query of the application: from execute to clear, with all retries.
#[derive(Clone, Debug, Serialize)]
pub struct Run {
    /// The number of the client.
    pub client: u32,
    /// The strategy it ended under.
    pub strategy: Option<Strategy>,
    /// When it was due.
    pub due: u64,
    /// When it was begun.
    pub begun: u64,
    /// When it was over.
    pub ended: u64,
    /// How often it was restarted after a 456.
    pub retries: u32,
    /// The number of rows read, all as expected.
    pub rows: u64,
    /// How it ended.
    pub end: Ending,
}

/// How a query of the application ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Ending {
    /// With all its rows.
    Completed,
    /// The client left on purpose.
    Vanished,
    /// Rejected from the first call on, because the client does not follow.
    TurnedAway,
    /// The connection or the engine was lost.
    Broken(Failure),
    /// Any other failure.
    Lost(Failure),
}

/// A failed call.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Failure {
    /// The method.
    pub call: &'static str,
    /// The strategy in its header.
    pub strategy: Option<Strategy>,
    /// When it failed.
    pub time: u64,
    /// The gRPC code, if there is one.
    pub code: Option<i32>,
    /// The message.
    pub message: String,
}

/// A client process adopted another strategy.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Adopted {
    /// The number of the process.
    pub process: u32,
    /// The previous strategy.
    pub from: Option<Strategy>,
    /// The new strategy.
    pub to: Strategy,
    /// When it got the first notice.
    pub told: u64,
    /// When it adopted.
    pub at: u64,
}

/// A client of the rehearsal: one thread of a process, with a connection.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct ClientInfo {
    /// The number of the client.
    pub client: u32,
    /// The number of its process.
    pub process: u32,
    /// Its behaviour.
    pub behaviour: Behaviour,
}

/// Everything recorded.
#[derive(Debug, Default)]
pub struct Records {
    /// Calls, in the order of their outcomes.
    pub calls: Vec<Call>,
    /// The number of calls beyond the limit.
    pub unkept: u64,
    /// Queries of the application.
    pub runs: Vec<Run>,
    /// Adoptions.
    pub adoptions: Vec<Adopted>,
    /// Failures of calls outside of queries, and whether there was no response.
    pub failures: Vec<(Failure, bool)>,
}

/// Collects the records of clients.
#[derive(Debug)]
pub(crate) struct Recorder {
    start: Instant,
    /// The start on the wall clock, to relate it to the server's times.
    started: SystemTime,
    queries: AtomicU32,
    records: Mutex<Records>,
    completed: AtomicU64,
    failed: AtomicU64,
}

impl Recorder {
    pub(crate) fn new() -> Self {
        Self {
            start: Instant::now(),
            started: SystemTime::now(),
            queries: AtomicU32::new(0),
            records: Mutex::default(),
            completed: AtomicU64::new(0),
            failed: AtomicU64::new(0),
        }
    }

    /// Microseconds since the start.
    pub(crate) fn now(&self) -> u64 {
        micros(self.start.elapsed())
    }

    pub(crate) fn start(&self) -> Instant {
        self.start
    }

    pub(crate) fn started(&self) -> SystemTime {
        self.started
    }

    /// The number of the next query.
    pub(crate) fn next_query(&self) -> u32 {
        self.queries.fetch_add(1, Ordering::Relaxed)
    }

    pub(crate) fn call(&self, call: Call) {
        let mut records = self.lock();
        if records.calls.len() < MOST_CALLS {
            records.calls.push(call);
        } else {
            records.unkept += 1;
        }
    }

    pub(crate) fn run(&self, run: Run) {
        match run.end {
            Ending::Completed => self.completed.fetch_add(1, Ordering::Relaxed),
            Ending::Broken(_) | Ending::Lost(_) => self.failed.fetch_add(1, Ordering::Relaxed),
            Ending::Vanished | Ending::TurnedAway => 0,
        };
        self.lock().runs.push(run);
    }

    pub(crate) fn adopted(&self, adopted: Adopted) {
        self.lock().adoptions.push(adopted);
    }

    pub(crate) fn failure(&self, failure: Failure, is_broken: bool) {
        self.failed.fetch_add(1, Ordering::Relaxed);
        self.lock().failures.push((failure, is_broken));
    }

    /// The number of completed queries and of failures so far.
    pub(crate) fn counts(&self) -> (u64, u64) {
        (self.completed.load(Ordering::Relaxed), self.failed.load(Ordering::Relaxed))
    }

    /// Takes all records.
    pub(crate) fn take(&self) -> Records {
        std::mem::take(&mut self.lock())
    }

    fn lock(&self) -> MutexGuard<'_, Records> {
        self.records.lock()
    }
}

/// Converts a duration to whole microseconds.
pub(crate) fn micros(duration: std::time::Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}
