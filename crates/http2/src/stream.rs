//! One stream's state.

use std::{
    collections::VecDeque,
    task::{Context, Waker},
};

use bytes::Bytes;
use http::{HeaderMap, Request, Response};

use crate::{budget::StreamAccount, buffer_pool, error::Error, list::Links};

/// Data that was received is copied where it is shorter, so that many small frames cost no more than
/// their bytes.
pub(crate) const SMALL: usize = 1024;
/// A longer slice may keep its buffer, which is not much longer.
const WHOLE: usize = buffer_pool::SIZE / 5 * 4;

#[derive(Debug)]
pub(crate) struct Stream {
    pub(crate) id: u32,
    /// Handles that are left of it.
    pub(crate) handles: u8,
    pub(crate) state: State,
    pub(crate) recv: Recv,
    pub(crate) send: Send,
    /// When it was opened, by the connection's clock.
    pub(crate) opened: u64,
    /// The account of the client that it was opened for; on a client's own connection that is the connection's.
    pub(crate) client: Option<StreamAccount>,
    /// Bytes that are charged to that.
    pub(crate) charged: usize,
    /// It is among those whose bytes are counted next.
    pub(crate) is_unsettled: bool,
    /// Some of its data was taken since they were counted.
    pub(crate) has_moved: bool,
}

/// The states of RFC 9113, 5.1. An idle stream has none of its own; nothing is ever reserved.
#[derive(Debug)]
pub(crate) enum State {
    Open,
    /// This side has sent END_STREAM.
    HalfClosedLocal,
    /// The peer has sent END_STREAM.
    HalfClosedRemote,
    Closed(Cause),
}

/// Why a stream is closed.
#[derive(Debug)]
pub(crate) enum Cause {
    /// Both sides have sent END_STREAM.
    EndStream,
    /// The peer has sent END_STREAM, and then needed no more of this side: its message is whole.
    Answered(Error),
    /// It ended before its time, whatever came before.
    Error(Error),
}

impl State {
    /// Why it ended before its time, as the side that sends learns it.
    pub(crate) fn error(&self) -> Option<&Error> {
        match self {
            Self::Closed(Cause::Error(error) | Cause::Answered(error)) => Some(error),
            _ => None,
        }
    }

    /// Why the peer's message is not whole.
    pub(crate) fn recv_error(&self) -> Option<&Error> {
        match self {
            Self::Closed(Cause::Error(error)) => Some(error),
            _ => None,
        }
    }

    /// Whether the peer's message is whole.
    pub(crate) fn is_recv_end(&self) -> bool {
        matches!(self, Self::HalfClosedRemote | Self::Closed(Cause::EndStream | Cause::Answered(_)))
    }

    /// Whether the peer may send.
    pub(crate) fn is_recv_open(&self) -> bool {
        matches!(self, Self::Open | Self::HalfClosedLocal)
    }

    /// Whether this side may send.
    pub(crate) fn is_send_open(&self) -> bool {
        matches!(self, Self::Open | Self::HalfClosedRemote)
    }

    pub(crate) fn is_closed(&self) -> bool {
        matches!(self, Self::Closed(_))
    }

    /// The peer has sent END_STREAM.
    pub(crate) fn recv_end(&mut self) {
        match self {
            Self::Open => *self = Self::HalfClosedRemote,
            Self::HalfClosedLocal => *self = Self::Closed(Cause::EndStream),
            Self::HalfClosedRemote | Self::Closed(_) => {}
        }
    }

    /// This side has sent END_STREAM.
    pub(crate) fn send_end(&mut self) {
        match self {
            Self::Open => *self = Self::HalfClosedLocal,
            Self::HalfClosedRemote => *self = Self::Closed(Cause::EndStream),
            Self::HalfClosedLocal | Self::Closed(_) => {}
        }
    }
}

