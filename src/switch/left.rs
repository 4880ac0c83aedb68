//! Engines that teal has left because they are not healthy: who waits for one is told, and who comes.

use std::sync::Arc;

use tokio_util::sync::{CancellationToken, WaitForCancellationFutureOwned};

/// Whether the engine of a strategy is left, for a call that would wait for it. A clone is the same.
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
    /// From now on it is, for good: whoever comes back to the engine waits for another one of these.
    pub(super) fn leave(&self, why: String) {
        _ = self.shared.why.set(why);
        self.shared.token.cancel();
    }

    pub(super) fn is_left(&self) -> bool {
        self.shared.token.is_cancelled()
    }

    /// Resolves when it is.
    pub fn wait(&self) -> WaitForCancellationFutureOwned {
        self.shared.token.clone().cancelled_owned()
    }

    /// Why, in words that name the engine.
    pub fn why(&self) -> &str {
        self.shared.why.get().map_or("", String::as_str)
    }
}
