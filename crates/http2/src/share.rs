//! What the users of a stream hold.

use std::task::{Context, Poll};

use bytes::Bytes;
use http::{HeaderMap, Response};

use crate::{
    core::Shared,
    error::{By, Error, Reason},
    stream::{Head, Stream},
};

/// A part in a stream, which ends when nobody has one.
#[derive(Debug)]
pub(crate) struct Handle {
    core: Shared,
    key: usize,
    /// Without it nobody reads the stream.
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

/// The two parts in a new stream.
pub(crate) fn handles(core: &Shared, key: usize) -> (RecvStream, SendStream) {
    let handle = |is_reader| Handle { core: core.clone(), key, is_reader };
    (RecvStream(handle(true)), SendStream(handle(false)))
}

/// What is received of a stream. Once it is dropped, what still comes is passed over, but its window is not given back:
/// the peer may wait then until the stream ends.
#[derive(Debug)]
pub struct RecvStream(Handle);

impl RecvStream {
    /// The head of the answer.
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

    /// The next data; `None` once there is no more. What was read, the peer may send anew.
    ///
    /// # Errors
    /// The stream ended before its time; what came before that is read first.
    pub fn poll_data(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, Error>>> {
        let (mut core, key) = (self.0.core.lock(), self.0.key);
        let stream = &mut core.streams[key];
        if let Some(data) = stream.recv.pop() {
            stream.has_moved = true;
            if stream.charged > 0 {
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

    /// The trailers, if there are any, once all data was read.
    ///
    /// # Errors
    /// The stream ended before its time.
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

    /// Whether nothing more comes: neither data nor trailers. An end that comes in an empty DATA frame of its own is
    /// told by [`RecvStream::poll_data`] first, so that it can be passed on as it came.
    pub fn is_end_stream(&self) -> bool {
        let core = self.0.core.lock();
        let Stream { state, recv, .. } = &*core.streams[self.0.key];
        state.is_recv_end() && recv.is_empty() && recv.trailers.is_none() && !recv.has_bare_end
    }
}

/// What is sent on a stream. When its last handle is gone, an answer that was handed over to its end still leaves; a
/// request of which some waits for a window is reset (CANCEL).
#[derive(Debug)]
pub struct SendStream(Handle);

impl SendStream {
    pub(crate) fn send_response(&self, response: &Response<()>, end: bool) -> Result<(), Error> {
        self.0.core.lock().respond(self.0.key, response, end)
    }

    /// Ready when no data that was given waits in the stream: then it's time for more.
    ///
    /// # Errors
    /// The stream ended before its time: with a RST_STREAM, as [`Error::is_reset`] says.
    pub fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        let mut core = self.0.core.lock();
        let stream = &mut core.streams[self.0.key];
        if let Some(error) = stream.state.error() {
            return Poll::Ready(Err(error.clone()));
        }
        stream.send.writer.park(cx);
        if stream.send.is_empty() { Poll::Ready(Ok(())) } else { Poll::Pending }
    }

    /// Whether data waits for the peer to open a window. Who waits in [`SendStream::poll_ready`] is woken
    /// when it begins to.
    pub fn is_stalled(&self) -> bool {
        let core = self.0.core.lock();
        let send = &core.streams[self.0.key].send;
        !send.is_empty() && (core.allowed.window + send.window <= 0 || core.send_window <= 0)
    }

    /// Sends data, now or when windows allow, and with `end` nothing after it.
    ///
    /// # Errors
    /// The stream is over.
    pub fn send_data(&mut self, data: Bytes, end: bool) -> Result<(), Error> {
        self.0.core.lock().send_data(self.0.key, data, end)
    }

    /// Sends trailers after all data, and nothing after them.
    ///
    /// # Errors
    /// The stream is over, or a trailer is one that HTTP/2 forbids.
    pub fn send_trailers(&mut self, trailers: HeaderMap) -> Result<(), Error> {
        self.0.core.lock().send_trailers(self.0.key, trailers)
    }

    /// Ready when the stream has ended before its time: with the code, if it was a RST_STREAM.
    ///
    /// # Errors
    /// The connection ended under it.
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

    /// Ends the stream now, in both directions; what waits for a window is dropped. Nothing happens where
    /// it is over.
    pub fn send_reset(&mut self, reason: Reason) {
        let mut core = self.0.core.lock();
        core.reset(self.0.key, reason, By::User);
        core.wake();
    }
}
