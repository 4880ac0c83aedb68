//! Moves work from the network threads to the engine's runtime, where SQL, encoding and file access may run.

use std::future::Future;

use tokio::runtime::Handle;
use tokio_util::task::AbortOnDropHandle;
use tracing::Instrument;

use super::status::EngineError;

/// The engine's runtime.
#[derive(Clone, Debug)]
pub(crate) struct Executor {
    runtime: Handle,
}

impl Executor {
    /// Creates an executor for a runtime.
    pub(crate) fn new(runtime: Handle) -> Self {
        Self { runtime }
    }

    /// Runs `work` on the engine's runtime and waits for it. Dropping the future aborts the work. A panic in it is an
    /// [`EngineError::Bug`].
    pub(crate) async fn run<T: Send + 'static>(
        &self,
        work: impl Future<Output = Result<T, EngineError>> + Send + 'static,
    ) -> Result<T, EngineError> {
        match self.start(work).await {
            Ok(result) => result,
            Err(error) if error.is_panic() => Err(EngineError::Bug("the work for this call panicked")),
            Err(_) => Err(EngineError::Bug("the engine is shutting down")),
        }
    }

    /// Starts `work` on the engine's runtime. Dropping the handle aborts it.
    pub(crate) fn start<T: Send + 'static>(
        &self,
        work: impl Future<Output = T> + Send + 'static,
    ) -> AbortOnDropHandle<T> {
        AbortOnDropHandle::new(self.runtime.spawn(work.in_current_span()))
    }
}

#[cfg(test)]
mod tests {
    use tokio::sync::oneshot;

    use super::*;

    #[tokio::test]
    async fn a_panic_becomes_an_error() {
        let executor = Executor::new(Handle::current());
        let result: Result<(), _> = executor.run(async { panic!("on purpose") }).await;
        assert!(matches!(result, Err(EngineError::Bug(_))));
    }

    #[tokio::test(start_paused = true)]
    async fn dropping_the_wait_aborts_the_work() {
        let executor = Executor::new(Handle::current());
        let (held, dropped) = oneshot::channel::<()>();
        let wait = executor.run(async move {
            let _held = held;
            std::future::pending::<Result<(), EngineError>>().await
        });
        assert!(tokio::time::timeout(std::time::Duration::from_millis(10), wait).await.is_err());
        assert!(dropped.await.is_err());
    }
}
