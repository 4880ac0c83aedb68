//! The engine through its public API: text in, record batches out.

mod cases;
mod catalogs;
mod dialect;
mod differential;
mod files;
mod forms;
mod frames;
mod lambdas;
mod limits;
mod literals;
mod meanings;
mod memory;
mod messages;
mod numbers;
mod parameters;
mod queries;
mod results;
mod shapes;
mod spark;
mod support;
mod tpch;
mod types;
mod unknown;
