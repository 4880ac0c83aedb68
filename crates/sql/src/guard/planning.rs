//! Planning can take long, and computes constants. It runs on a thread of its own, with little memory for constants,
//! and stops soon after it is cancelled.

use std::cell::RefCell;

use datafusion::{
    common::{DataFusionError, Result, tree_node::Transformed},
    logical_expr::LogicalPlan,
    optimizer::{OptimizerConfig, OptimizerRule},
};
use tokio::{runtime::Handle, task::AbortHandle};

use crate::{Error, engine::guarded, exec::Stop};

/// The most bytes of constants computed while planning one statement. Further constants are computed during
/// execution, where they are counted.
const CONSTANTS: u128 = 8 << 20;

thread_local! {
    static CURRENT: RefCell<Option<Planning>> = const { RefCell::new(None) };
}

struct Planning {
    stop: Stop,
    left: u128,
}

/// Runs planning work on a thread of its own. It stops soon after this future is dropped.
pub(crate) async fn apart<T: Send + 'static>(
    work: impl Future<Output = Result<T, Error>> + Send + 'static,
) -> Result<T, Error> {
    let (runtime, stop) = (Handle::current(), Stop::default());
    let planning = Planning { stop: stop.clone(), left: CONSTANTS };
    let task = tokio::task::spawn_blocking(move || {
        CURRENT.set(Some(planning));
        let done = runtime.block_on(guarded(work));
        CURRENT.set(None);
        done
    });
    let _unless_done = Abandon { stop, task: task.abort_handle() };
    task.await.map_err(|error| Error::Internal(error.to_string()))?
}

/// Cancels the planning when dropped.
struct Abandon {
    stop: Stop,
    task: AbortHandle,
}

impl Drop for Abandon {
    fn drop(&mut self) {
        self.stop.stop();
        self.task.abort();
    }
}

/// Returns whether a constant of this size may be computed during planning; `None` outside of planning.
pub(super) fn constant(name: &str, bytes: u128) -> Option<Result<()>> {
    CURRENT.with_borrow_mut(|current| {
        let planning = current.as_mut()?;
        if let Err(stopped) = planning.stop.check() {
            return Some(Err(stopped));
        }
        Some(match planning.left.checked_sub(bytes) {
            Some(left) => {
                planning.left = left;
                Ok(())
            }
            None => Err(DataFusionError::ResourcesExhausted(format!("{name}: too large for a constant"))),
        })
    })
}

/// An optimizer rule that changes nothing, and fails once planning is cancelled.
#[derive(Debug)]
pub(crate) struct GiveUp;

impl OptimizerRule for GiveUp {
    fn name(&self) -> &'static str {
        "give_up"
    }

    fn rewrite(&self, plan: LogicalPlan, _: &dyn OptimizerConfig) -> Result<Transformed<LogicalPlan>> {
        CURRENT.with_borrow(|current| current.as_ref().map_or(Ok(()), |planning| planning.stop.check()))?;
        Ok(Transformed::no(plan))
    }
}
