//! Metrics, clients, the last minutes as a series, and traces. The gate reports each call to the
//! [collector](Collector); each network thread counts for itself.

mod call;
mod client_connection;
mod collector;
mod each;
pub mod history;
mod instances;
mod metrics;
mod peers;
mod series;
mod shard;
mod thread_counters;
pub mod traces;
mod webhooks;

pub use self::{
    call::{Call, Outcome, Status},
    client_connection::ClientConnection,
    collector::Collector,
    each::Each,
    metrics::{AddressMetrics, Metrics, UpstreamMetrics},
    peers::Peers,
    series::{Point, Series},
    shard::Shard,
    webhooks::{DropReason, WebhookMetrics},
};
