//! The limits of sending.

use std::{
    io,
    net::{SocketAddr, ToSocketAddrs},
    time::Duration,
};

/// The most receivers.
pub const MOST: usize = 16;

/// How much waits, and how long. The defaults hold outside tests.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    /// The most events that wait for one receiver.
    pub(crate) events: usize,
    /// The most bytes that they take.
    pub(crate) bytes: usize,
    /// How long an event is tried after it happened.
    pub(crate) keeps_trying: Duration,
    /// From the first failed attempt to the next; doubles with each.
    pub(crate) first_delay: Duration,
    /// The most between two attempts.
    pub(crate) longest_delay: Duration,
    /// The most that a receiver can ask for by `retry-after`.
    pub(crate) longest_wish: Duration,
    /// For a name, a connection and TLS.
    pub(crate) connects_within: Duration,
    /// For the head of a response.
    pub(crate) answers_within: Duration,
    /// For the body of a response, which only lets the connection be used again.
    pub(crate) drains_within: Duration,
    /// How long a connection stays open without an event.
    pub(crate) idles: Duration,
    /// For all that waits when the server stops.
    pub(crate) ends_within: Duration,
    /// Finds the addresses of a host. It may block.
    pub(crate) resolve: fn(&str, u16) -> io::Result<Vec<SocketAddr>>,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            events: 10_000,
            bytes: 16 << 20,
            keeps_trying: Duration::from_secs(3600),
            first_delay: Duration::from_millis(500),
            longest_delay: Duration::from_secs(60),
            longest_wish: Duration::from_secs(300),
            connects_within: Duration::from_secs(10),
            answers_within: Duration::from_secs(15),
            drains_within: Duration::from_secs(1),
            idles: Duration::from_secs(5),
            ends_within: Duration::from_secs(3),
            resolve: |host, port| Ok((host, port).to_socket_addrs()?.collect()),
        }
    }
}

impl Limits {
    /// The pause after so many failed attempts at an event: at random between half of it and all, but not less than the
    /// seconds that the receiver asks for.
    pub(crate) fn delay(&self, failed: u32, wish: Option<u64>, random: f64) -> Duration {
        let doubled = self.first_delay.saturating_mul(1 << (failed.clamp(1, 20) - 1));
        let delay = doubled.min(self.longest_delay).mul_f64(0.5 + random.clamp(0.0, 1.0) / 2.0);
        delay.max(Duration::from_secs(wish.unwrap_or_default()).min(self.longest_wish))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn delays_double_to_their_limit() {
        let limits = Limits::default();
        let failed = [1, 2, 3, 7, 8, 9, u32::MAX];
        let [least, most] =
            [0.0, 1.0].map(|random| failed.map(|failed| limits.delay(failed, None, random).as_secs_f64()));
        assert_eq!(most, [0.5, 1.0, 2.0, 32.0, 60.0, 60.0, 60.0]);
        assert_eq!(least, most.map(|most| most / 2.0));
    }

    #[test]
    fn a_receiver_can_ask_for_a_pause() {
        for (failed, wish, seconds) in [(1, 7, 7.0), (1, 0, 0.5), (9, 7, 60.0), (1, u64::MAX, 300.0)] {
            assert_eq!(Limits::default().delay(failed, Some(wish), 1.0).as_secs_f64(), seconds);
        }
    }
}
