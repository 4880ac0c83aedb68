//! A peer that speaks HTTP/2 frame by frame, for things that no library would send or show.

use std::{collections::HashMap, net::SocketAddr, time::Duration};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    time::timeout,
};

pub(super) use super::wire::*;

/// One side of a connection.
pub(super) struct Raw {
    stream: TcpStream,
    /// The other side's SETTINGS.
    pub(super) settings: HashMap<u16, u32>,
    /// The connection's send window, if every DATA frame was accounted for.
    pub(super) window: i64,
    /// The same for each stream, relative to the initial window.
    granted: HashMap<u32, i64>,
    /// PINGs are answered only while this is false.
    pub(super) holds_pings: bool,
}

impl Raw {
    /// A client of `address` that has sent nothing.
    pub(super) async fn silent(address: SocketAddr) -> Self {
        Self::over(TcpStream::connect(address).await.unwrap())
    }

    pub(super) fn over(stream: TcpStream) -> Self {
        stream.set_nodelay(true).unwrap();
        Self { stream, settings: HashMap::new(), window: 65_535, granted: HashMap::new(), holds_pings: false }
    }

    /// A client of `address` that has sent these SETTINGS and received those of the server.
    pub(super) async fn connect(address: SocketAddr, settings: &[(u16, u32)]) -> Self {
        Self::silent(address).await.greet(settings).await
    }

    /// Like `connect`, on an open connection.
    pub(super) async fn greet(self, settings: &[(u16, u32)]) -> Self {
        let mut raw = self;
        raw.send(&[PREFACE, &self::settings(settings)].concat()).await;
        assert_eq!(raw.settled().await, []);
        raw
    }

    /// A server of the next connection that has sent these SETTINGS and received those of the client.
    pub(super) async fn accept(listener: &TcpListener, settings: &[(u16, u32)]) -> Self {
        let mut raw = Self::accept_silently(listener).await;
        raw.send(&self::settings(settings)).await;
        raw.write(SETTINGS, ACK, 0, &[]).await;
        raw
    }

    /// A server of the next connection that has sent nothing and received the client's SETTINGS.
    pub(super) async fn accept_silently(listener: &TcpListener) -> Self {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut preface = [0; PREFACE.len()];
        within(stream.read_exact(&mut preface)).await.unwrap();
        assert_eq!(preface, PREFACE);
        let mut raw = Self::over(stream);
        let first = within(raw.any()).await.unwrap();
        assert_eq!((first.kind, first.flags, first.stream), (SETTINGS, 0, 0));
        raw
    }

    /// Sends a frame.
    pub(super) async fn write(&mut self, kind: u8, flags: u8, stream: u32, payload: &[u8]) {
        self.send(&frame(kind, flags, stream, payload)).await;
    }

    /// Sends bytes. A closed connection accepts none, which shows at the next read.
    pub(super) async fn send(&mut self, bytes: &[u8]) {
        _ = within(self.stream.write_all(bytes)).await;
    }

    /// Sends bytes this many times. Returns false if the peer ends the connection or accepts none for a while.
    pub(super) async fn flood(&mut self, bytes: &[u8], times: usize) -> bool {
        for _ in 0..times {
            let wrote = timeout(Duration::from_millis(700), self.stream.write_all(bytes)).await;
            if !matches!(wrote, Ok(Ok(()))) {
                return false;
            }
        }
        true
    }

    /// Sends DATA as the windows of the peer allow it.
    pub(super) async fn data(&mut self, stream: u32, data: &[u8], end: bool) -> Vec<Frame> {
        let mut meanwhile = Vec::new();
        let mut chunks = data.chunks(16_384).peekable();
        while let Some(chunk) = chunks.next() {
            while self.room(stream) < chunk.len() as i64 {
                let frame = within(self.any()).await.expect("windows open");
                meanwhile.extend(self.handle(frame).await);
            }
            self.spend(stream, chunk.len());
            let end = if end && chunks.peek().is_none() { END_STREAM } else { 0 };
            self.write(DATA, end, stream, chunk).await;
        }
        meanwhile
    }

    pub(super) fn initial_window(&self) -> i64 {
        self.settings.get(&INITIAL_WINDOW_SIZE).copied().unwrap_or(65_535).into()
    }

    /// The number of bytes that may be sent on a stream now.
    pub(super) fn room(&self, stream: u32) -> i64 {
        self.window.min(self.initial_window() + self.granted.get(&stream).copied().unwrap_or(0))
    }

    /// Accounts for sent DATA.
    pub(super) fn spend(&mut self, stream: u32, bytes: usize) {
        self.window -= bytes as i64;
        *self.granted.entry(stream).or_default() -= bytes as i64;
    }

    /// Ends the connection without losing sent data: closing with unread bytes would be a TCP reset.
    pub(super) async fn close(mut self) {
        _ = self.stream.shutdown().await;
        while within(self.next()).await.is_some() {}
    }

    /// The next frame of a stream, or GOAWAY, or a PING acknowledgement; `None` at the end of the connection. Answers
    /// SETTINGS and PINGs, and tracks windows.
    pub(super) async fn next(&mut self) -> Option<Frame> {
        loop {
            let frame = self.any().await?;
            if let Some(frame) = self.handle(frame).await {
                return Some(frame);
            }
        }
    }

    async fn handle(&mut self, frame: Frame) -> Option<Frame> {
        match frame.kind {
            SETTINGS if frame.flags & ACK == 0 => self.write(SETTINGS, ACK, 0, &[]).await,
            PING if frame.flags & ACK == 0 && !self.holds_pings => {
                self.write(PING, ACK, 0, &frame.payload).await;
            }
            SETTINGS | WINDOW_UPDATE => {}
            _ => return Some(frame),
        }
        None
    }

