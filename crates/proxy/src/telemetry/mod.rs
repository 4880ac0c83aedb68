//! What is told of teal's work: the log, metrics, the last minutes as a series, traces. The gate tells
//! the [watch](Collector) of each call; each network thread counts for itself.

mod call;
mod client_connection;
mod collector;
mod each;
mod metrics;
mod series;
mod shard;
mod thread_counters;
pub mod traces;

pub use self::{
    call::{Call, Outcome, Status},
    client_connection::ClientConnection,
    collector::Collector,
    each::Each,
    metrics::{AddressMetrics, Metrics, UpstreamMetrics},
    series::{Point, Series},
    shard::Shard,
};
