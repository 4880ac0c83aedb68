//! Connections over a socket that accepts nothing.

use std::{
    io,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll, Wake, Waker},
};

use bytes::BytesMut;
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    runtime,
};

use super::*;
use crate::{buffer_pool, frame::PREFACE};

/// Reads these bytes and so many more, as many at a time as there is room for.
struct Full {
    first: Vec<u8>,
    more: usize,
}

impl AsyncRead for Full {
    fn poll_read(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let first = std::mem::take(&mut self.first);
        let len = self.more.min(buf.remaining());
        if first.is_empty() {
            self.more -= len;
            buf.initialize_unfilled_to(len).fill(7);
            buf.advance(len);
        }
        buf.put_slice(&first);
        if buf.filled().is_empty() { Poll::Pending } else { Poll::Ready(Ok(())) }
    }
}

impl AsyncWrite for Full {
    fn poll_write(self: Pin<&mut Self>, _: &mut Context<'_>, _: &[u8]) -> Poll<io::Result<usize>> {
        Poll::Pending
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Pending
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Pending
    }
}

#[derive(Default)]
struct Woken(AtomicBool);

impl Wake for Woken {
    fn wake(self: Arc<Self>) {
        self.0.store(true, Ordering::Relaxed);
    }
}

#[test]
fn an_end_that_cannot_be_written_reads_on() {
    let runtime = runtime::Builder::new_current_thread().enable_time().build().unwrap();
    let _timers = runtime.enter();
    // Connections on the same thread leave buffers of this size, for reading and for writing.
    for _ in 0..2 {
        buffer_pool::give(BytesMut::with_capacity(4 * buffer_pool::SIZE));
    }
    // SETTINGS on a stream.
    let first = [PREFACE, &[0, 0, 0, 4, 0, 0, 0, 0, 1][..]].concat();
    let mut driver = Driver::new(Full { first, more: 8 << 20 }, true, Settings::default(), Budget::default());
    let woken = Arc::new(Woken::default());
    let waker = Waker::from(woken.clone());
    while driver.poll(&mut Context::from_waker(&waker)).is_pending() && woken.0.swap(false, Ordering::Relaxed)
    {
    }
    assert_eq!(driver.io.more, 0, "bytes that are not read");
}
