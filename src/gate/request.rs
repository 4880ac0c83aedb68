//! The request body, whose first message may be read for its query id before it passes on unchanged.

use std::{
    collections::VecDeque,
    fmt,
    pin::Pin,
    task::{Context, Poll, ready},
};

use bytes::{Buf, Bytes, BytesMut};
use http_body::{Body, Frame, SizeHint};
use pin_project_lite::pin_project;

use super::inflate::Coding;
use crate::frame::{PREFIX_LEN, Prefix, read_string};

/// How much of a message is held, or inflated, to find its query id.
pub(super) const HELD: usize = 64 * 1024;

pin_project! {
    /// The body as it came, what was held of it first.
    pub struct RequestBody<B: Body> {
        held: VecDeque<Result<Frame<B::Data>, B::Error>>,
        held_len: u64,
        #[pin]
        inner: B,
    }
}

impl<B: Body<Data = Bytes>> RequestBody<B> {
    /// The body as it is, with nothing held.
    pub fn new(inner: B) -> Self {
        Self { held: VecDeque::new(), held_len: 0, inner }
    }

    /// Holds the first message until it is whole (64 KiB at most), and reads the query id out of
    /// `field`. `None` where it is unreadable; empty where the message names none.
    pub(super) fn poll_query_id(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        field: u32,
        coding: Option<Coding>,
    ) -> Poll<Option<String>> {
        while !self.holds_enough() {
            let this = self.as_mut().project();
            let Some(frame) = ready!(this.inner.poll_frame(cx)) else { break };
            let is_last = !matches!(&frame, Ok(frame) if frame.is_data());
            *this.held_len += frame.as_ref().ok().and_then(Frame::data_ref).map_or(0, Bytes::len) as u64;
            this.held.push_back(frame);
            if is_last {
                break;
            }
        }
        Poll::Ready(self.query_id(field, coding))
    }

    fn chunks(&self) -> impl Iterator<Item = &Bytes> {
        self.held.iter().filter_map(|frame| frame.as_ref().ok()?.data_ref())
    }

    fn holds_enough(&self) -> bool {
        let mut prefix = BytesMut::with_capacity(PREFIX_LEN);
        for chunk in self.chunks() {
            prefix.extend_from_slice(&chunk[..chunk.len().min(PREFIX_LEN - prefix.len())]);
        }
        let whole = Prefix::read(&prefix).map_or(HELD, |prefix| PREFIX_LEN + prefix.len as usize);
        self.held_len >= whole.min(HELD) as u64
    }

    fn query_id(&self, field: u32, coding: Option<Coding>) -> Option<String> {
        let mut chunks = self.chunks();
        let bytes = match (chunks.next(), chunks.next()) {
            (Some(only), None) => only.clone(),
            _ => self
                .chunks()
                .fold(BytesMut::new(), |mut all, chunk| {
                    all.extend_from_slice(chunk);
                    all
                })
                .freeze(),
        };
        let prefix = Prefix::read(&bytes)?;
        let message = &bytes[PREFIX_LEN..];
        let message = &message[..message.len().min(prefix.len as usize)];
        let inflated;
        let message = match prefix.flag {
            0 => message,
            1 => {
                inflated = coding?.inflate(message, HELD)?;
                &inflated
            }
            _ => return None,
        };
        Some(read_string(message, field).ok()?.unwrap_or_default().to_owned())
    }
}

impl<B: Body<Data = Bytes>> Body for RequestBody<B> {
    type Data = Bytes;
    type Error = B::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, B::Error>>> {
        let this = self.project();
        match this.held.pop_front() {
            Some(frame) => {
                *this.held_len -=
                    frame.as_ref().ok().and_then(Frame::data_ref).map_or(0, Buf::remaining) as u64;
                Poll::Ready(Some(frame))
            }
            None => this.inner.poll_frame(cx),
        }
    }

    fn is_end_stream(&self) -> bool {
        self.held.is_empty() && self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        let inner = self.inner.size_hint();
        let mut hint = SizeHint::new();
        if let Some(upper) = inner.upper() {
            hint.set_upper(upper + self.held_len);
        }
        hint.set_lower(inner.lower() + self.held_len);
        hint
    }
}

impl<B: Body> fmt::Debug for RequestBody<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RequestBody").field("held_len", &self.held_len).finish_non_exhaustive()
    }
}
