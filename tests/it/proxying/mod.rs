//! The points at which gRPC proxies fail, with the real binary between engines and clients.
//!
//! Tests are named after the points they prove. `docs/proxying.md` has the table, and names further tests elsewhere.

#![allow(clippy::unwrap_used, reason = "a peer that fails is a test that fails")]

use crate::support::{peers, raw};

mod absent;
mod appending;
mod clients;
mod engines;
mod flow;
mod framing;
mod goaway;
mod half_close;
mod header_limits;
mod headers;
mod hostile;
mod interop;
mod methods;
mod pings;
mod resets;
mod retries;
mod shutdown;
mod table;
