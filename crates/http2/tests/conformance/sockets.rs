//! Sockets that buffer writes, and what is delivered at the end.

use std::{
    io,
    pin::Pin,
    task::{Context, Poll, ready},
    time::Duration,
};

use bytes::Bytes;
use tokio::{
    io::{AsyncRead, AsyncWrite, AsyncWriteExt, ReadBuf},
    net::{TcpListener, TcpSocket, TcpStream},
    time::timeout,
};

use super::{
    pairs::{h2_server, trailers},
    raw::*,
    side::{Limits, Server, client_over, server_over},
};

/// The most bytes that a [`Lazy`] holds.
const HELD: usize = 8 << 10;

/// A socket like TLS: it passes on data when flushed, or when its buffer is full.
struct Lazy<IO> {
    io: IO,
    held: Vec<u8>,
    /// Needs to be polled twice.
    hesitates: bool,
    was_asked: bool,
}

impl<IO> Lazy<IO> {
    fn new(io: IO, hesitates: bool) -> Self {
        Self { io, held: Vec::new(), hesitates, was_asked: false }
    }
}

impl<IO: AsyncWrite + Unpin> Lazy<IO> {
    fn poll_hand_on(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while !self.held.is_empty() {
            let count = ready!(Pin::new(&mut self.io).poll_write(cx, &self.held))?;
            self.held.drain(..count);
        }
        Poll::Ready(Ok(()))
    }
}

impl<IO: AsyncRead + Unpin> AsyncRead for Lazy<IO> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_read(cx, buf)
    }
}

impl<IO: AsyncWrite + Unpin> AsyncWrite for Lazy<IO> {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.poll_write_vectored(cx, &[io::IoSlice::new(bytes)])
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        if self.held.len() == HELD {
            ready!(self.poll_hand_on(cx))?;
        }
        let before = self.held.len();
        for slice in slices {
            let fits = slice.len().min(HELD - self.held.len());
            self.held.extend_from_slice(&slice[..fits]);
        }
        Poll::Ready(Ok(self.held.len() - before))
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.hesitates && !self.was_asked && !self.held.is_empty() {
            self.was_asked = true;
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        ready!(self.poll_hand_on(cx))?;
        self.was_asked = false;
        Pin::new(&mut self.io).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.poll_hand_on(cx))?;
        Pin::new(&mut self.io).poll_shutdown(cx)
    }
}

const SIZES: [usize; 5] = [5_000, 8_192, 16_000, 70_000, 300_000];

#[tokio::test]
async fn answers_are_flushed_to_the_socket() {
    for hesitates in [false, true] {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let server = server_over(listener, Limits::default(), move |io| Lazy::new(io, hesitates));
        let mut raw = Raw::connect(server.address, &[(INITIAL_WINDOW_SIZE, 1 << 20)]).await;
        raw.send(&window(0, 1 << 20)).await;
        for (stream, size) in (1..).step_by(2).zip(SIZES) {
            raw.write(HEADERS, WHOLE, stream, &post(&format!("/body/{size}"), &[])).await;
            assert_eq!(raw.answer(stream).await.len(), size, "hesitates: {hesitates}");
        }
    }
}

#[tokio::test]
async fn requests_are_flushed_to_the_socket() {
    for hesitates in [false, true] {
        let limits = Limits {
            window: Some(100_000),
            connection_window: Some(200_000),
            frame: Some(16_384),
            ..Limits::default()
        };
        let io = TcpStream::connect(h2_server(limits).await).await.unwrap();
        let client = client_over(Lazy::new(io, hesitates), limits);
        for (at, size) in SIZES.into_iter().enumerate() {
            let body: Vec<_> = (0..size).map(|at| (at * 31 + at / 251) as u8).collect();
            let call = client.open("/echo", false).unwrap();
            let answer = within(call.finish_with(vec![Bytes::from(body.clone())], Some(trailers(at)))).await;
            assert_eq!(answer.end, Ok(()), "hesitates: {hesitates}");
            assert!(answer.body == body, "the body of {size} is not the same");
        }
    }
}

/// A server whose sockets buffer much unread data, and a client whose socket buffers little.
async fn unequal() -> (Server, Raw) {
    let socket = TcpSocket::new_v4().unwrap();
    socket.set_send_buffer_size(64 << 10).unwrap();
    socket.bind(([127, 0, 0, 1], 0).into()).unwrap();
    let server = server_over(socket.listen(1).unwrap(), Limits::default(), |io| io);
    let socket = TcpSocket::new_v4().unwrap();
    socket.set_recv_buffer_size(16 << 10).unwrap();
    let io = socket.connect(server.address).await.unwrap();
    let mut raw = Raw::over(io).greet(&[(INITIAL_WINDOW_SIZE, 1 << 20)]).await;
    raw.send(&window(0, 1 << 20)).await;
    raw.write(HEADERS, WHOLE, 1, &post("/body/600000", &[])).await;
    let head = within(raw.next()).await.expect("a head");
    assert_eq!((head.kind, head.stream), (HEADERS, 1));
    (server, raw)
}

#[tokio::test]
async fn clients_still_writing_get_the_whole_last_answer() {
    for (is_stopped, is_sent_away) in [(true, false), (false, true), (true, true)] {
        let (server, mut raw) = unequal().await;
        if is_stopped {
            server.stop();
        }
        if is_sent_away {
            raw.send(&goaway(0, NO_ERROR)).await;
        }
        let mut count = 0;
        loop {
            let frame = within(raw.next()).await;
            let frame = frame.unwrap_or_else(|| panic!("{count} bytes came: {is_stopped} {is_sent_away}"));
            if frame.stream == 1 {
                count += if frame.kind == DATA { frame.payload.len() } else { 0 };
                if frame.ends_stream() {
                    break;
                }
                raw.send(&[window(1, 1), window(0, 1), self::frame(PING, 0, 0, b"reading.")].concat()).await;
            }
        }
        assert_eq!(count, 600_000);
        raw.close().await;
    }
}

#[tokio::test]
async fn clients_still_writing_much_receive_the_error() {
    let (_server, mut raw) = unequal().await;
    let more = frame(0x16, 0, 0, &[0; 10_000]).repeat(20);
    raw.send(&[frame(PING, 0, 3, &[0; 8]), more].concat()).await;
    loop {
        let frame = within(raw.next()).await.expect("a GOAWAY");
        if frame.kind == GOAWAY {
            assert_eq!((frame.last(), frame.code()), (1, PROTOCOL_ERROR));
            break;
        }
    }
    raw.close().await;
}

#[tokio::test]
async fn clients_writing_past_the_end_are_disconnected() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let server = server_over(listener, Limits::default(), |io| io);
    let mut io = TcpStream::connect(server.address).await.unwrap();
    io.write_all(&[PREFACE, &settings(&[]), &frame(PING, 0, 3, &[0; 8])].concat()).await.unwrap();
    let more = frame(0x16, 0, 0, &[0; 10_000]);
    // More than the buffers of both sockets.
    for _ in 0..(64 << 20) / more.len() {
        let wrote = timeout(Duration::from_secs(5), io.write_all(&more)).await;
        if wrote.expect("it is read or refused").is_err() {
            return;
        }
    }
    panic!("all of it was taken");
}
