//! `teal` stands between blue and green: a transparent gRPC proxy that adds the semantics of a
//! blue-green switch to an engine, and an engine of its own to stand behind it.

pub mod app;
pub mod cli;
pub mod config;
pub mod ctl;
pub mod log;
pub mod rehearsal;
pub mod reload;
pub mod scenario;
