//! In-memory sockets of any capacity.

use std::{
    cell::RefCell,
    collections::VecDeque,
    io::{self, ErrorKind, IoSlice},
    pin::Pin,
    rc::Rc,
    task::{Context, Poll, Waker},
};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::model::Model;

/// One direction.
#[derive(Default)]
pub(crate) struct Pipe {
    pub(crate) bytes: VecDeque<u8>,
    /// The number of bytes that it holds.
    pub(crate) capacity: usize,
    /// The most bytes in one read.
    pub(crate) part: usize,
    /// The writer has ended.
    pub(crate) has_ended: bool,
    /// The reader is gone, or the socket has failed.
    pub(crate) is_broken: bool,
    /// The reader is gone, which the writer cannot know yet.
    is_void: bool,
    reader: Option<Waker>,
    writer: Option<Waker>,
}

pub(crate) type Shared<T> = Rc<RefCell<T>>;

impl Pipe {
    pub(crate) fn new(capacity: usize, part: usize) -> Shared<Self> {
        Rc::new(RefCell::new(Self { capacity, part, ..Self::default() }))
    }

    /// Returns whether much data would take too many steps.
    pub(crate) fn is_narrow(&self) -> bool {
        self.capacity.min(self.part) < 64
    }

    fn wake(waker: &mut Option<Waker>) {
        if let Some(waker) = waker.take() {
            waker.wake();
        }
    }

    pub(crate) fn put(&mut self, bytes: &[u8]) {
        self.bytes.extend(bytes);
        Self::wake(&mut self.reader);
    }

    pub(crate) fn end(&mut self) {
        self.has_ended = true;
        Self::wake(&mut self.reader);
    }

    pub(crate) fn break_it(&mut self) {
        self.is_broken = true;
        Self::wake(&mut self.reader);
        Self::wake(&mut self.writer);
    }

    fn empty(&mut self) {
        self.is_void = true;
        self.bytes.clear();
        Self::wake(&mut self.writer);
    }

    pub(crate) fn resize(&mut self, capacity: usize) {
        self.capacity = capacity;
        if self.room() > 0 {
            Self::wake(&mut self.writer);
        }
    }

    pub(crate) fn room(&self) -> usize {
        self.capacity.saturating_sub(self.bytes.len())
    }

    /// Takes the bytes that were written and not read.
    pub(crate) fn drain(&mut self) -> Vec<u8> {
        let bytes = self.bytes.drain(..).collect();
        self.resize(self.capacity);
        bytes
    }

    fn poll_read(&mut self, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        if self.bytes.is_empty() {
            return match (self.is_broken, self.has_ended) {
                (true, _) => Poll::Ready(Err(ErrorKind::ConnectionReset.into())),
                (_, true) => Poll::Ready(Ok(())),
                _ => {
                    self.reader = Some(cx.waker().clone());
                    Poll::Pending
                }
            };
        }
        let len = self.bytes.len().min(self.part).min(buf.remaining());
        let (first, second) = self.bytes.as_slices();
        let first = &first[..first.len().min(len)];
        buf.put_slice(first);
        buf.put_slice(&second[..len - first.len()]);
        self.bytes.drain(..len);
        Self::wake(&mut self.writer);
        Poll::Ready(Ok(()))
    }

    fn poll_write(&mut self, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        if self.is_broken {
            return Poll::Ready(Err(ErrorKind::BrokenPipe.into()));
        }
        if self.is_void {
            return Poll::Ready(Ok(bytes.len()));
        }
        let len = self.room().min(bytes.len());
        if len == 0 {
            self.writer = Some(cx.waker().clone());
            return Poll::Pending;
        }
        self.put(&bytes[..len]);
        Poll::Ready(Ok(len))
    }
}

/// One end of a socket; a model sees its bytes.
pub(crate) struct Socket {
    pub(crate) input: Shared<Pipe>,
    pub(crate) output: Shared<Pipe>,
    pub(crate) model: Shared<Model>,
    /// Holds written bytes until they are flushed, as TLS may.
    pub(crate) kept: Option<VecDeque<u8>>,
}

/// The most bytes held.
const KEPT: usize = 300;

impl Socket {
    /// Writes held bytes until at most `until` are left.
    fn poll_move(&mut self, cx: &mut Context<'_>, until: usize) -> Poll<io::Result<()>> {
        let Some(kept) = &mut self.kept else { return Poll::Ready(Ok(())) };
        while kept.len() > until {
            match self.output.borrow_mut().poll_write(cx, kept.make_contiguous()) {
                Poll::Ready(Ok(len)) => drop(kept.drain(..len)),
                Poll::Ready(Err(error)) => return Poll::Ready(Err(error)),
                Poll::Pending => return Poll::Pending,
            }
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncRead for Socket {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let start = buf.filled().len();
        let polled = self.input.borrow_mut().poll_read(cx, buf);
        self.model.borrow_mut().came(&buf.filled()[start..]);
        polled
    }
}

impl AsyncWrite for Socket {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        assert!(!bytes.is_empty(), "a write of nothing");
        let polled = if self.kept.is_some() {
            match self.poll_move(cx, KEPT) {
                Poll::Ready(Ok(())) => {}
                Poll::Ready(Err(error)) => return Poll::Ready(Err(error)),
                Poll::Pending => return Poll::Pending,
            }
            self.kept.as_mut().unwrap().extend(bytes);
            Poll::Ready(Ok(bytes.len()))
        } else {
            self.output.borrow_mut().poll_write(cx, bytes)
        };
        if let Poll::Ready(Ok(len)) = polled {
            self.model.borrow_mut().wrote(&bytes[..len]);
        }
        polled
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let mut written = 0;
        for slice in slices.iter().filter(|slice| !slice.is_empty()) {
            match self.as_mut().poll_write(cx, slice) {
                Poll::Ready(Ok(len)) => {
                    written += len;
                    if len < slice.len() {
                        break;
                    }
                }
                other if written == 0 => return other,
                _ => break,
            }
        }
        Poll::Ready(Ok(written))
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.poll_move(cx, 0)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let polled = self.poll_move(cx, 0);
        if polled.is_ready() {
            self.output.borrow_mut().end();
        }
        polled
    }
}

impl Drop for Socket {
    fn drop(&mut self) {
        // A side that has ended may leave: data still sent to it is lost, without an error.
        let mut output = self.output.borrow_mut();
        if std::mem::replace(&mut output.has_ended, true) {
            self.input.borrow_mut().empty();
        } else {
            output.end();
            self.input.borrow_mut().break_it();
        }
    }
}
