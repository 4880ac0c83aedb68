//! A request body that can be sent again while it is known not to have been processed.

use std::{
    collections::VecDeque,
    pin::Pin,
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};

/// The most bytes kept; a longer body cannot be sent again.
const KEPT: usize = 64 * 1024;
/// Shorter chunks are copied. A longer chunk makes up most of its buffer.
const SMALL: usize = 1024;
const LARGE: usize = 48 * 1024;

/// Keeps the data read from `inner`, until it is too much or [forgotten](Replay::forget).
#[derive(Debug)]
pub(super) struct Replay<B> {
    inner: B,
    /// The data read, in order. Replay continues at `next`.
    kept: VecDeque<Bytes>,
    next: usize,
    kept_len: usize,
    is_whole: bool,
    /// The end of the body came without data, and is replayed like that.
    ends_apart: bool,
}

/// The data kept of a chunk: a copy, unless the chunk makes up most of its buffer.
fn kept(chunk: &Bytes) -> Bytes {
    if (SMALL..LARGE).contains(&chunk.len()) { Bytes::copy_from_slice(chunk) } else { chunk.clone() }
}

impl<B: Body<Data = Bytes> + Unpin> Replay<B> {
    pub(super) fn new(inner: B) -> Self {
        Self { inner, kept: VecDeque::new(), next: 0, kept_len: 0, is_whole: true, ends_apart: false }
    }

    /// Restarts from the beginning; `None` if that is no longer kept.
    pub(super) fn rewound(mut self) -> Option<Self> {
        self.next = 0;
        self.is_whole.then_some(self)
    }

    /// Stops keeping data.
    pub(super) fn forget(&mut self) {
        self.is_whole = false;
        self.kept.drain(..self.next);
        self.next = 0;
    }
}

impl<B: Body<Data = Bytes> + Unpin> Body for Replay<B> {
    type Data = Bytes;
    type Error = B::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, B::Error>>> {
        let this = &mut *self;
        if this.next < this.kept.len() {
            let chunk = if this.is_whole {
                this.next += 1;
                this.kept.get(this.next - 1).cloned()
            } else {
                this.kept.pop_front()
            };
            return Poll::Ready(chunk.map(|chunk| Ok(Frame::data(chunk))));
        }
        let frame = ready!(Pin::new(&mut this.inner).poll_frame(cx)?);
        this.ends_apart |= frame.is_none();
        if this.is_whole {
            match frame.as_ref().and_then(Frame::data_ref) {
                Some(chunk) if this.kept_len + chunk.len() <= KEPT => {
                    this.kept_len += chunk.len();
                    this.kept.push_back(kept(chunk));
                    this.next += 1;
                }
                None if frame.is_none() => {}
                // Too long, or trailers, which are not kept.
                _ => this.forget(),
            }
        }
        Poll::Ready(frame.map(Ok))
    }

    fn is_end_stream(&self) -> bool {
        !self.ends_apart && self.next == self.kept.len() && self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::default()
    }
}
