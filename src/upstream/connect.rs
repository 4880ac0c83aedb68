//! One connection to an engine: TCP, TLS where its URL says so, and HTTP/2.

use std::io;

use bytes::Bytes;
use h2::{
    Ping,
    client::{Builder, Connection, SendRequest},
};
use tokio::net::TcpStream;

use super::Target;
use crate::tls::{Stream, Trust};

/// Windows and limits: see the server's.
const STREAM_WINDOW: u32 = 1 << 20;
const CONNECTION_WINDOW: u32 = 16 << 20;
const HEADERS: u32 = 256 << 10;

/// Connects, and waits until the engine has said what it allows. The connection has to be polled.
pub(super) async fn connect(
    target: &Target,
    trust: Option<&Trust>,
) -> io::Result<(SendRequest<Bytes>, Connection<Stream, Bytes>)> {
    let stream = TcpStream::connect(&target.address).await?;
    stream.set_nodelay(true)?;
    let stream = match (&target.name, trust) {
        (None, _) => Stream::Plain(stream),
        (Some(name), Some(trust)) => trust.connect(stream, name).await?,
        (Some(_), None) => return Err(io::Error::other("there are no authorities to judge it by")),
    };
    let (send, mut connection) = Builder::new()
        .initial_window_size(STREAM_WINDOW)
        .initial_connection_window_size(CONNECTION_WINDOW)
        .max_header_list_size(HEADERS)
        .enable_push(false)
        .handshake(stream)
        .await
        .map_err(io::Error::other)?;
    let mut pings = connection.ping_pong().expect("nobody has taken them");
    // The engine's settings come before its first pong, and what it objects to in TLS does instead.
    tokio::select! {
        biased;
        ended = &mut connection => {
            Err(ended.map_or_else(io::Error::other, |()| io::ErrorKind::ConnectionReset.into()))
        }
        pong = pings.ping(Ping::opaque()) => pong.map(|_| (send, connection)).map_err(io::Error::other),
    }
}
