//! The engines that calls are forwarded to, as operators see them.

use std::{fmt::Debug, sync::Arc};

use futures::future::BoxFuture;
use protocol::Strategy;
use proxy::upstream::{EngineStatus, Health};

/// Who knows the engines.
pub trait Engines: Debug + Send + Sync {
    /// What is known of each engine.
    fn status(&self) -> Vec<EngineStatus>;

    /// Asks the engine of a strategy whether it is well; if not, why.
    fn check(&self, strategy: Strategy) -> BoxFuture<'_, Result<(), String>>;
}

/// Asks the engine of a strategy whether it is well, where there are engines to ask.
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
