//! The client side of a connection.

use std::{
    pin::Pin,
    task::{Context, Poll, ready},
};

use http::{Request, Response};
use tokio::io::{AsyncRead, AsyncWrite};

use crate::{
    Budget, Error, PingPong, RecvStream, SendStream, Settings, connection::Driver, core::Shared,
    share::handles,
};

/// Speaks HTTP/2 on `io`. Returns a handle that opens streams, and the connection, which must be polled.
pub fn new<IO: AsyncRead + AsyncWrite + Unpin>(io: IO, settings: Settings) -> (SendRequest, Connection<IO>) {
    let driver = Driver::new(io, false, settings, Budget::default());
    let core = driver.core.clone();
    core.lock().openers = 1;
    (SendRequest { core }, Connection(Box::new(driver)))
}

/// A connection to a server. It makes progress only while it is polled. It resolves when the connection is over: with
/// an error, unless all handles were dropped first.
#[derive(Debug)]
pub struct Connection<IO>(Box<Driver<IO>>);

impl<IO> Connection<IO> {
    /// A handle for sending pings.
    pub fn ping_pong(&self) -> PingPong {
        PingPong { core: self.0.core.clone() }
    }
}

impl<IO: AsyncRead + AsyncWrite + Unpin> Future for Connection<IO> {
    type Output = Result<(), Error>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        self.0.poll(cx)
    }
}

/// Opens streams. The connection ends when the last handle is dropped and the last stream is over.
#[derive(Debug)]
pub struct SendRequest {
    core: Shared,
}

impl Clone for SendRequest {
    fn clone(&self) -> Self {
        self.core.lock().openers += 1;
        Self { core: self.core.clone() }
    }
}

impl Drop for SendRequest {
    fn drop(&mut self) {
        let mut core = self.core.lock();
        core.openers -= 1;
        if core.openers == 0 {
            core.wake();
        }
    }
}

impl SendRequest {
    /// The number of concurrent streams that the server allows.
    pub fn current_max_send_streams(&self) -> usize {
        self.core.lock().allowed.streams
    }

    /// The longest header list that the server accepts, in bytes, if it announced one.
    pub fn max_header_list_size(&self) -> Option<usize> {
        Some(self.core.lock().allowed.header_list).filter(|size| *size != usize::MAX)
    }

    /// Returns whether no more streams can be opened.
    pub fn is_closed(&self) -> bool {
        let core = self.core.lock();
        core.error.is_some() || core.sent_away.is_some() || core.next_id().is_none()
    }

    /// Opens a stream with the head of a request. `end` marks a request without body.
    ///
    /// # Errors
    /// The connection is over or full ([`Error::is_full`]), the URI is not absolute, or HTTP/2 forbids a header.
    /// Nothing was sent then.
    pub fn send_request(
        &mut self,
        request: &Request<()>,
        end: bool,
    ) -> Result<(ResponseFuture, SendStream), Error> {
        let key = self.core.lock().open(request, end)?;
        let (recv, send) = handles(&self.core, key);
        Ok((ResponseFuture { stream: Some(recv) }, send))
    }
}

/// Resolves to the head of the response.
#[derive(Debug)]
pub struct ResponseFuture {
    stream: Option<RecvStream>,
}

impl Future for ResponseFuture {
    type Output = Result<Response<RecvStream>, Error>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let recv = self.stream.as_ref().expect("it is not polled after it was ready");
        let head = ready!(recv.poll_response(cx))?;
        let stream = self.stream.take().expect("it was there just now");
        Poll::Ready(Ok(head.map(|()| stream)))
    }
}
