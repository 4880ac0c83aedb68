//! The handles of a stream.

use std::task::{Context, Poll};

use bytes::Bytes;
use http::{HeaderMap, Response};

use crate::{
    core::Shared,
    error::{By, Error, Reason},
    stream::{Head, Stream},
};

/// A reference to a stream. The stream ends when the last one is dropped.
#[derive(Debug)]
pub(crate) struct Handle {
    core: Shared,
    key: usize,
    /// This handle reads the stream.
    is_reader: bool,
}

impl Drop for Handle {
    fn drop(&mut self) {
        let mut core = self.core.lock();
        if self.is_reader {
            core.ignore(self.key);
        }
        core.release(self.key);
    }
}

/// Creates the two handles of a new stream.
pub(crate) fn handles(core: &Shared, key: usize) -> (RecvStream, SendStream) {
    let handle = |is_reader| Handle { core: core.clone(), key, is_reader };
    (RecvStream(handle(true)), SendStream(handle(false)))
}

/// The receiving half of a stream. After it is dropped, received data is discarded and its window is not returned, so
/// the peer may stall until the stream ends.
#[derive(Debug)]
pub struct RecvStream(Handle);

impl RecvStream {
    /// Polls for the head of the response.
    pub(crate) fn poll_response(&self, cx: &Context<'_>) -> Poll<Result<Response<()>, Error>> {
        let mut core = self.0.core.lock();
        let stream = &mut core.streams[self.0.key];
        match (stream.recv.head.take(), stream.state.error()) {
            (Some(Head::Response(response)), _) => Poll::Ready(Ok(response)),
            (_, Some(error)) => Poll::Ready(Err(error.clone())),
            (_, None) => {
                stream.recv.reader.park(cx);
                Poll::Pending
            }
        }
    }

    /// Polls for the next data; `None` after the last. Data that was read is returned to the window.
    ///
    /// # Errors
    /// The stream ended early. Data received before that is returned first.
    pub fn poll_data(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, Error>>> {
        let (mut core, key) = (self.0.core.lock(), self.0.key);
        let stream = &mut core.streams[key];
        if let Some(data) = stream.recv.pop() {
            stream.has_moved = true;
            if stream.charged.bytes > 0 {
                core.uncharge(key);
            }
            core.release_stream_capacity(key, data.len());
            core.release_capacity(data.len());
            return Poll::Ready(Some(Ok(data)));
        }
        if let Some(error) = stream.state.recv_error() {
            return Poll::Ready(Some(Err(error.clone())));
        }
        if stream.state.is_recv_end() {
            stream.recv.has_bare_end = false;
            return Poll::Ready(None);
        }
        stream.recv.reader.park(cx);
        Poll::Pending
    }

    /// Polls for the trailers, after all data was read.
    ///
    /// # Errors
    /// The stream ended early.
    pub fn poll_trailers(&mut self, cx: &mut Context<'_>) -> Poll<Result<Option<HeaderMap>, Error>> {
        let mut core = self.0.core.lock();
        let stream = &mut core.streams[self.0.key];
        if let Some(error) = stream.state.recv_error() {
            return Poll::Ready(Err(error.clone()));
        }
        if stream.state.is_recv_end() {
            return Poll::Ready(Ok(stream.recv.trailers.take()));
        }
        stream.recv.reader.park(cx);
        Poll::Pending
    }

    /// Returns whether the stream has ended, with neither data nor trailers left. [`RecvStream::poll_data`] reports
    /// an end in an empty DATA frame first, so that a proxy can forward it as it came.
    pub fn is_end_stream(&self) -> bool {
        let core = self.0.core.lock();
        let Stream { state, recv, .. } = &*core.streams[self.0.key];
        state.is_recv_end() && recv.is_empty() && recv.trailers.is_none() && !recv.has_bare_end
    }
}

/// The sending half of a stream. When the last handle is dropped, a complete response is still sent. A request with
/// data waiting for a window is reset (CANCEL).
#[derive(Debug)]
pub struct SendStream(Handle);

impl SendStream {
    pub(crate) fn send_response(&self, response: &Response<()>, end: bool) -> Result<(), Error> {
        self.0.core.lock().respond(self.0.key, response, end)
    }

    /// Ready when no data is queued in the stream, so it is time to send more.
    ///
    /// # Errors
    /// The stream ended early. [`Error::is_reset`] tells whether a RST_STREAM ended it.
    pub fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        let mut core = self.0.core.lock();
        let stream = &mut core.streams[self.0.key];
        if let Some(error) = stream.state.error() {
            return Poll::Ready(Err(error.clone()));
        }
        stream.send.writer.park(cx);
        if stream.send.is_empty() { Poll::Ready(Ok(())) } else { Poll::Pending }
    }

    /// Returns whether data waits for the peer to open a window. A task in [`SendStream::poll_ready`] is woken when
    /// that begins.
    pub fn is_stalled(&self) -> bool {
        let core = self.0.core.lock();
        let send = &core.streams[self.0.key].send;
        !send.is_empty() && (core.allowed.window + send.window <= 0 || core.send_window <= 0)
    }

    /// Sends data, now or when windows allow. `end` marks the last data.
    ///
    /// # Errors
    /// The stream is over.
    pub fn send_data(&mut self, data: Bytes, end: bool) -> Result<(), Error> {
        self.0.core.lock().send_data(self.0.key, data, end)
    }

    /// Sends trailers after all data, and ends the stream.
    ///
    /// # Errors
    /// The stream is over, or HTTP/2 forbids a trailer.
    pub fn send_trailers(&mut self, trailers: HeaderMap) -> Result<(), Error> {
        self.0.core.lock().send_trailers(self.0.key, trailers)
    }

    /// Ready when the stream ended early, with the code of the RST_STREAM.
    ///
    /// # Errors
    /// The connection ended.
    pub fn poll_reset(&mut self, cx: &mut Context<'_>) -> Poll<Result<Reason, Error>> {
        let mut core = self.0.core.lock();
        let stream = &mut core.streams[self.0.key];
        match stream.state.error() {
            Some(error) if error.is_reset() => Poll::Ready(error.reason().ok_or_else(Error::closed)),
            Some(error) => Poll::Ready(Err(error.clone())),
            None => {
                stream.send.writer.park(cx);
                Poll::Pending
            }
        }
    }

    /// Resets the stream in both directions. Queued data is dropped. Does nothing if the stream is over.
    pub fn send_reset(&mut self, reason: Reason) {
        let mut core = self.0.core.lock();
        core.reset(self.0.key, reason, By::User);
        core.wake();
    }
}
