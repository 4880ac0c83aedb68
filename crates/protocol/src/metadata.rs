//! The names of metadata that a switch reads and writes.

/// Request: the strategy that the client wants.
pub const STRATEGY: &str = "strategy";
/// Response: the strategy that the switch is headed for.
pub const NEW_STRATEGY: &str = "new-strategy";
/// Rejection: the strategy to retry with. Nothing but a 456 has it.
pub const EXPECTED_STRATEGY: &str = "expected-strategy";
/// Rejection: the strategy that the request named.
pub const RECEIVED_STRATEGY: &str = "received-strategy";
