//! `teal` stands between blue and green: a transparent gRPC proxy that adds the semantics of a
//! blue-green switch to an engine, and an engine of its own to stand behind it.

pub mod admin;
pub mod app;
pub mod cli;
pub mod clients;
pub mod config;
#[cfg(feature = "mock")]
mod control;
pub mod fault;
pub mod gate;
pub mod operate;
pub mod rehearse;
pub mod reload;
pub mod server;
pub mod telemetry;
pub mod tls;
pub mod upstream;

#[cfg(test)]
mod simulation;
