//! What goes wrong with proxies of gRPC, point by point, with the real binary between engines and clients.
//!
//! Tests are named after the points that they prove; `docs/proxying.md` has the table, and those that need no wire, which
//! stand elsewhere.

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
