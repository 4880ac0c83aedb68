//! The state of one stream.

use std::{
    collections::VecDeque,
    task::{Context, Waker},
};

use bytes::Bytes;
use http::{HeaderMap, Request, Response};

use crate::{budget::StreamAccount, buffer_pool, error::Error, held::Held, list::Links};

/// Received data of at most this many bytes is copied, so that many small frames cost no more than their bytes.
pub(crate) const SMALL: usize = 1024;
/// A response that is forwarded queues this many bytes at most: one chunk. A response with a longer queue was made here.
const FORWARDED: usize = buffer_pool::SIZE;
/// A slice longer than this may keep its buffer, which is not much larger.
const WHOLE: usize = buffer_pool::SIZE / 5 * 4;

#[derive(Debug)]
pub(crate) struct Stream {
    pub(crate) id: u32,
    /// The number of handles.
    pub(crate) handles: u8,
    pub(crate) state: State,
    pub(crate) recv: Recv,
    pub(crate) send: Send,
    /// When the stream was opened, by the connection's clock.
    pub(crate) opened: u64,
    /// The account of the client that the stream was opened for. On a client's own connection, that connection's
    /// account.
    pub(crate) client: Option<StreamAccount>,
    /// The bytes charged to that account.
    pub(crate) charged: Held,
    /// The stream is in the list of streams to count next.
    pub(crate) is_unsettled: bool,
    /// Data was taken since the last count.
    pub(crate) has_moved: bool,
}

/// The states of RFC 9113, 5.1. There is no state for idle streams, and none is ever reserved.
#[derive(Debug)]
pub(crate) enum State {
    Open,
    /// This side has sent END_STREAM.
    HalfClosedLocal,
    /// The peer has sent END_STREAM.
    HalfClosedRemote,
    Closed(Cause),
}

/// Why a stream closed.
#[derive(Debug)]
pub(crate) enum Cause {
    /// Both sides have sent END_STREAM.
    EndStream,
    /// The peer sent END_STREAM, and then reset the stream without error: its message is complete.
    Answered(Error),
    /// The stream ended early.
    Error(Error),
}

impl State {
    /// The error as the sending side sees it.
    pub(crate) fn error(&self) -> Option<&Error> {
        match self {
            Self::Closed(Cause::Error(error) | Cause::Answered(error)) => Some(error),
            _ => None,
        }
    }

    /// The error that left the peer's message incomplete.
    pub(crate) fn recv_error(&self) -> Option<&Error> {
        match self {
            Self::Closed(Cause::Error(error)) => Some(error),
            _ => None,
        }
    }

    /// Returns whether the peer's message is complete.
    pub(crate) fn is_recv_end(&self) -> bool {
        matches!(self, Self::HalfClosedRemote | Self::Closed(Cause::EndStream | Cause::Answered(_)))
    }

    /// Returns whether the peer may send.
    pub(crate) fn is_recv_open(&self) -> bool {
        matches!(self, Self::Open | Self::HalfClosedLocal)
    }

    /// Returns whether this side may send.
    pub(crate) fn is_send_open(&self) -> bool {
        matches!(self, Self::Open | Self::HalfClosedRemote)
    }

    pub(crate) fn is_closed(&self) -> bool {
        matches!(self, Self::Closed(_))
    }

    /// Handles END_STREAM from the peer.
    pub(crate) fn recv_end(&mut self) {
        match self {
            Self::Open => *self = Self::HalfClosedRemote,
            Self::HalfClosedLocal => *self = Self::Closed(Cause::EndStream),
            Self::HalfClosedRemote | Self::Closed(_) => {}
        }
    }

    /// Handles END_STREAM from this side.
    pub(crate) fn send_end(&mut self) {
        match self {
            Self::Open => *self = Self::HalfClosedLocal,
            Self::HalfClosedRemote => *self = Self::Closed(Cause::EndStream),
            Self::HalfClosedLocal | Self::Closed(_) => {}
        }
    }
}

/// The receiving half.
#[derive(Debug, Default)]
pub(crate) struct Recv {
    /// Bytes that the peer may still send, relative to the initial window.
    pub(crate) window: i64,
    /// Bytes that were read and not yet returned to the window.
    pub(crate) unreleased: u32,
    /// Bytes by which the window has grown.
    pub(crate) grown: u32,
    /// The response to a HEAD: `content-length` describes no body.
    pub(crate) is_bodiless: bool,
    /// The remaining bytes, if there is a `content-length`.
    pub(crate) length: Option<u64>,
    chunks: VecDeque<Chunk>,
    /// The data of small frames received after the chunks.
    tail: Vec<u8>,
    /// Bytes in the chunks and the tail.
    unread: usize,
    /// Bytes of received header lists that are long enough to count.
    pub(crate) listed: usize,
    pub(crate) head: Option<Head>,
    pub(crate) trailers: Option<HeaderMap>,
    /// The head was received.
    pub(crate) has_begun: bool,
    /// The end came in an empty DATA frame and was not reported yet.
    pub(crate) has_bare_end: bool,

