//! A peer that speaks HTTP/2 frame by frame, for things that no library would send or show.

#![allow(clippy::unwrap_used, reason = "a peer that fails is a test that fails")]

use std::net::SocketAddr;

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
};

use super::peers::within;

pub(crate) const DATA: u8 = 0;
pub(crate) const HEADERS: u8 = 1;
pub(crate) const RESET: u8 = 3;
pub(crate) const SETTINGS: u8 = 4;
pub(crate) const PING: u8 = 6;
pub(crate) const GOAWAY: u8 = 7;
pub(crate) const WINDOW_UPDATE: u8 = 8;
pub(crate) const CONTINUATION: u8 = 9;

pub(crate) const ACK: u8 = 1;
pub(crate) const END_STREAM: u8 = 1;
pub(crate) const END_HEADERS: u8 = 4;
pub(crate) const PADDED: u8 = 8;

const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// A frame as it is on the wire.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Frame {
    pub(crate) kind: u8,
    pub(crate) flags: u8,
    pub(crate) stream: u32,
    pub(crate) payload: Vec<u8>,
}

impl Frame {
    /// The code of a RST_STREAM.
    pub(crate) fn code(&self) -> u32 {
        u32::from_be_bytes(self.payload[..4].try_into().expect("a code has four bytes"))
    }

    pub(crate) fn ends_stream(&self) -> bool {
        matches!(self.kind, DATA | HEADERS) && self.flags & END_STREAM != 0
    }
}

/// One side of a connection.
pub(crate) struct Raw {
    stream: TcpStream,
    /// PINGs of the other side so far.
    pub(crate) pings: usize,
    /// What the other side's SETTINGS say, in order.
    pub(crate) settings: Vec<(u16, u32)>,
}

impl Raw {
    /// A client of `address` that has said its SETTINGS.
    pub(crate) async fn connect(address: SocketAddr) -> Self {
        Self::connect_with(address, &[]).await
    }

    /// A client of `address` that has said these SETTINGS.
    pub(crate) async fn connect_with(address: SocketAddr, settings: &[(u16, u32)]) -> Self {
        let mut stream = TcpStream::connect(address).await.unwrap();
        stream.set_nodelay(true).unwrap();
        stream.write_all(PREFACE).await.unwrap();
        let mut raw = Self { stream, pings: 0, settings: Vec::new() };
        raw.write(SETTINGS, 0, 0, &entries(settings)).await;
        raw
    }

    /// A server of the next connection, with these SETTINGS.
    pub(crate) async fn accept(listener: &TcpListener, settings: &[(u16, u32)]) -> Self {
        let (stream, _) = listener.accept().await.unwrap();
        Self::serve(stream, settings).await.unwrap()
    }

    /// A server on a connection, with these SETTINGS.
    async fn serve(mut stream: TcpStream, settings: &[(u16, u32)]) -> std::io::Result<Self> {
        stream.set_nodelay(true)?;
        let mut preface = [0; PREFACE.len()];
        stream.read_exact(&mut preface).await?;
        assert_eq!(preface, PREFACE);
        let mut raw = Self { stream, pings: 0, settings: Vec::new() };
        raw.write(SETTINGS, 0, 0, &entries(settings)).await;
        Ok(raw)
    }

    /// Its end of the connection.
    pub(crate) fn local_address(&self) -> SocketAddr {
        self.stream.local_addr().unwrap()
    }

    /// The socket, to be read and written in parallel.
    pub(crate) fn into_stream(self) -> TcpStream {
        self.stream
    }

    /// Sends a frame; what the peer has closed takes none, and that shows when it is read from.
    pub(crate) async fn write(&mut self, kind: u8, flags: u8, stream: u32, payload: &[u8]) {
        _ = self.stream.write_all(&frame(kind, flags, stream, payload)).await;
    }

    /// Sends bytes as they are. Returns false if the peer accepts none.
    pub(crate) async fn write_all(&mut self, bytes: &[u8]) -> bool {
        self.stream.write_all(bytes).await.is_ok()
    }

    /// Ends the connection without losing what was sent: an end with unread bytes would be a TCP reset.
    pub(crate) async fn close(mut self) {
        _ = self.stream.shutdown().await;
        while within(self.next()).await.is_some() {}
    }

    /// The next frame about a stream, or GOAWAY; `None` at the end of the connection. SETTINGS and PINGs
    /// are answered and windows passed over.
    pub(crate) async fn next(&mut self) -> Option<Frame> {
        loop {
            let frame = self.any().await?;
            if let Some(frame) = self.attend(frame).await {
                return Some(frame);
            }
        }
    }

    /// Waits until the peer has sent so many PINGs, and nothing about a stream; each is answered.
    pub(crate) async fn pinged(&mut self, times: usize) {
        while self.pings < times {
            let frame = within(self.any()).await.expect("the connection lives");
            assert_eq!(self.attend(frame).await, None);
        }
    }

