//! Counts the events of one receiver, and logs the first failure of a series and its end.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use parking_lot::Mutex;
use proxy::telemetry::{DropReason, WebhookMetrics};
use tracing::{info, warn};

/// The counts of one receiver.
#[derive(Debug)]
pub(crate) struct Tally {
    /// Scheme, host and port.
    url: String,
    metrics: WebhookMetrics,
    waiting: AtomicU64,
    series: Mutex<Series>,
}

#[derive(Debug, Default)]
struct Series {
    is_failing: bool,
    /// Since no event waited last.
    dropped: u64,
}

impl Tally {
    pub(crate) fn new(url: String, metrics: WebhookMetrics) -> Self {
        Self { url, metrics, waiting: AtomicU64::new(0), series: Mutex::default() }
    }

    /// An event begins to wait.
    pub(crate) fn queued(&self) {
        self.waiting.fetch_add(1, Relaxed);
        self.metrics.waiting.increment(1.0);
    }

    /// An attempt has failed.
    pub(crate) fn failed(&self, why: &str) {
        self.metrics.failed.increment(1);
        if !std::mem::replace(&mut self.series.lock().is_failing, true) {
            warn!("Webhook {} fails, trying again: {why}", self.url);
        }
    }

    /// An event is with its receiver. With `is_last` none waits.
    pub(crate) fn sent(&self, is_last: bool) {
        self.settle(1);
        self.metrics.sent.increment(1);
        let mut series = self.series.lock();
        if std::mem::take(&mut series.is_failing) {
            info!("Webhook {} takes events again", self.url);
        }
        if is_last && series.dropped > 0 {
            info!("Webhook {} has caught up, events dropped: {}", self.url, series.dropped);
            series.dropped = 0;
        }
    }

    /// Events are dropped that waited.
    pub(crate) fn dropped(&self, count: u64, reason: DropReason, why: &str) {
        self.settle(count);
        self.missed(count, reason, why);
    }

    /// Events are dropped that did not get to wait.
    pub(crate) fn missed(&self, count: u64, reason: DropReason, why: &str) {
        if count == 0 {
            return;
        }
        self.metrics.dropped(reason).increment(count);
        let mut series = self.series.lock();
        if series.dropped == 0 {
            warn!("Webhook {} loses events: {why}", self.url);
        }
        series.dropped += count;
    }

    /// An event comes after that.
    pub(crate) fn missed_by_gone(&self) {
        self.metrics.dropped(DropReason::Gone).increment(1);
    }

    /// The receiver wants no more events.
    pub(crate) fn gone(&self, count: u64) {
        self.settle(count);
        self.metrics.dropped(DropReason::Gone).increment(count);
        warn!("Webhook {} is gone (410): it gets no events until a reload or a restart", self.url);
    }

    /// Drops all that waits. Returns its number.
    pub(crate) fn abandon(&self) -> u64 {
        let count = self.waiting.load(Relaxed);
        let count = self.settle(count);
        self.metrics.dropped(DropReason::Ended).increment(count);
        count
    }

    /// So many events no longer wait. An attempt that is aborted may still succeed: it is counted once.
    fn settle(&self, count: u64) -> u64 {
        let before =
            self.waiting.fetch_update(Relaxed, Relaxed, |waiting| Some(waiting.saturating_sub(count)));
        let settled = count.min(before.unwrap_or_default());
        self.metrics.waiting.decrement(settled as f64);
        settled
    }

    pub(crate) fn url(&self) -> &str {
        &self.url
    }
}
