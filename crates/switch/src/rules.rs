//! The settings of the switch.

use std::time::Duration;

use clap::ValueEnum;
use protocol::Strategy;
use serde::{Deserialize, Serialize};

/// How and when the switch moves. A `None` duration means never.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rules {
    /// The active strategy at start.
    pub initial: Strategy,
    /// How long after a strategy became active the other one is announced.
    pub switch_every: Option<Duration>,
    /// The handling of the old strategy's queries.
    pub cutover: Cutover,
    /// The least age of an announcement at its cutover.
    pub notice: Duration,
    /// The age of an announcement at which it is cut over even if no client has adopted it.
    pub announce_timeout: Option<Duration>,
    /// How long the announced engine may be unhealthy before its announcement is aborted.
    pub unhealthy_abort: Option<Duration>,
    /// How long the active engine may be unhealthy before the other one, if healthy, takes its place.
    pub failover: Option<Duration>,
    /// How long the old strategy must be idle for its drain to be over.
    pub grace: Duration,
    /// The age of a drain at which remaining queries are forgotten.
    pub drain_timeout: Option<Duration>,
    /// How long a query is remembered after the last request about it.
    pub query_ttl: Duration,
    /// How many queries are remembered at most.
    pub max_queries: usize,
}

/// The handling of the old strategy's queries at a cutover.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum Cutover {
    /// They run to their end.
    Drain,
    /// They get a 456 at once.
    Strict,
}

impl Default for Rules {
    fn default() -> Self {
        Self {
            initial: Strategy::Blue,
            switch_every: Some(Duration::from_secs(120)),
            cutover: Cutover::Drain,
            notice: Duration::from_secs(1),
            announce_timeout: Some(Duration::from_secs(60)),
            unhealthy_abort: Some(Duration::from_secs(5)),
            failover: None,
            grace: Duration::from_secs(5),
            drain_timeout: Some(Duration::from_secs(300)),
            query_ttl: Duration::from_secs(3600),
            max_queries: 1_000_000,
        }
    }
}
