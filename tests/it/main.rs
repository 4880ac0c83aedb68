//! End to end: the real binary, and clients as they are published.
#![allow(missing_docs)]

mod announcing;
mod connectors;
mod data;
mod ending;
mod foreign;
mod log;
mod methods;
mod rejected;
mod settings;
mod support;
mod switching;
mod tls;
