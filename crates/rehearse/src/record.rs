//! What clients write down: each call, each query, each adoption. Times are microseconds since the start.

use std::{
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU32, AtomicU64, Ordering},
    },
    time::SystemTime,
};

use protocol::{CallKind, Strategy};
use serde::Serialize;
use tokio::time::Instant;

use super::behaviour::Behaviour;

/// Calls that are kept for the checker; later ones count in the figures alone.
const MOST_CALLS: usize = 4_000_000;

/// One call, as its client saw it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Call {
    /// Whose.
    pub client: u32,
    /// The query that it is about: a number of its own for each that was prepared.
    pub query: Option<u32>,
    /// The method's name.
    pub method: &'static str,
    /// What that does.
    pub kind: CallKind,
    /// The strategy in its header.
    pub strategy: Option<Strategy>,
    /// When it was sent.
    pub sent: u64,
    /// When its outcome was there.
    pub answered: u64,
    /// How it ended.
    pub outcome: Outcome,
    /// The strategy that its answer announced.
    pub notice: Option<Strategy>,
}

/// How a call ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// With success.
    Answered,
    /// With a 456.
    Refused,
    /// With another error.
    Failed {
        /// The gRPC code.
        code: i32,
        /// The details.
        message: Box<str>,
        /// The connection or the engine was gone: no answer came from anybody.
        is_broken: bool,
    },
    /// Its client left before the answer came.
    GivenUp,
}

/// One query of the application: everything from its execute to its clear, with all tries.
#[derive(Clone, Debug, Serialize)]
pub struct Run {
    /// Whose.
    pub client: u32,
    /// The strategy that it ended under.
    pub strategy: Option<Strategy>,
    /// When it was due.
    pub due: u64,
    /// When it was begun.
    pub begun: u64,
    /// When it was over.
    pub ended: u64,
    /// How often it was begun anew after a 456.
    pub retries: u32,
    /// Rows read, all of them as expected.
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
    /// Its client left on purpose.
    Vanished,
    /// Refused from the first call on, to a client that doesn't follow.
    TurnedAway,
    /// The connection or the engine was gone.
    Broken(Failure),
    /// Lost: anything else.
    Lost(Failure),
}

/// What went wrong, in which call.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Failure {
    /// The method.
    pub call: &'static str,
    /// The strategy in its header.
    pub strategy: Option<Strategy>,
    /// When.
    pub time: u64,
    /// The gRPC code, if it has to do with one.
    pub code: Option<i32>,
    /// In words.
    pub message: String,
}

/// A client process moved to another strategy.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Adopted {
    /// Which process.
    pub process: u32,
    /// From which strategy.
    pub from: Option<Strategy>,
    /// To which.
    pub to: Strategy,
    /// When it was first told.
    pub told: u64,
    /// When it adopted.
    pub at: u64,
}

/// A client of the rehearsal: one thread of a process, with a connection.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Who {
    /// Its number.
    pub client: u32,
    /// That of its process.
    pub process: u32,
    /// How it behaves.
    pub behaviour: Behaviour,
}

/// All that was written down.
#[derive(Debug, Default)]
pub struct Records {
    /// Calls, in the order of their answers.
    pub calls: Vec<Call>,
    /// Calls that there was no room for.
    pub unkept: u64,
    /// Queries of the application.
    pub runs: Vec<Run>,
    /// Adoptions.
    pub adoptions: Vec<Adopted>,
    /// Failures of calls that are no part of a query, and whether nobody answered.
    pub failures: Vec<(Failure, bool)>,
}

/// Where clients write.
#[derive(Debug)]
pub(crate) struct Recorder {
    start: Instant,
    /// The same moment on the wall clock, for what servers say of time.
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

    /// A number for a query that is about to be prepared.
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

    /// Queries completed and failures so far.
    pub(crate) fn counts(&self) -> (u64, u64) {
        (self.completed.load(Ordering::Relaxed), self.failed.load(Ordering::Relaxed))
    }

    /// Takes everything out.
    pub(crate) fn take(&self) -> Records {
        std::mem::take(&mut self.lock())
    }

    fn lock(&self) -> MutexGuard<'_, Records> {
        self.records.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// As whole microseconds.
pub(crate) fn micros(duration: std::time::Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}
