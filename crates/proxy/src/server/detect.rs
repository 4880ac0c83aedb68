//! Detects the protocol on an accepted socket.

use std::{future::poll_fn, io, time::Duration};

use http2::{Reason, Settings, server::Connection};
use socket2::{SockRef, TcpKeepalive};
use tokio::net::TcpStream;
use tracing::debug;

use crate::tls::{Identity, Stream};

/// The first byte of TLS: a handshake record.
const HANDSHAKE_RECORD: u8 = 22;
/// How long a client's host may be silent before TCP keepalive probes it.
const SILENCE: Duration = Duration::from_secs(30);

/// Performs the TLS handshake, if TLS is configured. [`Stream::protocol`] is the result of ALPN; without ALPN the
/// client speaks HTTP/2.
pub(super) async fn open(stream: TcpStream, tls: Option<&Identity>) -> io::Result<Stream> {
    stream.set_nodelay(true)?;
    watch_host(&stream)?;
    let Some(tls) = tls else { return Ok(Stream::Plain(stream)) };
    let mut first = [0];
    if stream.peek(&mut first).await? == 1 && first[0] != HANDSHAKE_RECORD {
        refuse(stream).await.map_err(io::Error::other)?;
        return Err(io::Error::other("it does not speak TLS"));
    }
    let stream = tls.accept(stream).await?;
    debug!("TLS handshake done, ALPN: {:?}", stream.protocol().map(String::from_utf8_lossy));
    Ok(stream)
}

/// Enables TCP keepalive, to detect a dead host of an idle client.
fn watch_host(stream: &TcpStream) -> io::Result<()> {
    let probes = TcpKeepalive::new().with_time(SILENCE).with_interval(SILENCE / 3);
    SockRef::from(stream).set_tcp_keepalive(&probes)
}

/// Rejects a client that speaks HTTP/2 without TLS, with an explanation in HTTP/2.
async fn refuse(stream: TcpStream) -> Result<(), http2::Error> {
    let mut connection = Connection::new(stream, Settings::default());
    connection.handshake().await?;
    connection.abrupt_shutdown(Reason::INADEQUATE_SECURITY);
    poll_fn(|cx| connection.poll_closed(cx)).await
}
