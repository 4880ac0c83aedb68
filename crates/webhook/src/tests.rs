//! Real receivers on loopback: what each gets, and what becomes of events when it misbehaves.

mod attacks;
mod outages;
mod receiver;
mod reloads;
mod sending;

use std::time::Duration;

use protocol::Protocol;
use proxy::telemetry::{Collector, Metrics};
use switch::{EventLog, NewEvent};

use self::receiver::Receiver;
use crate::{Settings, Source, Webhooks, limits::Limits};

const SOON: Duration = Duration::from_secs(30);

/// Short pauses, and long limits.
fn quick() -> Limits {
    Limits {
        first_delay: Duration::from_millis(1),
        longest_delay: Duration::from_millis(20),
        ends_within: SOON,
        ..Limits::default()
    }
}

/// Webhooks to be, and what they read and count.
struct Bench {
    event_log: EventLog,
    metrics: Metrics,
    limits: Limits,
}

impl Bench {
    fn new(limits: Limits) -> Self {
        Self { event_log: EventLog::default(), metrics: Metrics::default(), limits }
    }

    fn start(&self, settings: Settings) -> Webhooks {
        let (event_log, metrics) = (self.event_log.clone(), self.metrics.clone());
        Webhooks::limited(event_log, metrics, settings, self.limits).unwrap()
    }

    /// Adds an event whose message is a number.
    fn note(&self, number: usize) {
        self.note_kind("fault", number);
    }

    fn note_kind(&self, kind: &'static str, number: usize) {
        self.event_log.note(NewEvent { kind, message: number.to_string(), ..NewEvent::default() });
    }

    /// The value of a metric of the only receiver; 0 if it is not there.
    fn count(&self, name: &str) -> u64 {
        let collector = Collector::new(&Protocol::default(), None, self.metrics.clone(), None);
        let exposition = collector.metrics();
        let named = |line: &&str| line.starts_with("teal_webhook_") && line.contains(name);
        let lines = exposition.lines().filter(named).map(|line| line.rsplit_once(' ').unwrap().1);
        lines.map(|value| value.parse::<u64>().unwrap()).sum()
    }

    /// Waits until a metric has at least this value.
    async fn until(&self, name: &str, value: u64) {
        let reached = async {
            while self.count(name) < value {
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(SOON, reached).await.expect(name);
    }

    /// Sent, and dropped for any reason; nothing waits.
    fn counts(&self) -> (u64, u64) {
        assert_eq!(self.count("waiting{"), 0);
        (self.count("sent_total{"), self.count("dropped_total{"))
    }
}

fn to(receivers: &[&Receiver]) -> Settings {
    let targets = receivers.iter().map(|receiver| receiver.url().parse().unwrap()).collect();
    let source = Source { instance: "web-1".to_owned(), switch: None };
    Settings { targets, kinds: Vec::new(), secrets: None, tls: None, source }
}
