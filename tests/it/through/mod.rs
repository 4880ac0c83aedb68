//! What holds of the built-in engine holds in front of any other: a server of its own, one per strategy,
//! and one of another implementation.

mod grpcio;
mod killed;
mod one;
mod sessions;
mod two;

use std::time::Duration;

use crate::support::Builder;

/// Switches that a load has to see.
const SWITCHES: usize = 5;
const SWITCHES_WITHIN: Duration = Duration::from_secs(120);
const SOON: Duration = Duration::from_secs(60);

/// Switches without pause.
fn fast(server: Builder) -> Builder {
    server.switch_every("2s").notice("0s").grace("1s")
}
