//! Fuzz targets: see the README.
//!
//! Each target turns bytes into a deterministic run, so that a failing input fails again.

pub mod binlog;
mod body;
pub mod client;
mod executor;
mod frames;
pub mod hpack;
mod input;
mod model;
mod nghttp2;
pub mod pair;
mod peer;
mod pipe;
pub mod server;
mod side;
mod users;
