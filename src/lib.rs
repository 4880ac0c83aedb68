//! `teal` is a transparent gRPC proxy that adds blue-green switching to an engine, with a built-in engine to test
//! against.

pub mod app;
pub mod cli;
pub mod config;
pub mod ctl;
pub mod log;
pub mod rehearsal;
pub mod reload;
pub mod scenario;
mod systemd;
