//! One connection to an engine: TCP, TLS if its URL says so, and HTTP/2.

use std::{io, net::SocketAddr, time::Duration};

use http2::{
    PingPong, Settings,
    client::{self, Connection, SendRequest},
};
use tokio::net::TcpStream;

use super::Target;
use crate::tls::{Stream, Trust};

/// The most streams on one connection. With this limit each stream may leave its whole window unread and the
/// connection's window still has room, so that no call waits for another one's reader.
pub(super) const STREAMS: usize = 128;
const STREAM_WINDOW: u32 = 1 << 20;
/// The HTTP/2 settings for engines.
fn settings() -> Settings {
    Settings {
        stream_window: STREAM_WINDOW,
        connection_window: STREAM_WINDOW * STREAMS as u32,
        // Large responses are read in frames of this size.
        max_frame_size: 64 << 10,
        max_header_list_size: 1 << 20,
        // A `grpc-message` may end with a blank.
        allows_blanks: true,
        ..Settings::default()
    }
}
/// How long a host may leave data or TCP keepalive probes unacknowledged.
const GONE: Duration = Duration::from_secs(60);

/// An open connection, which must be polled.
pub(super) struct Connected {
    pub(super) send: SendRequest,
    pub(super) connection: Connection<Stream>,
    pub(super) pings: PingPong,
}

/// Connects to an address of the engine, and waits for the engine's settings.
pub(super) async fn connect(
    target: &Target,
    trust: Option<&Trust>,
    address: SocketAddr,
) -> io::Result<Connected> {
    let stream = TcpStream::connect(address).await?;
    stream.set_nodelay(true)?;
    watch_host(&stream)?;
    let stream = match (&target.name, trust) {
        (None, _) => Stream::Plain(stream),
        (Some(name), Some(trust)) => trust.connect(stream, name).await?,
        (Some(_), None) => return Err(io::Error::other("there are no authorities to verify it with")),
    };
    let (send, mut connection) = client::new(stream, settings());
    let mut pings = connection.ping_pong();
    // The engine's settings arrive before its first pong. A rejected TLS certificate shows up here too.
    tokio::select! {
        biased;
        ended = &mut connection => {
            Err(ended.map_or_else(io::Error::other, |()| io::ErrorKind::ConnectionReset.into()))
        }
        pong = pings.ping() => {
            pong.map_err(io::Error::other)?;
            Ok(Connected { send, connection, pings })
        }
    }
}

/// Enables TCP keepalive, to detect a dead host.
fn watch_host(stream: &TcpStream) -> io::Result<()> {
    let socket = socket2::SockRef::from(stream);
    let probes = socket2::TcpKeepalive::new().with_time(GONE / 2).with_interval(GONE / 6);
    socket.set_tcp_keepalive(&probes)?;
    #[cfg(any(target_os = "android", target_os = "linux"))]
    socket.set_tcp_user_timeout(Some(GONE))?;
    Ok(())
}
