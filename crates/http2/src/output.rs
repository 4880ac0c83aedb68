//! Bytes waiting for the socket.

use std::{
    collections::VecDeque,
    io::{self, IoSlice},
    pin::Pin,
    task::{Context, Poll, ready},
};

use bytes::{Buf, Bytes, BytesMut};
use tokio::io::AsyncWrite;

use crate::buffer_pool;

/// The most bytes of data that are copied into the buffer.
const COPIED: usize = 1024;
/// The most slices in one write.
const SLICES: usize = 64;

/// Encoded frames, in order. Small ones share one buffer; large data is kept as is, between parts of the buffer.
#[derive(Debug, Default)]
pub(crate) struct Output {
    buffer: BytesMut,
    /// The offset of the buffer's first byte in everything that went through it.
    start: u64,
    /// Large data, each with its offset in the bytes that go through the buffer.
    data: VecDeque<(u64, Bytes)>,
    data_len: usize,
}

impl Output {
    pub(crate) fn len(&self) -> usize {
        self.buffer.len() + self.data_len
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The buffer to append to.
    pub(crate) fn buffer(&mut self) -> &mut BytesMut {
        if self.buffer.capacity() == 0 {
            self.buffer = buffer_pool::take();
        }
        &mut self.buffer
    }

    /// Appends data.
    pub(crate) fn push(&mut self, data: Bytes) {
        if data.len() <= COPIED {
            self.buffer().extend_from_slice(&data);
        } else {
            self.data_len += data.len();
            self.data.push_back((self.start + self.buffer.len() as u64, data));
        }
    }

    /// Writes until the output is empty.
    pub(crate) fn poll_write<IO: AsyncWrite + Unpin>(
        &mut self,
        io: &mut IO,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<()>> {
        while !self.is_empty() {
            let written = if self.data.is_empty() {
                ready!(Pin::new(&mut *io).poll_write(cx, &self.buffer))?
            } else {
                let mut slices = [IoSlice::new(&[]); SLICES];
                let used = self.slices(&mut slices);
                ready!(Pin::new(&mut *io).poll_write_vectored(cx, &slices[..used]))?
            };
            if written == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            self.advance(written);
        }
        if self.buffer.capacity() > 0 {
            buffer_pool::give(std::mem::take(&mut self.buffer));
        }
        Poll::Ready(Ok(()))
    }

    /// Fills `slices` with the next bytes, in order. Returns the number of slices.
    fn slices<'a>(&'a self, slices: &mut [IoSlice<'a>; SLICES]) -> usize {
        let (mut used, mut from) = (0, 0);
        for (at, data) in &self.data {
            if used + 2 > SLICES {
                return used;
            }
            let at = (at - self.start) as usize;
            if at > from {
                slices[used] = IoSlice::new(&self.buffer[from..at]);
                (used, from) = (used + 1, at);
            }
            slices[used] = IoSlice::new(data);
            used += 1;
        }
        if used < SLICES && from < self.buffer.len() {
            slices[used] = IoSlice::new(&self.buffer[from..]);
            used += 1;
        }
        used
    }

    fn advance(&mut self, mut written: usize) {
        while written > 0 {
            let before = self.data.front().map_or(usize::MAX, |(at, _)| (at - self.start) as usize);
            if before > 0 {
                let part = written.min(before);
                self.buffer.advance(part);
                self.start += part as u64;
                written -= part;
                continue;
            }
            let (_, data) = self.data.front_mut().expect("it stands before the buffer");
            let part = written.min(data.len());
            data.advance(part);
            self.data_len -= part;
            written -= part;
            if data.is_empty() {
                self.data.pop_front();
            }
        }
    }
}
