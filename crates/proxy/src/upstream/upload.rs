//! What a client sends, on its way to an engine, and the end of that before its time.

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

/// A request on its way. Dropped before its call is over, it resets the engine's stream with the code that
/// the client gave.
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

    /// Ready when all is sent, or nothing more can be.
    pub(super) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let Some(sending) = &mut self.sending else { return Poll::Ready(()) };
        let polled = sending.poll(cx);
        let is_stalled = polled.is_pending() && sending.is_stalled();
        if is_stalled != self.is_stalled {
            self.is_stalled = is_stalled;
            self.stats.backpressure(is_stalled);
        }
        if let Some(code) = sending.broken() {
            // The client gave it up.
            self.reset(code);
        }
        polled.map(|_| ())
    }

    /// Gives the body back, to be sent on another stream.
    pub(super) fn into_body(mut self) -> Option<Replay<B>> {
        self.sending.take().map(SendBody::into_body)
    }

    /// Tells the engine that the call is given up.
    fn reset(&mut self, code: Reason) {
        if let Some(sending) = self.sending.take() {
            self.stats.reset(sending.into_stream(), code);
        }
    }

    /// The call is over: what is left of the request is wanted by nobody.
    fn end(mut self) {
        self.sending = None;
    }

    /// All of it is sent.
    pub(super) fn into_sent(mut self) -> PendingUpload {
        let stats = self.stats.clone();
        PendingUpload(self.sending.take().map(|sending| Pending::Sent(sending.into_stream(), stats)))
    }
}

impl<B> Upload<B>
where
    B: Body<Data = Bytes, Error: Into<BoxError>> + Send + Unpin + 'static,
{
    /// Sends what is left beside the answer.
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

/// What is left of a request whose answer comes. Dropped before the call is over, it resets the engine's
/// stream with the code that the client gave.
#[derive(Debug)]
pub(super) struct PendingUpload(Option<Pending>);

#[derive(Debug)]
enum Pending {
    /// Nothing but its stream.
    Sent(SendStream, Arc<ConnectionStats>),
    /// It is sent beside the answer, and to be told of a reset.
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
