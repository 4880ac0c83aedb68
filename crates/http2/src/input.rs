//! Bytes from the socket, cut into frames.

use std::{
    io,
    pin::pin,
    task::{Context, Poll},
};

use bytes::{Buf, Bytes, BytesMut};
use tokio::io::{AsyncRead, AsyncReadExt};

use crate::{
    buffer_pool,
    error::Reason,
    frame::{HEAD, Head, PREFACE, flag, kind},
};

/// Bytes of a part of a frame that are worth handing on.
const PART: usize = 4 << 10;

/// What is shorter does not keep a buffer while nothing more comes.
const SHELVED: usize = 8 << 10;

/// What was read and is not worked on yet.
#[derive(Debug, Default)]
pub(crate) struct Input {
    buffer: BytesMut,
    /// The start of a frame whose rest is awaited: stands before all that is in the buffer.
    shelf: Vec<u8>,
    /// Bytes that the incomplete frame still lacks.
    lacking: usize,
    /// Where the payload of the next frame starts.
    start: usize,
    /// What is still to come of a DATA frame whose parts are worked on.
    begun: Option<Head>,
}

impl Input {
    /// Reads once. How many bytes came: 0 at the end.
    pub(crate) fn poll_read<IO: AsyncRead + Unpin>(
        &mut self,
        io: &mut IO,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<usize>> {
        if self.buffer.capacity() == 0 {
            self.buffer = buffer_pool::take();
            self.buffer.extend_from_slice(&std::mem::take(&mut self.shelf));
        }
        if self.buffer.is_empty() || self.buffer.capacity() - self.buffer.len() < self.lacking {
            self.buffer.reserve(buffer_pool::SIZE.max(self.lacking));
        }
        let read = pin!(io.read_buf(&mut self.buffer)).poll(cx);
        if self.buffer.is_empty() || (read.is_pending() && self.buffer.len() <= SHELVED) {
            self.shelf = self.buffer[..].to_vec();
            self.buffer.clear();
            buffer_pool::give(std::mem::take(&mut self.buffer));
        }
        read
    }

    /// Reads once what nobody wants. How many bytes came.
    pub(crate) fn poll_drop<IO: AsyncRead + Unpin>(
        &mut self,
        io: &mut IO,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<usize>> {
        self.buffer.clear();
        self.shelf = Vec::new();
        self.poll_read(io, cx)
    }

    /// Passes over the client's preface. `None` while that is not all there.
    pub(crate) fn preface(&mut self) -> Result<Option<()>, Reason> {
        let there = self.buffer.len().min(PREFACE.len());
        if self.buffer[..there] != PREFACE[..there] {
            return Err(Reason::PROTOCOL_ERROR);
        }
        self.lacking = PREFACE.len() - there;
        Ok((there == PREFACE.len()).then(|| self.buffer.advance(there)))
    }

    /// The head of the next frame, if all of that frame is there. A long DATA frame comes in parts, each as
    /// if it were one.
    pub(crate) fn next(&mut self, largest: usize) -> Result<Option<Head>, Reason> {
        let (head, start) = match (self.begun, Head::parse(&self.buffer)) {
            (Some(rest), _) => (rest, 0),
            (None, Some(head)) if head.len > largest => return Err(Reason::FRAME_SIZE_ERROR),
            (None, Some(head)) => (head, HEAD),
            (None, None) => {
                self.lacking = HEAD - self.buffer.len();
                return Ok(None);
            }
        };
        self.start = start;
        let there = self.buffer.len().saturating_sub(start);
        if there >= head.len {
            (self.begun, self.lacking) = (None, 0);
            return Ok(Some(head));
        }
        let has_parts = head.kind == kind::DATA && !head.has(flag::PADDED);
        if has_parts && there >= PART {
            self.begun = Some(Head { len: head.len - there, ..head });
            return Ok(Some(Head { len: there, flags: head.flags & !flag::END_STREAM, ..head }));
        }
        let wanted = if has_parts { head.len.min(PART) } else { head.len };
        self.lacking = start + wanted - self.buffer.len();
        Ok(None)
    }

    /// The payload of the frame that [`Input::next`] gave.
    pub(crate) fn payload(&self, head: Head) -> &[u8] {
        &self.buffer[self.start..self.start + head.len]
    }

    /// Passes over it.
    pub(crate) fn pass(&mut self, head: Head) {
        self.buffer.advance(self.start + head.len);
    }

    /// Passes over it and gives its payload, without copying that.
    pub(crate) fn take(&mut self, head: Head) -> Bytes {
        self.buffer.advance(self.start);
        self.buffer.split_to(head.len).freeze()
    }

    /// Gives the buffer back when nothing is in it.
    pub(crate) fn tidy(&mut self) {
        if self.buffer.is_empty() && self.buffer.capacity() > 0 {
            buffer_pool::give(std::mem::take(&mut self.buffer));
        }
    }
}
