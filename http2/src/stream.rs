//! One stream's state.

use std::{
    collections::VecDeque,
    task::{Context, Waker},
};

use bytes::{Bytes, BytesMut};
use http::{HeaderMap, Request, Response};

use crate::{error::Error, spare};

/// Data that was received is copied where it is shorter, so that many small frames cost no more than
/// their bytes.
pub(crate) const SMALL: usize = 1024;

#[derive(Debug)]
pub(crate) struct Stream {
    pub(crate) id: u32,
    /// Handles that are left of it.
    pub(crate) handles: u8,
    pub(crate) recv: Recv,
    pub(crate) send: Send,
    /// Why it ended before its time.
    pub(crate) error: Option<Error>,
}

/// What comes.
#[derive(Debug)]
pub(crate) struct Recv {
    /// Bytes that the peer may still send.
    pub(crate) window: i64,
    /// Bytes that were read, and not yet given back to the window.
    pub(crate) owed: u32,
    /// The answer to a HEAD: what its length says does not come.
    pub(crate) is_bodiless: bool,
    /// Bytes that are still to come, where the head says how many.
    pub(crate) length: Option<u64>,
    chunks: VecDeque<Bytes>,
    /// Small frames that came after the chunks.
    tail: BytesMut,
    /// Bytes of both.
    unread: usize,
    pub(crate) head: Option<Head>,
    pub(crate) trailers: Option<HeaderMap>,
    /// The head has come.
    pub(crate) has_begun: bool,
    /// The peer has ended it.
    pub(crate) has_ended: bool,
    /// It was ended by a DATA frame without data, of which nobody knows yet.
    pub(crate) ends_apart: bool,
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

/// What is sent.
#[derive(Debug)]
pub(crate) struct Send {
    /// Bytes that the peer still takes.
    pub(crate) window: i64,
    /// Waits for a window, or for room in the socket.
    pub(crate) queue: VecDeque<Bytes>,
    pub(crate) end: End,
    /// Whether it stands in the line of those whose data may go.
    pub(crate) is_in_line: bool,
    pub(crate) writer: Parked,
}

/// How far the sending side's end is.
#[derive(Debug)]
pub(crate) enum End {
    /// More may be sent.
    Open,
    /// The last of the queue is the end.
    Last,
    /// Trailers stand behind the queue.
    Trailers(Box<HeaderMap>),
    /// All has left.
    Sent,
}

impl Stream {
    /// A stream that somebody reads and somebody writes.
    pub(crate) fn new(id: u32, recv_window: i64, send_window: i64) -> Self {
        Self {
            id,
            handles: 2,
            recv: Recv {
                window: recv_window,
                owed: 0,
                is_bodiless: false,
                length: None,
                chunks: VecDeque::new(),
                tail: BytesMut::new(),
                unread: 0,
                head: None,
                trailers: None,
                has_begun: false,
                has_ended: false,
                ends_apart: false,
                is_ignored: false,
                reader: Parked::default(),
            },
            send: Send {
                window: send_window,
                queue: VecDeque::new(),
                end: End::Open,
                is_in_line: false,
                writer: Parked::default(),
            },
            error: None,
        }
    }

    /// Whether nothing more happens in it.
    pub(crate) fn is_over(&self) -> bool {
        self.error.is_some() || (self.recv.has_ended && matches!(self.send.end, End::Sent))
    }

    pub(crate) fn wake(&mut self) {
        self.recv.reader.wake();
        self.send.writer.wake();
    }
}

impl Recv {
    /// Whether data is better copied, as its reader is behind: as a part of a buffer, it would keep all of that.
    pub(crate) fn is_behind(&self, len: usize) -> bool {
        (self.unread > 0 && len < spare::SIZE / 8) || (self.unread > 4 * spare::SIZE && len < spare::SIZE / 2)
    }

    /// Copies data.
    pub(crate) fn push_small(&mut self, data: &[u8]) {
        self.unread += data.len();
        self.tail.extend_from_slice(data);
    }

    pub(crate) fn push(&mut self, data: Bytes) {
        if !self.tail.is_empty() {
            self.chunks.push_back(std::mem::take(&mut self.tail).freeze());
        }
        self.unread += data.len();
        self.chunks.push_back(data);
    }

    /// What was received first of what is unread.
    pub(crate) fn pop(&mut self) -> Option<Bytes> {
        let tail = || (!self.tail.is_empty()).then(|| std::mem::take(&mut self.tail).freeze());
        let data = self.chunks.pop_front().or_else(tail)?;
        self.unread -= data.len();
        Some(data)
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.unread == 0
    }

    /// Drops what is unread. How many bytes that is.
    pub(crate) fn clear(&mut self) -> usize {
        (self.chunks, self.tail) = Default::default();
        std::mem::take(&mut self.unread)
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
