//! The paths of the API, used by the server and the client.

/// The state of the switch.
pub const STATE: &str = "/api/v1/state";
/// Announces a strategy.
pub const SWITCH: &str = "/api/v1/switch";
/// Makes the announced strategy active.
pub const CUTOVER: &str = "/api/v1/cutover";
/// Withdraws the announcement.
pub const ABORT: &str = "/api/v1/abort";
/// Announces the old strategy again.
pub const ROLLBACK: &str = "/api/v1/rollback";
/// Pauses or resumes the timer.
pub const TIMER: &str = "/api/v1/timer";
/// The queries on record.
pub const QUERIES: &str = "/api/v1/queries";
/// The most recent events.
pub const EVENTS: &str = "/api/v1/events";
/// Events as they happen.
pub const EVENT_STREAM: &str = "/api/v1/events/stream";
/// The cluster of the built-in engine.
pub const CLUSTER: &str = "/api/v1/cluster";
/// Revokes tokens of the built-in engine.
pub const REVOKE_TOKENS: &str = "/api/v1/tokens/revoke";
/// The clients, and the verdicts on them.
pub const CLIENTS: &str = "/api/v1/clients";
/// Counts of the last ten minutes, second by second.
pub const SERIES: &str = "/api/v1/series";
/// The last calls.
pub const CALLS: &str = "/api/v1/calls";
/// One call, with its messages.
pub const CALL: &str = "/api/v1/calls/{id}";
/// Calls as they end.
pub const CALL_STREAM: &str = "/api/v1/calls/stream";
/// Verifies a statement about calls.
pub const VERIFY_CALLS: &str = "/api/v1/calls/verify";
/// Metrics in the Prometheus text format.
pub const METRICS: &str = "/metrics";
/// Liveness: the server runs.
pub const LIVEZ: &str = "/livez";
/// Readiness: calls can be served.
pub const READYZ: &str = "/readyz";
/// The active fault rules.
pub const FAULTS: &str = "/api/v1/faults";
/// One fault rule.
pub const FAULT: &str = "/api/v1/faults/{id}";
/// Reloads the settings.
pub const RELOAD: &str = "/api/v1/reload";
/// Records calls.
pub const RECORD: &str = "/api/v1/record";
/// The OpenAPI document.
pub const DOCUMENT: &str = "/api/v1/openapi.json";