    /// The reader is gone.
    pub(crate) is_ignored: bool,
    pub(crate) reader: Parked,
}

/// The received head.
#[derive(Debug)]
pub(crate) enum Head {
    Request(Request<()>),
    Response(Response<()>),
}

/// Data waiting in a stream.
#[derive(Debug)]
pub(crate) struct Chunk {
    data: Bytes,
    /// It may be a small part of a large buffer.
    is_slice: bool,
}

impl Chunk {
    fn new(data: Bytes) -> Self {
        Self { is_slice: data.len() < WHOLE, data }
    }

    /// Copies the data if it keeps a much larger buffer alive.
    fn detach(&mut self) {
        if std::mem::take(&mut self.is_slice) {
            self.data = Bytes::copy_from_slice(&self.data);
        }
    }
}

/// The sending half.
#[derive(Debug, Default)]
pub(crate) struct Send {
    /// Bytes that this side may still send, relative to the initial window that the peer announced.
    pub(crate) window: i64,
    /// Data waiting for a window, or for room in the socket.
    queue: VecDeque<Chunk>,
    /// Bytes in the queue.
    queued: usize,
    pub(crate) end: End,
    /// The head of a response was sent.
    pub(crate) has_answered: bool,
    pub(crate) links: Links,
    pub(crate) writer: Parked,
}

/// The end of the sending side, after the queue.
#[derive(Debug, Default)]
pub(crate) enum End {
    /// More may follow, or everything was sent.
    #[default]
    Open,
    /// The queue ends with END_STREAM.
    Last,
    /// Trailers.
    Trailers(Box<HeaderMap>),
}

impl Stream {
    /// Creates a stream with a reader and a writer.
    pub(crate) fn new(id: u32) -> Self {
        Self {
            id,
            handles: 2,
            state: State::Open,
            recv: Recv::default(),
            send: Send::default(),
            opened: 0,
            client: None,
            charged: Held::default(),
            is_unsettled: false,
            has_moved: false,
        }
    }

    /// Returns whether the user may send more.
    pub(crate) fn is_send_open(&self) -> bool {
        self.state.is_send_open() && matches!(self.send.end, End::Open)
    }

    /// Returns whether the message is complete and partly queued.
    pub(crate) fn is_ending(&self) -> bool {
        self.state.is_send_open() && matches!(self.send.end, End::Last | End::Trailers(_))
    }

    /// The bytes that this process holds for the stream, which is a client's if `is_server`.
    pub(crate) fn held(&self, is_server: bool) -> Held {
        let bytes = self.recv.unread + self.recv.listed + self.send.queued;
        let made = if is_server { self.send.queued.saturating_sub(FORWARDED) } else { 0 };
        Held { bytes, made }
    }

    /// Copies waiting data that keeps larger buffers alive.
    pub(crate) fn detach(&mut self) {
        self.recv.chunks.iter_mut().for_each(Chunk::detach);
        self.send.queue.iter_mut().for_each(Chunk::detach);
    }

    pub(crate) fn wake(&mut self) {
        self.recv.reader.wake();
        self.send.writer.wake();
    }
}

impl Recv {
    /// Appends a copy of short data. The capacity of the copies exceeds their length by at most a quarter.
    pub(crate) fn push_small(&mut self, data: &[u8]) {
        self.unread += data.len();
        if self.tail.capacity() - self.tail.len() < data.len() {
            if self.tail.len() > buffer_pool::SIZE {
                self.flush_tail();
            }
            self.tail.reserve_exact(data.len().max(self.tail.len() / 4));
        }
        self.tail.extend_from_slice(data);
    }

    pub(crate) fn push(&mut self, data: Bytes) {
        self.flush_tail();
        self.unread += data.len();
        self.chunks.push_back(Chunk::new(data));
    }

    fn flush_tail(&mut self) {
        if !self.tail.is_empty() {
            let data = std::mem::take(&mut self.tail).into();
            self.chunks.push_back(Chunk { data, is_slice: false });
        }
    }

