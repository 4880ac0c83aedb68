//! Where each thing of the API is: server and client read it here.

/// The state of the switch.
pub const STATE: &str = "/api/v1/state";
/// Announce a strategy.
pub const SWITCH: &str = "/api/v1/switch";
/// Make the announced strategy active.
pub const CUTOVER: &str = "/api/v1/cutover";
/// Withdraw the announcement.
pub const ABORT: &str = "/api/v1/abort";
/// Announce the old strategy again.
pub const ROLLBACK: &str = "/api/v1/rollback";
/// Pause or resume the timer.
pub const TIMER: &str = "/api/v1/timer";
/// The queries on record.
pub const QUERIES: &str = "/api/v1/queries";
/// The last events.
pub const EVENTS: &str = "/api/v1/events";
/// Events as they happen.
pub const EVENT_STREAM: &str = "/api/v1/events/stream";
/// The cluster of the built-in engine.
pub const CLUSTER: &str = "/api/v1/cluster";
/// Revoke tokens of the built-in engine.
pub const REVOKE_TOKENS: &str = "/api/v1/tokens/revoke";
/// The clients, and the verdicts on them.
pub const CLIENTS: &str = "/api/v1/clients";
/// The last ten minutes.
pub const SERIES: &str = "/api/v1/series";
/// The metrics, as Prometheus reads them.
pub const METRICS: &str = "/metrics";
/// Whether the server runs.
pub const LIVEZ: &str = "/livez";
/// Whether calls can be served.
pub const READYZ: &str = "/readyz";
/// The rules in force.
pub const FAULTS: &str = "/api/v1/faults";
/// One rule.
pub const FAULT: &str = "/api/v1/faults/{id}";
/// Read the settings again.
pub const RELOAD: &str = "/api/v1/reload";
/// The document of the API.
pub const DOCUMENT: &str = "/api/v1/openapi.json";
