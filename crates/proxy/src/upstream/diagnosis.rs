//! Diagnoses an engine that accepts connections but does not speak the protocol of its URL.

use std::{io, net::SocketAddr, time::Duration};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::timeout,
};

/// The timeout of a diagnosis.
const WITHIN: Duration = Duration::from_secs(1);
/// The start of HTTP/2: the preface and empty SETTINGS.
const HTTP2: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0";
const SETTINGS: u8 = 4;
/// A TLS 1.2 ClientHello with two cipher suites and no extensions. Any TLS server responds with a TLS record.
const HELLO: &[u8] = b"\x16\x03\x01\0\x2f\x01\0\0\x2b\x03\x03\
    teal asks what is spoken here...\0\0\x04\xc0\x2f\xc0\x2b\x01\0";
const HANDSHAKE: u8 = 0x16;
const ALERT: u8 = 0x15;

/// The protocol spoken at `address`, if it differs from that of the URL.
pub(super) async fn diagnose(address: SocketAddr, is_tls: bool) -> Option<&'static str> {
    let asked = if is_tls { HTTP2 } else { HELLO };
    let said = timeout(WITHIN, ask(address, asked)).await.ok()?.ok()?;
    match said {
        [HANDSHAKE | ALERT, 3, ..] if !is_tls => Some("it speaks TLS: its URL must begin with https://"),
        [0, _, _, SETTINGS, ..] if is_tls => {
            Some("it speaks HTTP/2 without TLS: its URL must begin with http://")
        }
        said if said.starts_with(b"HTTP/") => Some("it speaks HTTP/1.1, but not HTTP/2"),
        _ => None,
    }
}

async fn ask(address: SocketAddr, asked: &[u8]) -> io::Result<[u8; 9]> {
    let mut stream = TcpStream::connect(address).await?;
    stream.write_all(asked).await?;
    let mut said = [0; 9];
    let mut read = 0;
    // An alert has 7 bytes.
    while read < 7 {
        match stream.read(&mut said[read..]).await? {
            0 => break,
            more => read += more,
        }
    }
    if read < 7 { Err(io::ErrorKind::UnexpectedEof.into()) } else { Ok(said) }
}
