//! What is told of teal's work: the log, metrics, the last minutes as a series, traces. The gate tells
//! the [watch](Watch) of each call; each network thread counts for itself.

mod call;
mod each;
mod line;
mod metrics;
mod series;
mod shard;
mod tally;
pub mod traces;
mod watch;

pub use self::{
    call::{Call, Outcome, Status},
    each::Each,
    line::{Line, Said},
    metrics::{AddressMetrics, Metrics, UpstreamMetrics},
    series::{Point, Series},
    shard::Shard,
    watch::Watch,
};
