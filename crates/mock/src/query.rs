//! One query: its prepared work and its current execution.

use std::sync::Arc;

use parking_lot::{Mutex, MutexGuard};
use sql::{Frame, Statement};
use uuid::Uuid;

use super::{
    execution::Execution,
    session::Session,
    status::{EngineError, Refusal},
};

/// A query on record.
#[derive(Debug)]
pub(crate) struct Query {
    /// Its id.
    pub(crate) id: Uuid,
    /// The session that it belongs to.
    pub(crate) session: Arc<Session>,
    /// The work to run.
    pub(crate) work: Work,
    run: Mutex<Run>,
}

/// The work of a query.
#[derive(Debug)]
pub(crate) enum Work {
    /// A prepared statement.
    Statement(Statement),
    /// A DataFrame under construction.
    Frame(Box<FrameWork>),
}

/// A DataFrame under construction.
#[derive(Debug)]
pub(crate) struct FrameWork {
    /// The number that the client assigned.
    pub(crate) number: i32,
    /// The steps so far. Calls that add steps take turns.
    pub(crate) steps: tokio::sync::Mutex<Steps>,
}

/// The steps of a DataFrame.
#[derive(Debug)]
pub(crate) struct Steps {
    /// The frame so far.
    pub(crate) frame: Frame,
    /// Set by execution; no step may follow.
    pub(crate) executed: bool,
}

#[derive(Debug, Default)]
struct Run {
    closed: bool,
    execution: Option<Arc<Execution>>,
}

impl Query {
    /// Creates a query that is not running.
    pub(crate) fn new(session: Arc<Session>, work: Work) -> Arc<Self> {
        Arc::new(Self { id: Uuid::new_v4(), session, work, run: Mutex::default() })
    }

    /// The current execution.
    pub(crate) fn execution(&self) -> Result<Arc<Execution>, EngineError> {
        self.running().ok_or_else(|| match &self.work {
            Work::Statement(_) => Refusal::NotExecuted(self.id.to_string()).into(),
            Work::Frame(frame) => EngineError::invalid(format!(
                "DataFrame {} of query '{}' is not executing: call executeDataFrame first",
                frame.number, self.id
            )),
        })
    }

    /// The current execution, if it was started.
    pub(crate) fn running(&self) -> Option<Arc<Execution>> {
        self.lock().execution.clone()
    }

    /// Installs a new current execution, and ends the previous one.
    pub(crate) fn install(&self, execution: Arc<Execution>) -> Result<(), Refusal> {
        let mut run = self.lock();
        if run.closed {
            drop(run);
            execution.close();
            return Err(Refusal::Cleared(self.id.to_string()));
        }
        let before = run.execution.replace(execution);
        drop(run);
        if let Some(before) = before {
            before.close();
        }
        Ok(())
    }

    /// Ends the query. It cannot be executed again.
    pub(crate) fn close(&self) {
        let mut run = self.lock();
        run.closed = true;
        let execution = run.execution.take();
        drop(run);
        if let Some(execution) = execution {
            execution.close();
        }
    }

    fn lock(&self) -> MutexGuard<'_, Run> {
        self.run.lock()
    }
}
