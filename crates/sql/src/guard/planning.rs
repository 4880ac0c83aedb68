//! Planning can take long, and computes constants: it has a thread of its own, where it holds up nobody,
//! little memory for constants, and ends soon after nobody waits for it any more.

use std::cell::RefCell;

use datafusion::{
    common::{DataFusionError, Result, tree_node::Transformed},
    logical_expr::LogicalPlan,
    optimizer::{OptimizerConfig, OptimizerRule},
};
use tokio::{runtime::Handle, task::AbortHandle};

use crate::{Error, engine::guarded, exec::Stop};

/// Bytes of all constants that are computed while one statement is planned; what is beyond is left to its
/// execution, where it is counted.
const CONSTANTS: u128 = 8 << 20;

thread_local! {
    static CURRENT: RefCell<Option<Planning>> = const { RefCell::new(None) };
}

struct Planning {
    stop: Stop,
    left: u128,
}

/// Runs `work`, which plans, on a thread where it may compute for long. It ends soon after this future is
/// dropped.
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

/// Ends the planning once nobody waits for it.
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

/// Whether a constant of so many bytes may be computed here and now: `None` where nothing is being planned.
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

/// An optimizer rule that changes nothing, and fails once nobody waits for the plan.
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
