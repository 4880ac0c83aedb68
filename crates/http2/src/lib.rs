//! HTTP/2 (RFC 9113) for a proxy: both sides of a connection, whose frames are written where they are made.
//!
//! A connection is a [`server::Connection`] or [`client::Connection`], which somebody polls, and handles
//! of its streams, which may be anywhere: [`SendStream`], [`RecvStream`] and what leads to them. What a
//! handle sends is encoded at once into the connection's output, which leaves in one write when the
//! connection is polled next. Data waits in its stream only while a window or the socket has no room.
//!
//! Windows, streams, header lists, and what a client can make this side say without reading it, are bounded.
//! Pushes, priorities and upgrades are not offered.

mod budget;
mod buffer_pool;
pub mod client;
mod connection;
mod core;
mod error;
mod frame;
#[cfg(any(test, feature = "inspect"))]
pub mod fuzzing;
mod head;
mod hpack;
mod input;
#[cfg(any(test, feature = "inspect"))]
mod inspect;
mod list;
mod output;
mod ping;
mod rate;
mod reader;
mod recv;
mod refusal;
mod reset;
mod send;
pub mod server;
mod settings;
mod share;
mod stream;

pub use budget::{Budget, StreamAccount};
pub use error::{Error, Reason};
pub use head::RawAuthority;
pub use ping::PingPong;
pub use rate::Rate;
pub use refusal::Refusal;
pub use settings::{Limits, Settings};
pub use share::{RecvStream, SendStream};
