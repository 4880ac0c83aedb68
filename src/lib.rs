//! `teal` stands between blue and green: a transparent gRPC proxy that adds the semantics of a
//! blue-green switch to an engine, and an engine of its own to stand behind it.

pub mod admin;
pub mod app;
pub mod cli;
pub mod clients;
pub mod config;
pub mod fault;
pub mod gate;
#[cfg(feature = "mock")]
pub mod mock;
pub mod operate;
pub mod protocol;
pub mod rehearse;
pub mod reload;
pub mod server;
pub mod strategy;
pub mod switch;
pub mod telemetry;
pub mod tls;
pub mod upstream;

/// The messages and services of `proto/`, generated.
#[allow(missing_docs, unreachable_pub, missing_debug_implementations)]
#[allow(clippy::all, clippy::unwrap_used)]
pub mod pb {
    tonic::include_proto!("_");
}
