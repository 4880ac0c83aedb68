//! What is told of teal's work: the log, metrics, the last minutes as a series, traces. The gate tells
//! the [watch](Watch) of each call; each network thread counts for itself.

mod api;
mod call;
mod line;
mod log;
mod metrics;
mod series;
mod shard;
mod tally;
pub mod traces;
mod watch;

pub use self::{
    api::routes,
    call::{Call, Outcome, Status},
    line::{Line, Said},
    log::{init, set_level},
    metrics::{AddressMetrics, Metrics, UpstreamMetrics},
    series::{Point, Series},
    shard::Shard,
    watch::Watch,
};
