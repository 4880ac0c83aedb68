//! Paces the resets that a connection sends to its engine for cancelled calls.
//!
//! HTTP/2 servers treat many resets as an attack (CVE-2023-44487). h2 (tonic, hyper) ends a connection at more than
//! 20 resets of streams that were not accepted yet, nghttp2 at more than 1000 at once and 33 a second, Envoy at 500
//! early ones, Netty, if configured, at 200. Connections to engines are shared, so the cancellations of one client
//! would end the calls of others.

use std::time::Duration;

use parking_lot::Mutex;
use tokio::time::Instant;

/// The number of resets sent at once: fewer than the strictest server allows.
pub(super) const BURST: u32 = 16;
/// The interval between resets after that: 30 a second.
const EVERY: Duration = Duration::from_nanos(1_000_000_000 / 30);

/// When resets may be sent (a generic cell rate algorithm).
#[derive(Debug)]
pub(super) struct Pacing {
    /// The theoretical arrival time of the last reset.
    even: Mutex<Instant>,
}

impl Default for Pacing {
    fn default() -> Self {
        Self { even: Mutex::new(Instant::now()) }
    }
}

impl Pacing {
    /// Counts one more reset, if it may be sent now. The error is the time at which it may.
    pub(super) fn take(&self) -> Result<(), Instant> {
        let mut even = self.even.lock();
        let now = Instant::now();
        let next = (*even).max(now) + EVERY;
        let allowed = next.checked_sub(EVERY * BURST).unwrap_or(now);
        if allowed > now {
            return Err(allowed);
        }
        *even = next;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use tokio::time::{advance, sleep_until};

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn bursts_are_immediate_then_30_a_second() {
        let pacing = Pacing::default();
        assert!((0..BURST).all(|_| pacing.take().is_ok()));
        let start = Instant::now();
        for _ in 0..90 {
            let at = pacing.take().unwrap_err();
            sleep_until(at).await;
            pacing.take().unwrap();
        }
        let took = start.elapsed();
        assert!((2900..3200).contains(&took.as_millis()), "{took:?}");
        advance(Duration::from_secs(3600)).await;
        assert!((0..BURST).all(|_| pacing.take().is_ok()));
        assert!(pacing.take().is_err(), "what was not used is not saved up beyond the burst");
    }
}
