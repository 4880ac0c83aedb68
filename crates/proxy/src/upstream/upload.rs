//! Sends a client's request body to an engine, and handles early ends.

use std::{
    future::poll_fn,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use bytes::Bytes;
use http_body::Body;
use http2::{Reason, SendStream};
use tokio::sync::oneshot;

use super::{permit::ConnectionStats, replay::Replay};
use crate::server::{BoxError, SendBody, given_up};

/// A request body being sent. If it is dropped before the call is over, it resets the engine's stream with the
/// client's code.
#[derive(Debug)]
pub(super) struct Upload<B>
where
    B: Body<Data = Bytes, Error: Into<BoxError>> + Unpin,
{
    /// `None` once the call is over.
    sending: Option<SendBody<Replay<B>>>,
    stats: Arc<ConnectionStats>,
    is_stalled: bool,
}

impl<B> Upload<B>
where
    B: Body<Data = Bytes, Error: Into<BoxError>> + Unpin,
{
    pub(super) fn new(body: Replay<B>, stream: SendStream, stats: Arc<ConnectionStats>) -> Self {
        Self { sending: Some(SendBody::deferred(body, stream)), stats, is_stalled: false }
    }

    /// Ready when everything is sent, or nothing more can be.
    pub(super) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let Some(sending) = &mut self.sending else { return Poll::Ready(()) };
        let polled = sending.poll(cx);
        let is_stalled = polled.is_pending() && sending.is_stalled();
        if is_stalled != self.is_stalled {
            self.is_stalled = is_stalled;
            self.stats.backpressure(is_stalled);
        }
        if let Some(code) = sending.broken() {
            // The client cancelled the call.
            self.reset(code);
        }
        polled.map(|_| ())
    }

    /// Returns the body, to be sent on another stream.
    pub(super) fn into_body(mut self) -> Option<Replay<B>> {
        self.sending.take().map(SendBody::into_body)
    }

    /// Resets the engine's stream, because the call was cancelled.
    fn reset(&mut self, code: Reason) {
        if let Some(sending) = self.sending.take() {
            self.stats.reset(sending.into_stream(), code);
        }
    }

    /// Called when the call is over: the rest of the request is not needed.
    fn end(mut self) {
        self.sending = None;
    }

    /// Called when the whole body is sent.
    pub(super) fn into_sent(mut self) -> PendingUpload {
        let stats = self.stats.clone();
        PendingUpload(self.sending.take().map(|sending| Pending::Sent(sending.into_stream(), stats)))
    }
}

impl<B> Upload<B>
where
    B: Body<Data = Bytes, Error: Into<BoxError>> + Send + Unpin + 'static,
{
    /// Sends the rest in a task beside the response.
    pub(super) fn send_beside(mut self) -> PendingUpload {
        if let Some(sending) = &mut self.sending {
            sending.body().forget();
        }
        let (end, mut ended) = oneshot::channel();
        tokio::spawn(async move {
            let mut is_sent = false;
            let code = poll_fn(|cx| {
                is_sent = is_sent || self.poll(cx).is_ready();
                Pin::new(&mut ended).poll(cx)
            });
            match code.await {
                Ok(code) => self.reset(code),
                Err(_) => self.end(),
            }
        });
        PendingUpload(Some(Pending::Beside(end)))
    }
}

impl<B> Drop for Upload<B>
where
    B: Body<Data = Bytes, Error: Into<BoxError>> + Unpin,
{
    fn drop(&mut self) {
        if self.is_stalled {
            self.stats.backpressure(false);
        }
        self.reset(given_up::code());
    }
}

/// The rest of a request whose response is being received. If it is dropped before the call is over, it resets the
/// engine's stream with the client's code.
#[derive(Debug)]
pub(super) struct PendingUpload(Option<Pending>);

#[derive(Debug)]
enum Pending {
    /// Everything is sent; only the stream is left.
    Sent(SendStream, Arc<ConnectionStats>),
    /// A task sends the rest, and is told of a reset.
    Beside(oneshot::Sender<Reason>),
}

impl PendingUpload {
    /// The call is over.
    pub(super) fn end(mut self) {
        self.0 = None;
    }
}

impl Drop for PendingUpload {
    fn drop(&mut self) {
        match self.0.take() {
            Some(Pending::Sent(stream, stats)) => stats.reset(stream, given_up::code()),
            Some(Pending::Beside(end)) => _ = end.send(given_up::code()),
            None => {}
        }
    }
}
