//! Bodies on HTTP/2 streams: reading requests and sending responses.

use std::{
    pin::Pin,
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use grpc::header::GRPC_STATUS;
use http::HeaderMap;
use http_body::{Body, Frame, SizeHint};
use http2::{Reason, RecvStream, SendStream};
use tracing::debug;

use super::{BoxError, InjectedFault, given_up, oversized};
use crate::recording::RequestTap;

/// The body of a request.
#[derive(Debug)]
pub struct Incoming {
    source: Source,
    /// Records what is read.
    tap: Option<RequestTap>,
}

#[derive(Debug)]
enum Source {
    /// An HTTP/2 stream.
    Stream { stream: RecvStream, is_data_done: bool },
    /// A body that was read completely.
    Whole(Bytes),
}

impl Incoming {
    pub(crate) fn new(stream: RecvStream) -> Self {
        Self { source: Source::Stream { stream, is_data_done: false }, tap: None }
    }

    pub(crate) fn whole(body: Bytes) -> Self {
        Self { source: Source::Whole(body), tap: None }
    }

    /// Shows what is read to `tap` too.
    pub(crate) fn tapped(self, tap: RequestTap) -> Self {
        let mut tapped = Self { tap: Some(tap), ..self };
        tapped.tell(None);
        tapped
    }

    /// Tells the tap of a chunk, and of the end.
    fn tell(&mut self, chunk: Option<&Bytes>) {
        let Some(tap) = self.tap.take() else { return };
        self.tap = tap.data(chunk, self.is_end_stream());
    }

    fn poll_source(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, http2::Error>>> {
        let (stream, is_data_done) = match &mut self.source {
            Source::Stream { stream, is_data_done } => (stream, is_data_done),
            Source::Whole(body) if body.is_empty() => return Poll::Ready(None),
            Source::Whole(body) => return Poll::Ready(Some(Ok(Frame::data(std::mem::take(body))))),
        };
        if !*is_data_done {
            match ready!(stream.poll_data(cx)) {
                Some(data) => return Poll::Ready(Some(data.map(Frame::data))),
                None => *is_data_done = true,
            }
        }
        stream
            .poll_trailers(cx)
            .map(|trailers| trailers.transpose().map(|trailers| trailers.map(Frame::trailers)))
    }
}

impl Body for Incoming {
    type Data = Bytes;
    type Error = http2::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, http2::Error>>> {
        let frame = ready!(self.poll_source(cx));
        if self.tap.is_some() {
            match &frame {
                None => self.tell(None),
                Some(Ok(frame)) => self.tell(frame.data_ref()),
                Some(Err(_)) => {}
            }
        }
        Poll::Ready(frame)
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

/// Sends a body to its end, as fast as the peer accepts it.
#[derive(Debug)]
pub(crate) struct SendBody<B> {
    body: B,
    stream: SendStream,
    /// Everything was handed to the stream.
    is_whole: bool,
    /// Whether the stream stays open if the body fails.
    is_deferred: bool,
    /// The code to reset the stream with in that case.
    broken: Option<Reason>,
}

impl<B> SendBody<B>
where
    B: Body<Data = Bytes, Error: Into<BoxError>> + Unpin,
{
    pub(crate) fn new(body: B, stream: SendStream) -> Self {
        Self { body, stream, is_whole: false, is_deferred: false, broken: None }
    }

    /// Like `new`, but a body that fails does not reset the stream; [`SendBody::broken`] returns the code.
    pub(crate) fn deferred(body: B, stream: SendStream) -> Self {
        Self { is_deferred: true, ..Self::new(body, stream) }
    }

    /// The code to reset the stream with, after the body has failed.
    pub(crate) fn broken(&self) -> Option<Reason> {
        self.broken
    }

    pub(crate) fn body(&mut self) -> &mut B {
        &mut self.body
    }

    /// Stops sending, and returns the body.
    pub(crate) fn into_body(self) -> B {
        self.body
    }

    /// Returns the stream, after everything was sent.
    pub(crate) fn into_stream(self) -> SendStream {
        self.stream
    }

    fn reset(&mut self) {
        self.stream.send_reset(self.broken.unwrap_or(Reason::INTERNAL_ERROR));
    }

    /// Returns whether data waits for the peer's window.
    pub(crate) fn is_stalled(&self) -> bool {
        self.stream.is_stalled()
    }

    /// Ready when everything is sent, or nothing more can be: with the code if the peer reset the stream.
    pub(crate) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Option<Reason>> {
        loop {
            if let Err(error) = ready!(self.stream.poll_ready(cx)) {
                return Poll::Ready(Some(given_up::reason(&error)));
            }
            if self.is_whole {
                return Poll::Ready(None);
            }
            let sent = match ready!(Pin::new(&mut self.body).poll_frame(cx)) {
                Some(Ok(frame)) => match frame.into_data() {
                    Ok(chunk) => {
                        self.is_whole = self.body.is_end_stream();
                        self.stream.send_data(chunk, self.is_whole)
                    }
                    Err(frame) => {
                        self.is_whole = true;
                        self.send_trailers(frame.into_trailers().unwrap_or_default())
                    }
                },
                Some(Err(error)) => {
                    self.broken = Some(reason(&*error.into()));
                    if !self.is_deferred {
                        self.reset();
                    }
                    return Poll::Ready(None);
                }
                None => {
                    self.is_whole = true;
                    self.stream.send_data(Bytes::new(), true)
                }
            };
            if let Err(error) = sent {
                debug!("a body could not be sent to its end: {error}");
                self.stream.send_reset(Reason::INTERNAL_ERROR);
                return Poll::Ready(None);
            }
        }
    }
}

impl<B> SendBody<B> {
    /// Sends trailers, or replacements if they exceed what the peer accepts.
    fn send_trailers(&mut self, trailers: HeaderMap) -> Result<(), http2::Error> {
        let status = trailers.get(GRPC_STATUS).cloned();
        let sent = self.stream.send_trailers(trailers);
        let Some((size, most)) = sent.as_ref().err().and_then(http2::Error::oversized_header_list) else {
            return sent;
        };
        match status.map(|status| oversized::trailers(&status, size, most)) {
            Some(instead) => self.stream.send_trailers(instead),
            None => sent,
        }
    }
}

/// The code to reset a stream with after an error.
pub(crate) fn reason(error: &(dyn std::error::Error + 'static)) -> Reason {
    let mut source = Some(error);
    while let Some(error) = source {
        match error.downcast_ref::<http2::Error>() {
            // The whole connection is gone, which for a stream is a cancellation.
            Some(error) if error.is_io() || error.is_go_away() => return Reason::CANCEL,
            Some(error) => return error.reason().unwrap_or(Reason::INTERNAL_ERROR),
            None => match InjectedFault::of(error) {
                Some(InjectedFault::Reset(reason)) => return reason,
                _ => source = error.source(),
            },
        }
    }
    Reason::INTERNAL_ERROR
}
