//! PING frames of this side.

use std::task::{Context, Poll};

use bytes::BytesMut;

use crate::{
    core::Shared,
    error::Error,
    frame::{Head, kind},
    stream::Parked,
};

/// The payload of a user's ping; the shutdown ping has another.
const USER: [u8; 8] = *b"\x3b\x7c\xdb\x7a\x0b\x87\x16\xb4";
const FAREWELL: [u8; 8] = *b"\x0b\x7b\xa2\xf0\x8b\x9b\xfe\x54";

/// The state of outstanding pings.
#[derive(Debug, Default)]
pub(crate) struct Pings {
    is_answered: bool,
    asker: Parked,
}

impl Pings {
    pub(crate) fn put_farewell(&self, out: &mut BytesMut) {
        put(&FAREWELL, out);
    }

    /// Handles a PING acknowledgement. Returns whether it was for the shutdown ping.
    pub(crate) fn recv_pong(&mut self, payload: &[u8]) -> bool {
        if payload == USER {
            self.is_answered = true;
            self.asker.wake();
        }
        payload == FAREWELL
    }

    pub(crate) fn wake(&mut self) {
        self.asker.wake();
    }
}

fn put(payload: &[u8; 8], out: &mut BytesMut) {
    Head { len: 8, kind: kind::PING, flags: 0, stream: 0 }.put(out);
    out.extend_from_slice(payload);
}

/// Sends pings and awaits their acknowledgements.
#[derive(Debug)]
pub struct PingPong {
    pub(crate) core: Shared,
}

impl PingPong {
    /// Sends a ping.
    ///
    /// # Errors
    /// The connection is over.
    pub fn send_ping(&mut self) -> Result<(), Error> {
        let mut core = self.core.lock();
        if let Some(error) = &core.error {
            return Err(error.clone());
        }
        core.pings.is_answered = false;
        put(&USER, core.out.buffer());
        core.wake();
        Ok(())
    }

    /// Ready once the last ping was acknowledged.
    ///
    /// # Errors
    /// The connection is over.
    pub fn poll_pong(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        let mut core = self.core.lock();
        if let Some(error) = &core.error {
            return Poll::Ready(Err(error.clone()));
        }
        if std::mem::take(&mut core.pings.is_answered) {
            return Poll::Ready(Ok(()));
        }
        core.pings.asker.park(cx);
        Poll::Pending
    }

    /// Sends a ping and waits for its acknowledgement.
    ///
    /// # Errors
    /// The connection is over.
    pub async fn ping(&mut self) -> Result<(), Error> {
        self.send_ping()?;
        std::future::poll_fn(|cx| self.poll_pong(cx)).await
    }
}