    /// The next frame of any kind.
    pub(super) async fn any(&mut self) -> Option<Frame> {
        let mut head = [0; 9];
        self.stream.read_exact(&mut head).await.ok()?;
        let mut payload = vec![0; u32::from_be_bytes([0, head[0], head[1], head[2]]) as usize];
        self.stream.read_exact(&mut payload).await.ok()?;
        let stream = u32::from_be_bytes([head[5], head[6], head[7], head[8]]);
        let frame = Frame { kind: head[3], flags: head[4], stream, payload };
        if frame.kind == SETTINGS {
            self.settings.extend(frame.payload.chunks(6).map(|setting| {
                let id = u16::from_be_bytes(setting[..2].try_into().unwrap());
                (id, u32::from_be_bytes(setting[2..].try_into().unwrap()))
            }));
        } else if frame.kind == WINDOW_UPDATE {
            match frame.stream {
                0 => self.window += i64::from(frame.word(0)),
                stream => *self.granted.entry(stream).or_default() += i64::from(frame.word(0)),
            }
        }
        Some(frame)
    }

    /// Waits for the HEADERS of a request, and returns its stream.
    pub(super) async fn request(&mut self) -> u32 {
        loop {
            let frame = within(self.next()).await.expect("a request comes");
            if frame.kind == HEADERS {
                return frame.stream;
            }
        }
    }

    /// The frames of a stream, up to its end or its reset.
    pub(super) async fn stream(&mut self, stream: u32) -> Vec<Frame> {
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

    /// The RST_STREAM of a stream.
    pub(super) async fn reset(&mut self, stream: u32) -> u32 {
        let frames = self.stream(stream).await;
        let last = frames.last().unwrap_or_else(|| panic!("the connection ended with no RST_STREAM"));
        assert_eq!(last.kind, RESET, "{frames:?}");
        last.code()
    }

    /// The RST_STREAM of a stream, possibly after the end of the response.
    pub(super) async fn any_reset(&mut self, stream: u32) -> u32 {
        loop {
            let frame = within(self.next()).await.expect("a RST_STREAM");
            assert_ne!(frame.kind, GOAWAY, "{frame:?} while {stream} is open");
            if frame.kind == RESET && frame.stream == stream {
                return frame.code();
            }
        }
    }

    /// The bytes of a complete response.
    pub(super) async fn answer(&mut self, stream: u32) -> Vec<u8> {
        let frames = self.stream(stream).await;
        let whole = frames.first().is_some_and(|head| head.kind == HEADERS)
            && frames.last().is_some_and(Frame::ends_stream);
        assert!(whole, "the answer on {stream} is not whole: {frames:?}");
        bytes(&frames)
    }

    /// Like `answer`, after the head.
    pub(super) async fn rest(&mut self, stream: u32) -> Vec<u8> {
        let frames = self.stream(stream).await;
        assert!(
            frames.last().is_some_and(Frame::ends_stream),
            "the rest of {stream} is not whole: {frames:?}"
        );
        bytes(&frames)
    }

    /// Waits for this many bytes of a stream, and checks that no more arrive for now.
    pub(super) async fn exactly(&mut self, stream: u32, count: usize) {
        let mut frames = Vec::new();
        while bytes(&frames).len() < count {
            let frame = within(self.next()).await.expect("more data");
            if frame.stream == stream {
                frames.push(frame);
            }
        }
        frames.extend(self.settled().await.into_iter().filter(|frame| frame.stream == stream));
        assert_eq!(bytes(&frames).len(), count, "{frames:?}");
        assert!(!frames.iter().any(Frame::ends_stream), "{frames:?}");
    }

    /// Waits until the peer has read everything sent before and written its reactions. Returns the frames received in
    /// the meantime.
    pub(super) async fn settled(&mut self) -> Vec<Frame> {
        let frames = self.up_to_now().await;
        frames.unwrap_or_else(|frames| panic!("the connection ended after {frames:?}"))
    }

    /// Like `settled`; at the end of the connection an error with the frames up to then.
    async fn up_to_now(&mut self) -> Result<Vec<Frame>, Vec<Frame>> {
        let mut frames = Vec::new();
        for payload in [b"settling", b"settled!"] {
            self.write(PING, 0, 0, payload).await;
            loop {
                match within(self.next()).await {
                    Some(frame) if frame.kind == PING && frame.payload == payload => break,
                    Some(frame) => frames.push(frame),
                    None => return Err(frames),
                }
            }
        }
        Ok(frames)
    }

    /// The peer's verdict on everything sent on `stream`.
    pub(super) async fn verdict(&mut self, stream: u32) -> Verdict {
        let (frames, ended) = match self.up_to_now().await {
            Ok(frames) => (frames, false),
            Err(frames) => (frames, true),
        };
        let goaway = frames.iter().rfind(|frame| frame.kind == GOAWAY).map(Frame::code);
        let reset = frames.iter().find(|frame| frame.kind == RESET && frame.stream == stream);
        match (ended, goaway, reset) {
            (true, code, _) => Verdict::Ended(code),
            (false, Some(code), _) => panic!("the connection goes on after GOAWAY with {code}: {frames:?}"),
            (false, None, Some(reset)) => Verdict::Reset(reset.code()),
            (false, None, None) => Verdict::Goes,
        }
    }
}

/// Adds a timeout to a future.
#[track_caller]
pub(super) fn within<F: Future>(future: F) -> impl Future<Output = F::Output> {
    let at = std::panic::Location::caller();
    async move {
        let output = timeout(Duration::from_secs(60), future).await;
        output.unwrap_or_else(|_| panic!("nothing came in time at {at}"))
    }
}