/// What comes.
#[derive(Debug, Default)]
pub(crate) struct Recv {
    /// Bytes that the peer may still send, beyond the initial window.
    pub(crate) window: i64,
    /// Bytes that were read, and not yet given back to the window.
    pub(crate) unreleased: u32,
    /// Bytes by which the window has grown, because it was read.
    pub(crate) grown: u32,
    /// The answer to a HEAD: what its length says does not come.
    pub(crate) is_bodiless: bool,
    /// Bytes that are still to come, where the head says how many.
    pub(crate) length: Option<u64>,
    chunks: VecDeque<Chunk>,
    /// Small frames that came after the chunks.
    tail: Vec<u8>,
    /// Bytes of both.
    unread: usize,
    /// Bytes of the header lists that came, where they are worth counting.
    pub(crate) listed: usize,
    pub(crate) head: Option<Head>,
    pub(crate) trailers: Option<HeaderMap>,
    /// The head has come.
    pub(crate) has_begun: bool,
    /// The end came in a DATA frame without data, and nobody has heard of it.
    pub(crate) has_bare_end: bool,

    /// Nobody reads it any more.
    pub(crate) is_ignored: bool,
    pub(crate) reader: Parked,
}

/// The head of what comes.
#[derive(Debug)]
pub(crate) enum Head {
    Request(Request<()>),
    Response(Response<()>),
}

/// Data of a stream that waits.
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

    /// Copies data that would keep a buffer much larger than it is.
    fn detach(&mut self) {
        if std::mem::take(&mut self.is_slice) {
            self.data = Bytes::copy_from_slice(&self.data);
        }
    }
}

/// What is sent.
#[derive(Debug, Default)]
pub(crate) struct Send {
    /// Bytes that the peer still takes, beyond the initial window that it announced.
    pub(crate) window: i64,
    /// Waits for a window, or for room in the socket.
    queue: VecDeque<Chunk>,
    /// Bytes of that.
    queued: usize,
    pub(crate) end: End,
    /// The head of an answer has left.
    pub(crate) has_answered: bool,
    pub(crate) links: Links,
    pub(crate) writer: Parked,
}

/// What stands behind the queue.
#[derive(Debug, Default)]
pub(crate) enum End {
    /// More may come, or all was sent.
    #[default]
    Open,
    /// The last of the queue is the end.
    Last,
    /// Trailers.
    Trailers(Box<HeaderMap>),
}

impl Stream {
    /// A stream that somebody reads and somebody writes.
    pub(crate) fn new(id: u32) -> Self {
        Self {
            id,
            handles: 2,
            state: State::Open,
            recv: Recv::default(),
            send: Send::default(),
            opened: 0,
            client: None,
            charged: 0,
            is_unsettled: false,
            has_moved: false,
        }
    }

    /// Whether the user may send more.
    pub(crate) fn is_send_open(&self) -> bool {
        self.state.is_send_open() && matches!(self.send.end, End::Open)
    }

    /// Whether all was handed over, and some of it waits.
    pub(crate) fn is_ending(&self) -> bool {
        self.state.is_send_open() && matches!(self.send.end, End::Last | End::Trailers(_))
    }

    /// Bytes that it makes this process hold.
    pub(crate) fn held(&self) -> usize {
        self.recv.unread + self.recv.listed + self.send.queued
    }

    /// Copies data that waits and would keep larger buffers.
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
    /// Copies data. The copies of a stream take at most a quarter more than they are long.
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

    /// What was received first of what is unread.
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

    /// Bytes that are unread: as they are counted, and as they are there.
    #[cfg(any(test, feature = "inspect"))]
    pub(crate) fn unread(&self) -> (usize, usize) {
        (self.unread, self.chunks.iter().map(|chunk| chunk.data.len()).sum::<usize>() + self.tail.len())
    }

    /// Drops what is unread. How many bytes that is.
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

    /// At most so many bytes of what waits first, and whether nothing is left.
    pub(crate) fn pop(&mut self, most: usize) -> Option<(Bytes, bool)> {
        let front = &mut self.queue.front_mut()?.data;
        let data = if front.len() <= most { self.queue.pop_front()?.data } else { front.split_to(most) };
        self.queued -= data.len();
        Some((data, self.queue.is_empty()))
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.queue.is_empty()
    }

    /// Bytes that wait: as they are counted, and as they are there.
    #[cfg(any(test, feature = "inspect"))]
    pub(crate) fn queued(&self) -> (usize, usize) {
        (self.queued, self.queue.iter().map(|chunk| chunk.data.len()).sum())
    }

    pub(crate) fn clear(&mut self) {
        self.queue = VecDeque::new();
        self.queued = 0;
    }
}

/// Somebody who waits.
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

    /// Nobody waits any more.
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
        assert_eq!(stream.held(), 0);
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