    /// Takes the oldest unread data.
    pub(crate) fn pop(&mut self) -> Option<Bytes> {
        let data = match self.chunks.pop_front() {
            Some(chunk) => chunk.data,
            None if self.tail.is_empty() => return None,
            None => std::mem::take(&mut self.tail).into(),
        };
        self.unread -= data.len();
        Some(data)
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.unread == 0
    }

    /// The unread bytes: the number counted, and the actual number.
    #[cfg(any(test, feature = "inspect"))]
    pub(crate) fn unread(&self) -> (usize, usize) {
        (self.unread, self.chunks.iter().map(|chunk| chunk.data.len()).sum::<usize>() + self.tail.len())
    }

    /// Drops unread data, and returns its size.
    pub(crate) fn clear(&mut self) -> usize {
        (self.chunks, self.tail) = Default::default();
        std::mem::take(&mut self.unread)
    }
}

impl Send {
    pub(crate) fn push(&mut self, data: Bytes) {
        self.queued += data.len();
        self.queue.push_back(Chunk::new(data));
    }

    /// Takes at most `most` bytes from the front of the queue, and whether nothing is left.
    pub(crate) fn pop(&mut self, most: usize) -> Option<(Bytes, bool)> {
        let front = &mut self.queue.front_mut()?.data;
        let data = if front.len() <= most { self.queue.pop_front()?.data } else { front.split_to(most) };
        self.queued -= data.len();
        Some((data, self.queue.is_empty()))
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.queue.is_empty()
    }

    /// The queued bytes: the number counted, and the actual number.
    #[cfg(any(test, feature = "inspect"))]
    pub(crate) fn queued(&self) -> (usize, usize) {
        (self.queued, self.queue.iter().map(|chunk| chunk.data.len()).sum())
    }

    pub(crate) fn clear(&mut self) {
        self.queue = VecDeque::new();
        self.queued = 0;
    }
}

/// A waiting task.
#[derive(Debug, Default)]
pub(crate) struct Parked {
    waker: Option<Waker>,
    is_waiting: bool,
}

impl Parked {
    pub(crate) fn park(&mut self, cx: &Context<'_>) {
        self.is_waiting = true;
        match &mut self.waker {
            Some(waker) => waker.clone_from(cx.waker()),
            none => *none = Some(cx.waker().clone()),
        }
    }

    /// Wakes the waiting task.
    pub(crate) fn unpark(&mut self) {
        self.is_waiting = false;
    }

    pub(crate) fn wake(&mut self) {
        if std::mem::take(&mut self.is_waiting)
            && let Some(waker) = &self.waker
        {
            waker.wake_by_ref();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unread_copies_take_a_quarter_more_at_most() {
        for len in [1, 7, 100, SMALL - 1] {
            let mut recv = Recv::default();
            let mut total = 0;
            while total < 300_000 {
                recv.push_small(&vec![1; len]);
                total += len;
                if total > 2000 {
                    let held =
                        recv.tail.capacity() + recv.chunks.iter().map(|it| it.data.len()).sum::<usize>();
                    assert!(held <= total + total / 4 + SMALL, "{held} for {total}");
                }
            }
            let mut read = 0;
            while let Some(data) = recv.pop() {
                read += data.len();
            }
            assert_eq!((read, recv.is_empty()), (total, true));
        }
    }

    #[test]
    fn slices_are_copied_once_and_in_order() {
        let mut stream = Stream::new(1);
        let buffer = Bytes::from(vec![7; buffer_pool::SIZE]);
        stream.recv.push(buffer.slice(..2000));
        stream.recv.push_small(b"small");
        stream.recv.push(buffer.clone());
        stream.detach();
        let first = stream.recv.pop().unwrap();
        assert_eq!(first, buffer[..2000]);
        assert_ne!(first.as_ptr(), buffer.as_ptr(), "a copy");
        assert_eq!(stream.recv.pop().unwrap(), &b"small"[..]);
        assert_eq!(stream.recv.pop().unwrap().as_ptr(), buffer.as_ptr(), "it is the whole buffer");
        assert_eq!(stream.held(true), Held::default());
    }

    #[test]
    fn each_side_ends_once() {
        let mut state = State::Open;
        state.send_end();
        assert!(matches!(state, State::HalfClosedLocal));
        state.send_end();
        state.recv_end();
        assert!(matches!(state, State::Closed(Cause::EndStream)));
        let mut cut = State::Closed(Cause::Error(Error::closed()));
        cut.recv_end();
        assert!(!cut.is_recv_end() && cut.recv_error().is_some());
    }
}
