//! End to end: the real binary, and clients as they are published.
#![allow(missing_docs)]

mod announcing;
mod api;
mod behaving;
mod calls;
mod config;
mod connectors;
mod data;
mod ending;
mod faults;
mod foreign;
mod instances;
mod introspection;
mod limits;
mod log;
mod many;
mod methods;
mod names;
mod operate;
mod page;
mod preview;
mod probes;
mod proxying;
mod readme;
mod recording;
mod rejected;
mod reload;
mod replaying;
mod rules;
mod scenarios;
mod settings;
mod support;
mod tls;
mod tokens;
mod watching;
mod webhooks;
