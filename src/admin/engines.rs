//! The engines that calls are forwarded to, as operators see them.

use std::{fmt::Debug, future::ready};

use futures::future::BoxFuture;

use crate::{
    strategy::Strategy,
    upstream::{EngineStatus, Health},
};

/// Who knows the engines.
pub trait Engines: Debug + Send + Sync {
    /// What is known of each engine.
    fn status(&self) -> Vec<EngineStatus>;

    /// Asks the engine of a strategy whether it is well; if not, why.
    fn check(&self, strategy: Strategy) -> BoxFuture<'_, Result<(), String>>;

    /// Asks the engine of a strategy that is to be announced, unless it is the only one.
    fn may_announce(&self, strategy: Strategy) -> BoxFuture<'_, Result<(), String>> {
        if self.status().len() > 1 { self.check(strategy) } else { Box::pin(ready(Ok(()))) }
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
