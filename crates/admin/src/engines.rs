//! The engines that calls are forwarded to, as operators see them.

use std::{fmt::Debug, sync::Arc};

use futures::future::BoxFuture;
use protocol::Strategy;
use proxy::upstream::{EngineStatus, Health};

/// Reports on the engines and checks their health.
pub trait Engines: Debug + Send + Sync {
    /// The status of each engine.
    fn status(&self) -> Vec<EngineStatus>;

    /// Checks the health of a strategy's engine. The error is the reason why it is unhealthy.
    fn check(&self, strategy: Strategy) -> BoxFuture<'_, Result<(), String>>;
}

/// Checks the health of a strategy's engine; without engines the result is `Ok`.
pub async fn check(engines: Option<Arc<dyn Engines>>, strategy: Strategy) -> Result<(), String> {
    match engines {
        Some(engines) => engines.check(strategy).await,
        None => Ok(()),
    }
}

impl Engines for Health {
    fn status(&self) -> Vec<EngineStatus> {
        self.engines()
    }

    fn check(&self, strategy: Strategy) -> BoxFuture<'_, Result<(), String>> {
        Box::pin(async move { self.ask(strategy).await.map_err(|unwell| unwell.to_string()) })
    }
}
