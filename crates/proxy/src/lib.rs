//! The data path. A [`server`] accepts connections, over [`tls`] or not; the [`gate`] asks the switch about each
//! call; a [`fault`] may delay or fail it; an [`upstream`] engine answers, or a service that is handed in.
//! A [`recording`] keeps what clients send and get; [`telemetry`] counts and traces calls, and [`adoption`] says who followed a switch.

pub mod adoption;
mod data_path;
pub mod fault;
pub mod gate;
pub mod recording;
mod redaction;
pub mod server;
pub mod telemetry;
pub mod tls;
pub mod upstream;

pub use self::data_path::{Answering, DataPath, Listeners, Served};
