//! The metrics of an instance that shares its switch through etcd. Without etcd there are none.

use metrics::{
    Counter, Gauge, Histogram, Unit, counter, describe_counter, describe_gauge, describe_histogram, gauge,
    histogram,
};
use switch::etcd::{Counters, EtcdOp, Handle, InstanceState, LookUpReason, ResyncReason};

/// The names of the histograms, and their bounds.
pub(super) const HISTOGRAMS: [(&str, &[f64]); 2] = [
    ("teal_etcd_request_duration_seconds", &Counters::DURATIONS),
    ("teal_etcd_batch_size", &Counters::BATCHES),
];

/// The metrics of instances and of etcd.
pub(super) struct InstanceMetrics {
    instances: Gauge,
    epoch: Gauge,
    states: [Gauge; InstanceState::ALL.len()],
    durations: [Histogram; EtcdOp::ALL.len()],
    errors: [Counter; EtcdOp::ALL.len()],
    batches: Histogram,
    look_ups: [Counter; LookUpReason::ALL.len()],
    lag: Gauge,
    resyncs: [Counter; ResyncReason::ALL.len()],
    waiting: Gauge,
}

impl InstanceMetrics {
    /// Creates them, for the present recorder.
    pub(super) fn new() -> Self {
        describe();
        Self {
            instances: gauge!("teal_instances"),
            epoch: gauge!("teal_instance_epoch"),
            states: InstanceState::ALL.map(|it| gauge!("teal_instance_state", "state" => it.as_str())),
            durations: EtcdOp::ALL
                .map(|op| histogram!("teal_etcd_request_duration_seconds", "op" => op.as_str())),
            errors: EtcdOp::ALL.map(|op| counter!("teal_etcd_errors_total", "op" => op.as_str())),
            batches: histogram!("teal_etcd_batch_size"),
            look_ups: LookUpReason::ALL.map(|why| counter!("teal_lookups_total", "why" => why.as_str())),
            lag: gauge!("teal_etcd_watch_lag_seconds"),
            resyncs: ResyncReason::ALL.map(|why| counter!("teal_etcd_resyncs_total", "why" => why.as_str())),
            waiting: gauge!("teal_waiting_requests"),
        }
    }

    /// Updates them. `epoch`: of the view.
    pub(super) fn show(&self, store: &Handle, epoch: u64) {
        let (seen, counters) = (store.instances(), store.counters());
        let [_, _, live] = seen.agreed;
        self.instances.set(live as f64);
        self.epoch.set(epoch as f64);
        for (gauge, state) in self.states.iter().zip(InstanceState::ALL) {
            gauge.set(f64::from(u8::from(seen.state == state)));
        }
        for (op, (duration, errors)) in EtcdOp::ALL.into_iter().zip(self.durations.iter().zip(&self.errors)) {
            for (mean, count) in counters.durations(op).drain() {
                duration.record_many(mean, count);
            }
            errors.absolute(counters.errors(op));
        }
        for (mean, count) in counters.batches().drain() {
            self.batches.record_many(mean, count);
        }
        for (counter, why) in self.look_ups.iter().zip(LookUpReason::ALL) {
            counter.absolute(counters.look_ups(why));
        }
        for (counter, why) in self.resyncs.iter().zip(ResyncReason::ALL) {
            counter.absolute(counters.resyncs(why));
        }
        self.lag.set(seen.lag.as_secs_f64());
        self.waiting.set(counters.waiting() as f64);
    }
}

