//! The metrics of receivers of events. Without receivers there are none.

use metrics::{Counter, Gauge, counter, describe_counter, describe_gauge, gauge};

/// Why an event does not reach a receiver.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DropReason {
    /// It was tried for too long.
    Expired,
    /// Too many events waited.
    Full,
    /// The receiver rejected this event.
    Refused,
    /// The receiver wants no more events.
    Gone,
    /// The receiver was removed from the settings.
    Ended,
}

impl DropReason {
    /// All of them.
    pub const ALL: [Self; 5] = [Self::Expired, Self::Full, Self::Refused, Self::Gone, Self::Ended];

    /// The value of the label.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Expired => "expired",
            Self::Full => "full",
            Self::Refused => "refused",
            Self::Gone => "gone",
            Self::Ended => "ended",
        }
    }
}

/// The metrics of one receiver.
#[derive(Clone, Debug)]
pub struct WebhookMetrics {
    /// Events that it has.
    pub sent: Counter,
    /// Attempts that failed.
    pub failed: Counter,
    /// Events that wait for it.
    pub waiting: Gauge,
    dropped: [Counter; DropReason::ALL.len()],
}

impl WebhookMetrics {
    /// Creates them, for the present recorder.
    pub(super) fn new(host: &str) -> Self {
        describe();
        let dropped = |reason: DropReason| counter!("teal_webhook_dropped_total", "host" => host.to_owned(), "reason" => reason.as_str());
        Self {
            sent: counter!("teal_webhook_sent_total", "host" => host.to_owned()),
            failed: counter!("teal_webhook_failures_total", "host" => host.to_owned()),
            waiting: gauge!("teal_webhook_waiting", "host" => host.to_owned()),
            dropped: DropReason::ALL.map(dropped),
        }
    }

    /// Events that do not reach it.
    pub fn dropped(&self, reason: DropReason) -> &Counter {
        &self.dropped[reason as usize]
    }
}

fn describe() {
    describe_counter!("teal_webhook_sent_total", "Events that a webhook has accepted.");
    describe_counter!("teal_webhook_failures_total", "Attempts to send an event that failed.");
    describe_counter!("teal_webhook_dropped_total", "Events that do not reach a webhook, by why.");
    describe_gauge!("teal_webhook_waiting", "Events that wait for a webhook.");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_reason_has_its_place() {
        for (at, reason) in DropReason::ALL.into_iter().enumerate() {
            assert_eq!(reason as usize, at, "{}", reason.as_str());
        }
    }
}
