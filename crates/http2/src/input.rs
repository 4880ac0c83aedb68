//! Reads bytes from the socket and splits them into frames.

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

/// The least bytes of a partial DATA frame that are worth passing on.
const PART: usize = 4 << 10;

/// A shorter incomplete frame is moved out of the buffer while the connection is idle.
const SHELVED: usize = 8 << 10;

/// Bytes that were read and not handled.
#[derive(Debug, Default)]
pub(crate) struct Input {
    buffer: BytesMut,
    /// The start of an incomplete frame. It precedes the bytes in the buffer.
    shelf: Vec<u8>,
    /// Bytes missing from the incomplete frame.
    lacking: usize,
    /// The offset of the next frame's payload.
    start: usize,
    /// The rest of a DATA frame that is passed on in parts.
    begun: Option<Head>,
}

impl Input {
    /// Reads once. Returns the number of bytes, 0 at end of stream.
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

    /// Reads once and discards. Returns the number of bytes.
    pub(crate) fn poll_drop<IO: AsyncRead + Unpin>(
        &mut self,
        io: &mut IO,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<usize>> {
        self.buffer.clear();
        self.shelf = Vec::new();
        self.poll_read(io, cx)
    }

    /// Consumes the client's preface. `None` if it is incomplete.
    pub(crate) fn preface(&mut self) -> Result<Option<()>, Reason> {
        let there = self.buffer.len().min(PREFACE.len());
        if self.buffer[..there] != PREFACE[..there] {
            return Err(Reason::PROTOCOL_ERROR);
        }
        self.lacking = PREFACE.len() - there;
        Ok((there == PREFACE.len()).then(|| self.buffer.advance(there)))
    }

    /// The header of the next frame, if that frame is complete. A long DATA frame is returned in parts, each as if it
    /// were a frame.
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

    /// The payload of the frame that [`Input::next`] returned.
    pub(crate) fn payload(&self, head: Head) -> &[u8] {
        &self.buffer[self.start..self.start + head.len]
    }

    /// Skips that frame.
    pub(crate) fn pass(&mut self, head: Head) {
        self.buffer.advance(self.start + head.len);
    }

    /// Consumes that frame and returns its payload without copying.
    pub(crate) fn take(&mut self, head: Head) -> Bytes {
        self.buffer.advance(self.start);
        self.buffer.split_to(head.len).freeze()
    }

    /// Returns an empty buffer to the pool.
    pub(crate) fn tidy(&mut self) {
        if self.buffer.is_empty() && self.buffer.capacity() > 0 {
            buffer_pool::give(std::mem::take(&mut self.buffer));
        }
    }
}
