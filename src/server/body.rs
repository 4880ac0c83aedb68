//! Bodies on HTTP/2 streams: what a client sends, and how an answer is sent.

use std::{
    pin::Pin,
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use h2::{Reason, RecvStream, SendStream};
use http_body::{Body, Frame, SizeHint};

use super::{BoxError, Trouble};

/// The body of a request, as it comes off the connection.
#[derive(Debug)]
pub struct Incoming {
    source: Source,
}

#[derive(Debug)]
enum Source {
    /// A stream of HTTP/2.
    Stream { stream: RecvStream, is_data_done: bool },
    /// What was read as a whole.
    Whole(Bytes),
}

impl Incoming {
    pub(crate) fn new(stream: RecvStream) -> Self {
        Self { source: Source::Stream { stream, is_data_done: false } }
    }

    pub(super) fn whole(body: Bytes) -> Self {
        Self { source: Source::Whole(body) }
    }
}

impl Body for Incoming {
    type Data = Bytes;
    type Error = h2::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, h2::Error>>> {
        let (stream, is_data_done) = match &mut self.source {
            Source::Stream { stream, is_data_done } => (stream, is_data_done),
            Source::Whole(body) if body.is_empty() => return Poll::Ready(None),
            Source::Whole(body) => return Poll::Ready(Some(Ok(Frame::data(std::mem::take(body))))),
        };
        if !*is_data_done {
            match ready!(stream.poll_data(cx)) {
                Some(Ok(chunk)) => {
                    // What is read is given back: the peer may send as much again.
                    let released = stream.flow_control().release_capacity(chunk.len());
                    return Poll::Ready(Some(released.map(|()| Frame::data(chunk))));
                }
                Some(Err(error)) => return Poll::Ready(Some(Err(error))),
                None => *is_data_done = true,
            }
        }
        stream
            .poll_trailers(cx)
            .map(|trailers| trailers.transpose().map(|trailers| trailers.map(Frame::trailers)))
    }

    fn is_end_stream(&self) -> bool {
        match &self.source {
            Source::Stream { stream, .. } => stream.is_end_stream(),
            Source::Whole(body) => body.is_empty(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.source {
            Source::Stream { .. } if !self.is_end_stream() => SizeHint::default(),
            Source::Stream { .. } => SizeHint::with_exact(0),
            Source::Whole(body) => SizeHint::with_exact(body.len() as u64),
        }
    }
}

/// Sends a body to its end, as fast as the peer takes it.
#[derive(Debug)]
pub(crate) struct Pump<B> {
    body: B,
    stream: SendStream<Bytes>,
    /// Waits for the peer's window.
    pending: Bytes,
    /// Nothing has been sent yet. The first piece goes without waiting for a window: a stream has none
    /// until its head has left, and one write can carry both.
    is_first: bool,
    /// The body broke off: the stream is reset with this code once all before that has left.
    broken: Option<Reason>,
}

impl<B> Pump<B>
where
    B: Body<Data = Bytes, Error: Into<BoxError>> + Unpin,
{
    pub(crate) fn new(body: B, stream: SendStream<Bytes>) -> Self {
        Self { body, stream, pending: Bytes::new(), is_first: true, broken: None }
    }

    pub(crate) fn body(&mut self) -> &mut B {
        &mut self.body
    }

    /// Gives up sending.
    pub(crate) fn into_body(self) -> B {
        self.body
    }

    /// The stream, with all sent.
    pub(crate) fn into_stream(self) -> SendStream<Bytes> {
        self.stream
    }

    /// Tells the peer that no more comes, with this code. Nothing happens where the stream has ended.
    pub(crate) fn reset(&mut self, code: Reason) {
        self.stream.send_reset(code);
    }

    /// Whether it is the peer's window that is waited for.
    pub(crate) fn is_stalled(&self) -> bool {
        !self.pending.is_empty()
    }

    /// Ready when all is sent, or nothing more can be: with the code, where the peer reset the stream.
    pub(crate) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Option<Reason>> {
        loop {
            if let Poll::Ready(reset) = self.stream.poll_reset(cx) {
                return Poll::Ready(Some(reset.unwrap_or(Reason::CANCEL)));
            }
            if let Some(code) = self.broken {
                self.stream.send_reset(code);
                return Poll::Ready(None);
            }
            if !self.pending.is_empty() {
                let sent = ready!(self.poll_send(cx));
                if sent.is_none_or(|is_last| is_last) {
                    return Poll::Ready(None);
                }
                continue;
            }
            match ready!(Pin::new(&mut self.body).poll_frame(cx)) {
                Some(Ok(frame)) => match frame.into_data() {
                    Ok(chunk) if std::mem::take(&mut self.is_first) => {
                        let is_last = self.body.is_end_stream();
                        if self.stream.send_data(chunk, is_last).is_err() || is_last {
                            return Poll::Ready(None);
                        }
                    }
                    Ok(chunk) => {
                        self.stream.reserve_capacity(chunk.len());
                        self.pending = chunk;
                    }
                    Err(frame) => {
                        // An error means that the stream is closed already: there is nobody to tell.
                        let trailers = frame.into_trailers().unwrap_or_default();
                        _ = self.stream.send_trailers(trailers);
                        return Poll::Ready(None);
                    }
                },
                Some(Err(error)) => {
                    // A reset drops what is queued. The connection, woken before this, writes that first.
                    self.broken = Some(reason(&*error.into()));
                    cx.waker().wake_by_ref();
                    return Poll::Pending;
                }
                None => {
                    _ = self.stream.send_data(Bytes::new(), true);
                    return Poll::Ready(None);
                }
            }
        }
    }

    /// Sends what the window allows of the pending bytes, and says whether that was the last.
    fn poll_send(&mut self, cx: &mut Context<'_>) -> Poll<Option<bool>> {
        while self.stream.capacity() == 0 {
            match ready!(self.stream.poll_capacity(cx)) {
                Some(Ok(_)) => {}
                Some(Err(_)) | None => return Poll::Ready(None),
            }
        }
        let part = self.pending.split_to(self.stream.capacity().min(self.pending.len()));
        let is_last = self.pending.is_empty() && self.body.is_end_stream();
        Poll::Ready(self.stream.send_data(part, is_last).ok().map(|()| is_last))
    }
}

/// The code to reset a stream with for an error.
pub(crate) fn reason(error: &(dyn std::error::Error + 'static)) -> Reason {
    let mut source = Some(error);
    while let Some(error) = source {
        match error.downcast_ref::<h2::Error>() {
            // The whole connection is gone: for its streams that is what a cancellation is.
            Some(error) if error.is_io() || error.is_go_away() => return Reason::CANCEL,
            Some(error) => return error.reason().unwrap_or(Reason::INTERNAL_ERROR),
            None => match Trouble::of(error) {
                Some(Trouble::Reset(reason)) => return reason,
                _ => source = error.source(),
            },
        }
    }
    Reason::INTERNAL_ERROR
}