fn describe() {
    describe_gauge!("teal_instances", "Instances that are live, as this one sees them.");
    describe_gauge!("teal_instance_epoch", "The epoch that this instance has followed.");
    describe_gauge!("teal_instance_state", "1 for how this instance stands with etcd.");
    describe_histogram!(
        "teal_etcd_request_duration_seconds",
        Unit::Seconds,
        "From a request to etcd to its answer, other members included."
    );
    describe_counter!(
        "teal_etcd_errors_total",
        "Requests to etcd that failed at all members that were tried."
    );
    describe_histogram!("teal_etcd_batch_size", "Queries that were put or deleted at once.");
    describe_counter!("teal_lookups_total", "Calls that were judged after etcd was asked, by why.");
    describe_gauge!(
        "teal_etcd_watch_lag_seconds",
        Unit::Seconds,
        "By how much what etcd tells by itself is behind."
    );
    describe_counter!("teal_etcd_resyncs_total", "How often the whole record was read anew, by why.");
    describe_gauge!("teal_waiting_requests", "Requests that wait for etcd.");
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use protocol::{
        Protocol,
        Strategy::{Blue, Green},
    };
    use switch::{
        Actor, Phase, Rules, Step, Switch, Transition,
        etcd::{Prefix, Store},
    };
    use teal_etcd::simulated::Etcd;
    use tokio::time::{Instant, sleep};

    use crate::telemetry::{Collector, Metrics};

    const TTL: Duration = Duration::from_secs(10);

    fn collector(switch: &Switch) -> Collector {
        Collector::new(&Protocol::default(), Some(switch.clone()), Metrics::default(), None)
    }

    fn has(collector: &Collector, line: &str) {
        let exposition = collector.metrics();
        assert!(exposition.lines().any(|exposed| exposed == line), "{line:?} is not in\n{exposition}");
    }

    #[tokio::test(start_paused = true)]
    async fn metrics_of_etcd_come_with_it() {
        let rules = Rules { switch_every: None, ..Rules::default() };
        let (switch, collector) = {
            let (switch, _) = Switch::new(rules.clone());
            (switch.clone(), collector(&switch))
        };
        let alone = collector.metrics();
        let shared = ["instance", "etcd", "lookups", "waiting"].map(|name| format!("teal_{name}"));
        for name in &shared {
            assert!(!alone.contains(name), "{name} is in\n{alone}");
        }
        let etcd = Etcd::new(1);
        let store = || Store::new(etcd.client(etcd.settings()), Prefix::new("teal/").expect("it is good"));
        let _task = switch.share(store(), "web-1", TTL).await.expect("it joins");
        let other = Switch::new(rules).0;
        let _other = other.share(store(), "web-2", TTL).await.expect("it joins");
        sleep(Duration::from_secs(5)).await;
        for line in [
            "teal_instances 2",
            "teal_instance_epoch 1",
            "teal_instance_state{state=\"live\"} 1",
            "teal_instance_state{state=\"cut_off\"} 0",
            "teal_etcd_errors_total{op=\"renew\"} 0",
            "teal_etcd_request_duration_seconds_count{op=\"about\"} 1",
            "teal_lookups_total{why=\"refusal\"} 0",
            "teal_etcd_watch_lag_seconds 0",
            "teal_etcd_resyncs_total{why=\"copy\"} 0",
            "teal_waiting_requests 0",
            "teal_queries_in_flight{strategy=\"blue\"} 0",
        ] {
            has(&collector, line);
        }
        // The dashboard asks for none that are not there.
        let exposition = collector.metrics();
        let dashboard = concat!(env!("CARGO_MANIFEST_DIR"), "/../../examples/grafana/teal.json");
        let dashboard = std::fs::read_to_string(dashboard).expect("the crate is in its repository");
        let words = dashboard.split(|c: char| !c.is_ascii_alphanumeric() && c != '_');
        let names: Vec<_> =
            words.filter(|word| shared.iter().any(|name| word.starts_with(name.as_str()))).collect();
        assert!(names.len() > 8, "{names:?}");
        for name in names {
            let is_there =
                |line: &str| line.strip_prefix(name).is_some_and(|rest| rest.starts_with(['{', ' ']));
            assert!(exposition.lines().any(is_there), "{name} is not in\n{exposition}");
        }
        etcd.stop(0);
        sleep(TTL).await;
        has(&collector, "teal_instance_state{state=\"live\"} 0");
        has(&collector, "teal_instance_state{state=\"cut_off\"} 1");
    }

    /// The others count it where it was made, so that the sum over all instances is right.
    #[tokio::test]
    async fn switch_counts_where_it_was_made() {
        let (switch, _) = Switch::new(Rules::default());
        let at = Instant::now().into_std();
        for is_own in [false, true] {
            let collector = collector(&switch);
            let step = |transition, phase, abandoned| Step {
                transition,
                by: Actor::Teal,
                phase,
                announcement: 1,
                at,
                abandoned,
                is_own,
            };
            let announced = Transition::Announced { from: Blue, to: Green };
            collector.step(&step(announced, Phase::Announced { active: Blue, since: at }, 0));
            let over = Transition::DrainTimedOut { old: Blue };
            collector.step(&step(over, Phase::Stable { active: Green }, 3));
            let count = u8::from(is_own);
            has(&collector, &format!("teal_switches_total{{result=\"timed_out\"}} {count}"));
            has(&collector, &format!("teal_switch_duration_seconds_count {count}"));
            has(&collector, &format!("teal_drain_abandoned_total {}", 3 * count));
        }
    }
}
