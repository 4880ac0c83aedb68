//! The engines that calls are forwarded to, as operators see them.

use std::fmt::Debug;

use futures::future::BoxFuture;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::strategy::Strategy;

/// Who knows the engines.
pub trait Engines: Debug + Send + Sync {
    /// What is known of each engine.
    fn status(&self) -> Vec<EngineStatus>;

    /// Asks the engine of a strategy whether it is well; if not, why.
    fn check(&self, strategy: Strategy) -> BoxFuture<'_, Result<(), String>>;
}

/// What is known of an engine.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct EngineStatus {
    /// The strategies whose calls it gets.
    pub strategies: Vec<Strategy>,
    /// Where it is.
    pub url: String,
    /// Whether it was well when it was last asked.
    #[schema(required)]
    pub healthy: Option<bool>,
    /// What was wrong then.
    #[schema(required)]
    pub problem: Option<String>,
    /// Connections to it.
    pub connections: u64,
}
