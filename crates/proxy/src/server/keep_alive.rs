//! Detects unresponsive clients with HTTP/2 pings.

use std::{
    io,
    pin::Pin,
    task::{Context, Poll, ready},
    time::Duration,
};

use http2::PingPong;
use tokio::time::{Instant, Sleep, sleep};

/// The interval between pings, unless the timeout is shorter.
const PING_EVERY: Duration = Duration::from_secs(60);

pin_project_lite::pin_project! {
    /// Pings a client while it has calls in progress. TCP detects dead hosts; pings also detect a hanging process.
    pub(super) struct KeepAlive {
        pings: PingPong,
        every: Duration,
        within: Duration,
        is_waiting: bool,
        #[pin]
        next: Sleep,
    }
}

impl KeepAlive {
    /// Creates it with the time within which a ping must be acknowledged.
    pub(super) fn new(pings: PingPong, within: Duration) -> Self {
        let every = PING_EVERY.min(within);
        Self { pings, every, within, is_waiting: false, next: sleep(every) }
    }

    /// Ready when a ping was not acknowledged in time and a call is in progress. Sends no pings on an idle
    /// connection.
    pub(super) fn poll_expired(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        is_idle: bool,
    ) -> Poll<io::Result<()>> {
        let mut this = self.project();
        loop {
            if *this.is_waiting && this.pings.poll_pong(cx).map_err(io::Error::other)?.is_ready() {
                *this.is_waiting = false;
                this.next.as_mut().reset(Instant::now() + *this.every);
            }
            ready!(this.next.as_mut().poll(cx));
            if is_idle {
                // The deadline of an outstanding ping.
                let pause = if *this.is_waiting { *this.within } else { *this.every };
                this.next.as_mut().reset(Instant::now() + pause);
                continue;
            }
            if std::mem::replace(this.is_waiting, true) {
                return Poll::Ready(Err(io::Error::new(io::ErrorKind::TimedOut, "it did not answer a ping")));
            }
            this.pings.send_ping().map_err(io::Error::other)?;
            this.next.as_mut().reset(Instant::now() + *this.within);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{future::poll_fn, pin::pin};

    use http2::{Settings, client, server::Connection};
    use tokio::time::timeout;

    use super::*;
    use crate::server::KEEPALIVE_TIMEOUT;

    /// Returns whether a client that is stopped for this long is disconnected, with a call in progress or idle.
    async fn is_given_up(stopped: Duration, is_idle: bool) -> bool {
        let (near, far) = tokio::io::duplex(1 << 16);
        let (_send, client) = client::new(near, Settings::default());
        let mut server = Connection::new(far, Settings::default());
        let mut client = pin!(client);
        tokio::select! { shaken = server.handshake() => shaken.unwrap(), _ = &mut client => unreachable!() }
        let mut keep_alive = pin!(KeepAlive::new(server.ping_pong(), KEEPALIVE_TIMEOUT));
        let mut serve = pin!(poll_fn(|cx| {
            assert!(server.poll_accept(cx).is_pending());
            keep_alive.as_mut().poll_expired(cx, is_idle)
        }));
        let minute = Duration::from_secs(60);
        // It acknowledges a ping or two before.
        tokio::select! {
            ended = &mut serve => panic!("{ended:?}"),
            _ = &mut client => unreachable!(),
            () = sleep(2 * minute + minute / 2) => {}
        }
        if timeout(stopped, &mut serve).await.is_ok() {
            return true;
        }
        tokio::select! { _ = &mut serve => true, _ = &mut client => unreachable!(), () = sleep(9 * minute) => false }
    }

    #[tokio::test(start_paused = true)]
    async fn a_client_may_be_stopped_for_150_s() {
        assert!(!is_given_up(Duration::from_secs(150), false).await);
        assert!(is_given_up(Duration::from_secs(240), false).await);
    }

    #[tokio::test(start_paused = true)]
    async fn idle_clients_may_be_stopped_for_long() {
        assert!(!is_given_up(Duration::from_secs(3600), true).await);
    }
}
