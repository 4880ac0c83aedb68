//! End to end: the real binary, and clients as they are published.
#![allow(missing_docs)]

mod announcing;
mod api;
mod connectors;
mod data;
mod ending;
mod faults;
mod foreign;
mod introspection;
mod log;
mod methods;
mod operate;
mod rejected;
mod scenarios;
mod settings;
mod support;
mod switching;
mod tls;
mod tokens;
