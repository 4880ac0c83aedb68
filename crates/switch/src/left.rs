//! Engines that teal has abandoned as unhealthy: calls that wait for one end, and new ones are turned away.

use std::sync::Arc;

use tokio_util::sync::{CancellationToken, WaitForCancellationFutureOwned};

/// Tells calls that wait for the engine of a strategy whether teal has abandoned it. Clones share the answer.
#[derive(Clone, Debug, Default)]
pub struct Left {
    shared: Arc<Shared>,
}

#[derive(Debug, Default)]
struct Shared {
    token: CancellationToken,
    why: std::sync::OnceLock<String>,
}

impl Left {
    /// Abandons the engine for good: calls that come after its return get a new one of these.
    pub(super) fn leave(&self, why: String) {
        _ = self.shared.why.set(why);
        self.shared.token.cancel();
    }

    pub(super) fn is_left(&self) -> bool {
        self.shared.token.is_cancelled()
    }

    /// Resolves when the engine is abandoned.
    pub fn wait(&self) -> WaitForCancellationFutureOwned {
        self.shared.token.clone().cancelled_owned()
    }

    /// The reason, which names the engine.
    pub fn why(&self) -> &str {
        self.shared.why.get().map_or("", String::as_str)
    }
}