    /// Answers SETTINGS and PINGs, and gives back a frame that is neither, nor about windows.
    async fn attend(&mut self, frame: Frame) -> Option<Frame> {
        match frame.kind {
            SETTINGS if frame.flags & ACK == 0 => {
                self.settings.extend(frame.payload.chunks(6).map(|setting| {
                    let id = u16::from_be_bytes(setting[..2].try_into().unwrap());
                    (id, u32::from_be_bytes(setting[2..].try_into().unwrap()))
                }));
                self.write(SETTINGS, ACK, 0, &[]).await;
            }
            PING if frame.flags & ACK == 0 => {
                self.pings += 1;
                self.write(PING, ACK, 0, &frame.payload).await;
            }
            SETTINGS | WINDOW_UPDATE => {}
            _ => return Some(frame),
        }
        None
    }

    /// The next frame of any kind.
    pub(crate) async fn any(&mut self) -> Option<Frame> {
        let mut head = [0; 9];
        self.stream.read_exact(&mut head).await.ok()?;
        let mut payload = vec![0; u32::from_be_bytes([0, head[0], head[1], head[2]]) as usize];
        self.stream.read_exact(&mut payload).await.ok()?;
        let stream = u32::from_be_bytes([head[5], head[6], head[7], head[8]]);
        Some(Frame { kind: head[3], flags: head[4], stream, payload })
    }

    /// Waits for the HEADERS of a request, and gives its stream.
    pub(crate) async fn request(&mut self) -> u32 {
        loop {
            let frame = within(self.next()).await.expect("a request comes");
            if frame.kind == HEADERS {
                return frame.stream;
            }
        }
    }

    /// The frames of a stream, up to its end or its reset.
    pub(crate) async fn stream(&mut self, stream: u32) -> Vec<Frame> {
        let mut frames = Vec::new();
        while let Some(frame) = within(self.next()).await {
            if frame.stream == stream {
                frames.push(frame);
                let last = &frames[frames.len() - 1];
                if last.ends_stream() || last.kind == RESET {
                    break;
                }
            }
        }
        frames
    }

    /// Waits until the peer has read all that was sent before, and gives what came meanwhile.
    pub(crate) async fn settled(&mut self) -> Vec<Frame> {
        self.write(PING, 0, 0, b"settled!").await;
        let mut frames = Vec::new();
        while let Some(frame) = within(self.next()).await {
            if frame.kind == PING && frame.payload == b"settled!" {
                return frames;
            }
            frames.push(frame);
        }
        panic!("the connection ended after {frames:?}");
    }
}

/// The address of an engine that handles each connection with `serve`.
pub(crate) async fn engine<R>(serve: impl Fn(Raw) -> R + Send + 'static) -> SocketAddr
where
    R: Future<Output = ()> + Send + 'static,
{
    engine_with(&[], serve).await
}

/// The same, with these SETTINGS.
pub(crate) async fn engine_with<R>(
    settings: &'static [(u16, u32)],
    serve: impl Fn(Raw) -> R + Send + 'static,
) -> SocketAddr
where
    R: Future<Output = ()> + Send + 'static,
{
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            // A peer that is gone before it has said anything is nothing to serve.
            if let Ok(connection) = Raw::serve(stream, settings).await {
                tokio::spawn(serve(connection));
            }
        }
    });
    address
}

/// The payload of a SETTINGS frame.
pub(crate) fn entries(settings: &[(u16, u32)]) -> Vec<u8> {
    let entry = |(id, value): &(u16, u32)| [&id.to_be_bytes()[..], &value.to_be_bytes()].concat();
    settings.iter().flat_map(entry).collect()
}

/// A frame in bytes.
pub(crate) fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let mut bytes = (payload.len() as u32).to_be_bytes()[1..].to_vec();
    bytes.extend([kind, flags]);
    bytes.extend(stream.to_be_bytes());
    bytes.extend(payload);
    bytes
}

/// Headers as a block of literals.
pub(crate) fn block(headers: &[(&str, &str)]) -> Vec<u8> {
    let mut block = Vec::new();
    for (name, value) in headers {
        block.push(0);
        for text in [name, value] {
            let mut len = text.len();
            if len < 127 {
                block.push(len as u8);
            } else {
                block.push(127);
                len -= 127;
                while len >= 128 {
                    block.push(len as u8 | 128);
                    len >>= 7;
                }
                block.push(len as u8);
            }
            block.extend(text.as_bytes());
        }
    }
    block
}

/// The headers of a gRPC call, and more.
pub(crate) fn call(path: &str, more: &[(&str, &str)]) -> Vec<u8> {
    let usual = [
        (":method", "POST"),
        (":scheme", "http"),
        (":path", path),
        (":authority", "engine.test"),
        ("content-type", "application/grpc"),
        ("te", "trailers"),
    ];
    block(&[&usual, more].concat())
}

/// The headers that end an answer with success.
pub(crate) fn success() -> Vec<u8> {
    block(&[("grpc-status", "0")])
}

/// The headers of an answer.
pub(crate) fn answer() -> Vec<u8> {
    block(&[(":status", "200"), ("content-type", "application/grpc")])
}
