//! Follows the addresses of the engine's name.

use std::{sync::Arc, time::Duration};

use tokio::time::sleep;
use tracing::debug;

use super::Endpoint;

/// The most addresses that each thread keeps connections to.
const MAX_SPREAD: usize = 16;
/// The shortest time between two look-ups of a name, however many connections end.
const ASKED_EVERY: Duration = Duration::from_secs(1);

impl Endpoint {
    /// Drops closed connections, and opens new ones as needed.
    pub(super) async fn tidy(&self) {
        let pause = self.pool().ended();
        self.shared.changed.notify_waiters();
        // The engine may have moved when a connection ends.
        self.resolve(ASKED_EVERY).await;
        sleep(pause).await;
        self.warm_up();
    }

    /// Resolves the engine's name periodically while the endpoint is in use.
    pub(in crate::upstream) fn keep_resolved(&self, every: Duration) {
        if self.shared.stats.addresses.is_literal() {
            return;
        }
        let shared = Arc::downgrade(&self.shared);
        tokio::spawn(async move {
            loop {
                sleep(every).await;
                let Some(shared) = shared.upgrade() else { return };
                let endpoint = Self { shared };
                // All threads ask; the first one does the look-up.
                endpoint.resolve(every / 2).await;
                endpoint.pool().wake();
                endpoint.warm_up();
            }
        });
    }

    /// Applies the addresses of the engine's name, at most `max_age` old.
    pub(super) async fn resolve(&self, max_age: Duration) {
        if self.shared.stats.addresses.is_literal() {
            return;
        }
        match self.shared.stats.addresses.fresh(max_age).await {
            Ok(addresses) => {
                self.see_addresses();
                let mut pool = self.pool();
                if !pool.retire(&addresses) && pool.connecting == 0 && pool.pause().is_none() {
                    self.connect(&mut pool);
                }
            }
            Err(error) => debug!(engine = self.url(), "engine {} cannot be found: {error}", self.url()),
        }
    }

    /// Updates the number of addresses to spread calls over: those that are reachable as far as is known.
    pub(super) fn see_addresses(&self) {
        let stats = &self.shared.stats;
        let usable = stats.addresses.current().iter().filter(|address| !stats.is_avoided(**address)).count();
        self.pool().spread = usable.clamp(1, MAX_SPREAD);
    }
}
