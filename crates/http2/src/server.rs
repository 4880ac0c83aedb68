//! The server side of a connection.

use std::{
    future::poll_fn,
    task::{Context, Poll, ready},
};

use http::{Request, Response};
use tokio::io::{AsyncRead, AsyncWrite};

use crate::{
    Budget, Error, PingPong, Reason, RecvStream, SendStream, Settings, StreamAccount, connection::Driver,
    error::By, share::handles, stream::Head,
};

/// A client's connection. It makes progress only while it is polled.
#[derive(Debug)]
pub struct Connection<IO>(Box<Driver<IO>>);

impl<IO: AsyncRead + AsyncWrite + Unpin> Connection<IO> {
    /// Speaks HTTP/2 on `io`, starting with the client's preface, with a budget of its own.
    pub fn new(io: IO, settings: Settings) -> Self {
        Self::with_budget(io, settings, Budget::default())
    }

    /// Like [`Connection::new`], with a budget shared by other connections.
    pub fn with_budget(io: IO, settings: Settings, budget: Budget) -> Self {
        Self(Box::new(Driver::new(io, true, settings, budget)))
    }

    /// Waits for the client's preface and SETTINGS.
    ///
    /// # Errors
    /// The client speaks another protocol, or is gone.
    pub async fn handshake(&mut self) -> Result<(), Error> {
        poll_fn(|cx| {
            let polled = self.0.poll(cx)?;
            if self.0.has_begun() { Poll::Ready(Ok(())) } else { polled.map(|()| Err(Error::closed())) }
        })
        .await
    }

    /// Returns the next request, or `None` when the connection is over. Also drives everything else.
    #[expect(clippy::type_complexity, reason = "it says what comes")]
    pub fn poll_accept(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<(Request<RecvStream>, SendResponse), Error>>> {
        loop {
            {
                let mut core = self.0.core.lock();
                while let Some(key) = core.accept.pop_front() {
                    let stream = &mut core.streams[key];
                    if let (Some(Head::Request(request)), None) =
                        (stream.recv.head.take(), stream.state.error())
                    {
                        let account = stream.client.clone();
                        let (recv, send) = handles(&self.0.core, key);
                        let respond = SendResponse { stream: Some(send), account };
                        return Poll::Ready(Some(Ok((request.map(|()| recv), respond))));
                    }
                    // The stream was reset in the meantime.
                    stream.handles = 1;
                    core.release(key);
                }
            }
            match ready!(self.0.poll(cx)) {
                Ok(()) if self.0.core.lock().accept.is_empty() => return Poll::Ready(None),
                Ok(()) => {}
                Err(error) if error.is_io() => return Poll::Ready(None),
                Err(error) => return Poll::Ready(Some(Err(error))),
            }
        }
    }

    /// A handle for sending pings.
    pub fn ping_pong(&self) -> PingPong {
        PingPong { core: self.0.core.clone() }
    }

    /// Shuts down gracefully: announces the end to the client, accepts no more streams, and ends after the last
    /// stream.
    pub fn graceful_shutdown(&mut self) {
        self.0.core.lock().end_gracefully();
    }

    /// Ends the connection and all its streams at once, with an error code.
    pub fn abrupt_shutdown(&mut self, reason: Reason) {
        self.0.core.lock().connection_error(reason.into(), By::User);
    }

    /// Drives the connection to its end. Drops further requests.
    pub fn poll_closed(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        while let Some(request) = ready!(self.poll_accept(cx)) {
            request?;
        }
        Poll::Ready(Ok(()))
    }
}

/// Sends the response to a request.
#[derive(Debug)]
pub struct SendResponse {
    /// `None` after the head was sent.
    stream: Option<SendStream>,
    account: Option<StreamAccount>,
}

impl SendResponse {
    /// Sends the head of the response. `end` marks a response without body.
    ///
    /// # Errors
    /// The stream is over, the head was sent before, or HTTP/2 forbids a header.
    pub fn send_response(&mut self, response: &Response<()>, end: bool) -> Result<SendStream, Error> {
        let sent = || Error::misused("the head was sent before");
        self.stream.as_ref().ok_or_else(sent)?.send_response(response, end)?;
        self.stream.take().ok_or_else(sent)
    }

    /// Takes the client's account, for [`StreamAccount::scope`].
    pub fn take_account(&mut self) -> Option<StreamAccount> {
        self.account.take()
    }

    /// Ready when the stream ended early, with the code of the RST_STREAM.
    ///
    /// # Errors
    /// The connection ended.
    pub fn poll_reset(&mut self, cx: &mut Context<'_>) -> Poll<Result<Reason, Error>> {
        self.stream.as_mut().map_or(Poll::Pending, |stream| stream.poll_reset(cx))
    }

    /// Resets the stream. Does nothing if it is over, or the head was sent.
    pub fn send_reset(&mut self, reason: Reason) {
        if let Some(stream) = &mut self.stream {
            stream.send_reset(reason);
        }
    }
}
