//! Tells systemd, or another service manager that sets `NOTIFY_SOCKET`, what state teal is in. Nothing is sent if the
//! variable is not set.

use std::{
    sync::atomic::{AtomicBool, Ordering},
    time::Duration,
};

use sd_notify::NotifyState;
use switch::Switch;
use tokio::time::interval;
use tokio_util::task::AbortOnDropHandle;
use tracing::warn;

/// The least time between two keep-alives, however short a watchdog is set.
const MIN_INTERVAL: Duration = Duration::from_millis(10);

/// Whether teal is ready and not stopping. A reload says that teal is ready, which must not be said at other times.
static SERVES: AtomicBool = AtomicBool::new(false);

/// Calls are served.
pub(crate) fn ready() {
    SERVES.store(true, Ordering::Relaxed);
    send(&[NotifyState::Ready]);
}

/// A reload begins.
pub(crate) fn reloading() {
    if SERVES.load(Ordering::Relaxed) {
        // systemd 253 and newer want to know when.
        let now = NotifyState::monotonic_usec_now().ok();
        let states = [Some(NotifyState::Reloading), now];
        send(&states.into_iter().flatten().collect::<Vec<_>>());
    }
}

/// A reload is over. `systemctl status` shows its outcome.
pub(crate) fn reloaded(outcome: Result<&str, &str>) {
    if SERVES.load(Ordering::Relaxed) {
        let outcome = match outcome {
            Ok(done) => format!("Settings reloaded: {done}"),
            Err(why) => format!("Settings not reloaded, nothing has changed: {why}"),
        };
        // A line break would begin another assignment.
        send(&[NotifyState::Ready, NotifyState::Status(&outcome.replace(['\n', '\r'], " "))]);
    }
}

/// teal begins to shut down.
pub(crate) fn stopping() {
    SERVES.store(false, Ordering::Relaxed);
    send(&[NotifyState::Stopping]);
}

/// Sends keep-alives at half of the watchdog's time, for as long as `/livez` would be 200. `None` if there is no
/// watchdog.
pub(crate) fn watchdog(switch: Option<Switch>) -> Option<AbortOnDropHandle<()>> {
    let every = (sd_notify::watchdog_enabled()? / 2).max(MIN_INTERVAL);
    let is_alive = move || switch.as_ref().and_then(Switch::failed).is_none();
    let beat = || send(&[NotifyState::Watchdog]);
    Some(AbortOnDropHandle::new(tokio::spawn(keep_alive(every, is_alive, beat))))
}

async fn keep_alive(every: Duration, is_alive: impl Fn() -> bool, beat: impl Fn()) {
    let mut ticks = interval(every);
    loop {
        ticks.tick().await;
        if is_alive() {
            beat();
        }
    }
}

fn send(states: &[NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(states) {
        warn!(
            "The service manager is not told of {}: {error}",
            states.first().map(ToString::to_string).unwrap_or_default()
        );
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicU32;

    use tokio::time::timeout;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn keep_alives_end_when_teal_fails() {
        let (beats, is_alive) = (AtomicU32::new(0), AtomicBool::new(true));
        let every = Duration::from_secs(15);
        let beating = keep_alive(
            every,
            || is_alive.load(Ordering::Relaxed),
            || {
                beats.fetch_add(1, Ordering::Relaxed);
            },
        );
        tokio::pin!(beating);
        // At once, and after 15, 30 and 45 s.
        timeout(every * 7 / 2, &mut beating).await.expect_err("it goes on");
        assert_eq!(beats.load(Ordering::Relaxed), 4);
        is_alive.store(false, Ordering::Relaxed);
        timeout(every * 4, &mut beating).await.expect_err("it goes on");
        assert_eq!(beats.load(Ordering::Relaxed), 4);
    }
}
