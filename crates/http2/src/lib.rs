//! HTTP/2 (RFC 9113) for a proxy: client and server connections that encode frames directly into the output buffer.
//!
//! A connection is a [`server::Connection`] or [`client::Connection`], which must be polled. The handles of its
//! streams, such as [`SendStream`] and [`RecvStream`], may be anywhere. A handle encodes what it sends into the
//! connection's output at once. The output leaves in one write when the connection is polled next. Data waits in its
//! stream only while a window or the socket has no room.
//!
//! Windows, streams, header lists, and the output that a client can cause without reading it, are bounded. Server
//! push, priorities and upgrades are not supported.
//!
//! A server that answers each request with its path, for as long as it is polled:
//!
//! ```no_run
//! use std::{future::poll_fn, io};
//!
//! use http::Response;
//! use teal_http2::{Error, Settings, server::Connection};
//! use tokio::net::TcpStream;
//!
//! async fn serve(stream: TcpStream) -> Result<(), Error> {
//!     let mut connection = Connection::new(stream, Settings::default());
//!     connection.handshake().await?;
//!     while let Some(accepted) = poll_fn(|cx| connection.poll_accept(cx)).await {
//!         let (request, mut respond) = accepted?;
//!         let mut body = respond.send_response(&Response::new(()), false)?;
//!         body.send_data(request.uri().path().to_owned().into(), true)?;
//!     }
//!     Ok(())
//! }
//! ```

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
mod held;
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
