//! From an accepted socket to a stream of which it is known what is spoken on it.

use std::{future::poll_fn, io, time::Duration};

use http2::{Reason, Settings, server::Connection};
use socket2::{SockRef, TcpKeepalive};
use tokio::net::TcpStream;
use tracing::debug;

use crate::tls::{Identity, Stream};

/// How TLS begins: with a record of a handshake.
const HANDSHAKE_RECORD: u8 = 22;
/// How long a client's host may say nothing before TCP asks whether it is there.
const SILENCE: Duration = Duration::from_secs(30);

/// Shakes hands where TLS is spoken. [`Stream::protocol`] says what was agreed on; whoever agrees on nothing
/// speaks HTTP/2.
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

/// Lets TCP find out that an idle client's host is gone.
fn watch_host(stream: &TcpStream) -> io::Result<()> {
    let probes = TcpKeepalive::new().with_time(SILENCE).with_interval(SILENCE / 3);
    SockRef::from(stream).set_tcp_keepalive(&probes)
}

/// Tells a client that speaks HTTP/2 without TLS what is wrong, in its own language.
async fn refuse(stream: TcpStream) -> Result<(), http2::Error> {
    let mut connection = Connection::new(stream, Settings::default());
    connection.handshake().await?;
    connection.abrupt_shutdown(Reason::INADEQUATE_SECURITY);
    poll_fn(|cx| connection.poll_closed(cx)).await
}
