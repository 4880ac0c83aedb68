//! The metrics for Prometheus. Handles are created once; nothing here is on the path of a call.

use std::{net::SocketAddr, sync::Arc};

use http2::{Budget, Refusal};
use metrics::{
    Counter, Gauge, Histogram, Unit, counter, describe_counter, describe_gauge, describe_histogram, gauge,
    histogram, with_local_recorder,
};
use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusRecorder};
use protocol::Strategy;
use switch::{PhaseName, Snapshot, etcd::Handle};

use super::{
    call::{Outcome, Status},
    instances::{HISTOGRAMS, InstanceMetrics},
    thread_counters::{BOUNDS, STRATEGIES, ThreadCounters},
    webhooks::WebhookMetrics,
};
use crate::{adoption::End, recording::Recorder};

/// The upper bounds of the histogram of switch durations, in seconds.
const SWITCH_BOUNDS: [f64; 10] = [1.0, 2.5, 5.0, 10.0, 20.0, 40.0, 60.0, 120.0, 300.0, 600.0];

/// The exposed metrics. Clones share them.
#[derive(Clone)]
pub struct Metrics {
    recorder: Arc<PrometheusRecorder>,
    process: Arc<metrics_process::Collector>,
    budget: Budget,
    recording: Recorder,
}

impl Default for Metrics {
    fn default() -> Self {
        let recorder = PrometheusBuilder::new()
            .set_buckets_for_metric(Matcher::Full("teal_request_duration_seconds".to_owned()), &BOUNDS)
            .and_then(|builder| {
                let name = Matcher::Full("teal_switch_duration_seconds".to_owned());
                builder.set_buckets_for_metric(name, &SWITCH_BOUNDS)
            })
            .and_then(|builder| {
                HISTOGRAMS.into_iter().try_fold(builder, |builder, (name, bounds)| {
                    builder.set_buckets_for_metric(Matcher::Full(name.to_owned()), bounds)
                })
            })
            .expect("there are bounds")
            .build_recorder();
        let metrics = Self {
            recorder: Arc::new(recorder),
            process: Arc::default(),
            budget: Budget::default(),
            recording: Recorder::default(),
        };
        metrics.describe();
        metrics
    }
}

impl Metrics {
    /// Creates the metrics of a process whose connections share this budget.
    pub fn new(budget: Budget) -> Self {
        Self { budget, ..Self::default() }
    }

    /// Adds what this recorder does.
    pub fn recorded_by(self, recording: Recorder) -> Self {
        Self { recording, ..self }
    }

    fn describe(&self) {
        self.with(|| {
            describe_counter!("teal_requests_total", "Calls that are over.");
            describe_gauge!(
                "teal_upstream_address_connections",
                "Open connections to an address of an engine."
            );
            describe_counter!(
                "teal_upstream_address_failures_total",
                "Attempts at an address of an engine that failed, or that another address was ahead of."
            );
            describe_histogram!(
                "teal_request_duration_seconds",
                Unit::Seconds,
                "From a call's arrival to the end of its answer."
            );
            describe_counter!("teal_rejected_total", "Calls that got a 456.");
            describe_counter!("teal_notices_total", "Answers that told of another strategy.");
            describe_counter!(
                "teal_notices_untouched_total",
                "Answers that told it in metadata alone, for their message could not be read."
            );
            describe_gauge!("teal_queries_in_flight", "Queries on record, or begun and not yet answered.");
            describe_gauge!("teal_phase", "1 for the phase that the switch is in.");
            describe_gauge!("teal_active_strategy", "1 for the strategy that new work belongs to.");
            describe_counter!("teal_switches_total", "Announcements that came to an end, by which.");
            describe_histogram!(
                "teal_switch_duration_seconds",
                Unit::Seconds,
                "From an announcement to its end."
            );
            describe_counter!("teal_drain_abandoned_total", "Queries left behind at a drain's timeout.");
            describe_gauge!("teal_upstream_connections", "Open connections to an engine.");
            describe_counter!("teal_upstream_errors_total", "Failures of an engine to connect or to answer.");
            describe_counter!(
                "teal_http2_refused_total",
                "HTTP/2 of clients that was refused because it asked for too much, by reason."
            );
            describe_gauge!(
                "teal_http2_unread_bytes",
                Unit::Bytes,
                "Bytes of calls that wait for slow readers."
            );
            describe_counter!("teal_recorded_calls_total", "Calls that were recorded to their end.");
            describe_counter!(
                "teal_recorded_bytes_total",
                Unit::Bytes,
                "Bytes that were written to recordings."
            );
            describe_counter!(
                "teal_recording_lost_calls_total",
                "Calls that are not, or not wholly, in a recording, because the disk is slow or full."
            );
            self.process.describe();
        });
    }

    /// Creates the metrics of one engine.
    pub fn upstream(&self, url: &str) -> UpstreamMetrics {
        let error =
            |kind| counter!("teal_upstream_errors_total", "upstream" => url.to_owned(), "kind" => kind);
        self.with(|| UpstreamMetrics {
            metrics: self.clone(),
            url: url.to_owned(),
            connections: gauge!("teal_upstream_connections", "upstream" => url.to_owned()),
            connect: error("connect"),
            unreachable: error("unreachable"),
            lost: error("lost"),
            reset: error("reset"),
        })
    }

    /// Creates the metrics of a receiver of events, by its host and port.
    pub fn webhook(&self, host: &str) -> WebhookMetrics {
        self.with(|| WebhookMetrics::new(host))
    }

    /// Renders all metrics in Prometheus's text format.
    pub(super) fn render(&self) -> String {
        self.with(|| {
            self.process.collect();
            gauge!("teal_http2_unread_bytes").set(self.budget.used() as f64);
            let recorded = self.recording.totals();
            counter!("teal_recorded_calls_total").absolute(recorded.calls);
            counter!("teal_recorded_bytes_total").absolute(recorded.bytes);
            counter!("teal_recording_lost_calls_total").absolute(recorded.lost);
            for refusal in Refusal::ALL {
                let refused = self.budget.refused(refusal);
                counter!("teal_http2_refused_total", "reason" => refusal.as_str()).absolute(refused);
            }
        });
        self.recorder.handle().render()
    }

    /// Frees the memory of old samples. Call it periodically.
    pub(super) fn tidy(&self) {
        self.recorder.handle().run_upkeep();
    }

    fn with<T>(&self, act: impl FnOnce() -> T) -> T {
        with_local_recorder(&*self.recorder, act)
    }
}

impl std::fmt::Debug for Metrics {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Metrics").finish_non_exhaustive()
    }
}

/// The metrics of one engine.
#[derive(Clone, Debug)]
pub struct UpstreamMetrics {
    metrics: Metrics,
    url: String,
    /// Open connections.
    pub(crate) connections: Gauge,
    /// Connections that could not be opened.
    pub(crate) connect: Counter,
    /// Calls that got no connection.
    pub(crate) unreachable: Counter,
    /// Connections lost during a call.
    pub(crate) lost: Counter,
    /// Calls that the engine reset.
    pub(crate) reset: Counter,
}

impl UpstreamMetrics {
    /// Creates the metrics of one of its addresses.
    pub fn address(&self, address: SocketAddr) -> AddressMetrics {
        let (url, address) = (&self.url, address.to_string());
        self.metrics.with(|| AddressMetrics {
            connections: gauge!(
                "teal_upstream_address_connections",
                "upstream" => url.clone(), "address" => address.clone()
            ),
            failures: counter!(
                "teal_upstream_address_failures_total",
                "upstream" => url.clone(), "address" => address
            ),
        })
    }
}

/// The metrics of one address of an engine.
#[derive(Clone, Debug)]
pub struct AddressMetrics {
    /// Open connections.
    pub(crate) connections: Gauge,
    /// Failed attempts, and those that another address overtook.
    pub(crate) failures: Counter,
}

/// The metrics that the counts of the threads are added to.
pub(super) struct Exported {
    metrics: Metrics,
    labels: Arc<[String]>,
    /// In the order of the rows of [`ThreadCounters`].
    requests: Vec<Vec<(Outcome, Status, Counter)>>,
    durations: Vec<Option<Histogram>>,
    rejected: Counter,
    notices: Counter,
    untouched: Counter,
    queries: [Gauge; 2],
    active: [Gauge; 2],
    phases: [Gauge; 3],
    switches: [Counter; 4],
    switch_duration: Histogram,
    abandoned: Counter,
    /// Where the switch is shared.
    shared: Option<InstanceMetrics>,
}

impl Exported {
    pub(super) fn new(metrics: Metrics, labels: Arc<[String]>) -> Self {
        let rows = labels.len() * STRATEGIES;
        metrics.clone().with(|| Self {
            requests: vec![Vec::new(); rows],
            durations: vec![None; rows],
            rejected: counter!("teal_rejected_total"),
            notices: counter!("teal_notices_total"),
            untouched: counter!("teal_notices_untouched_total"),
            queries: Strategy::ALL.map(|it| gauge!("teal_queries_in_flight", "strategy" => it.as_str())),
            active: Strategy::ALL.map(|it| gauge!("teal_active_strategy", "strategy" => it.as_str())),
            phases: PhaseName::ALL.map(|phase| gauge!("teal_phase", "phase" => phase.as_str())),
            switches: End::ALL.map(|end| counter!("teal_switches_total", "result" => end.as_str())),
            switch_duration: histogram!("teal_switch_duration_seconds"),
            abandoned: counter!("teal_drain_abandoned_total"),
            shared: None,
            metrics,
            labels,
        })
    }

    /// Adds the counts of a thread.
    pub(super) fn collect(&mut self, tally: &mut ThreadCounters) {
        self.rejected.increment(std::mem::take(&mut tally.rejected));
        self.notices.increment(std::mem::take(&mut tally.notices));
        self.untouched.increment(std::mem::take(&mut tally.untouched));
        for (at, row) in tally.rows.iter_mut().enumerate() {
            for (outcome, status, count) in row.outcomes.iter_mut().filter(|(.., count)| *count > 0) {
                self.requests(at, *outcome, *status).increment(std::mem::take(count));
            }
            for bucket in row.durations.iter_mut().flat_map(|durations| durations.iter_mut()) {
                if bucket.count > 0 {
                    // Their mean lies between the same bounds, and so many times it is their sum.
                    let mean = bucket.sum / f64::from(bucket.count);
                    self.durations(at).record_many(mean, bucket.count as usize);
                    *bucket = Default::default();
                }
            }
        }
    }

    /// Records the duration of a completed switch.
    pub(super) fn switched(&self, end: End, seconds: f64) {
        let at = End::ALL.iter().position(|known| *known == end).expect("all are there");
        self.switches[at].increment(1);
        self.switch_duration.record(seconds);
    }

    /// Counts abandoned queries.
    pub(super) fn abandoned(&self, queries: u64) {
        self.abandoned.increment(queries);
    }

    /// Updates the metrics of the switch's state.
    pub(super) fn show(&self, snapshot: &Snapshot) {
        let one_if = |is: bool| f64::from(u8::from(is));
        for strategy in Strategy::ALL {
            self.queries[strategy.index()].set(snapshot.queries[strategy.index()] as f64);
            self.active[strategy.index()].set(one_if(snapshot.phase.active() == strategy));
        }
        for (gauge, phase) in self.phases.iter().zip(PhaseName::ALL) {
            gauge.set(one_if(snapshot.phase.name() == phase));
        }
    }

    /// Updates the metrics of a switch that is shared. The queries are those on record, the same at all instances.
    pub(super) fn show_shared(&mut self, store: &Handle, epoch: u64) {
        let metrics = &self.metrics;
        self.shared.get_or_insert_with(|| metrics.with(InstanceMetrics::new)).show(store, epoch);
        for (gauge, queries) in self.queries.iter().zip(store.queries()) {
            gauge.set(queries as f64);
        }
    }

    fn requests(&mut self, row: usize, outcome: Outcome, status: Status) -> &Counter {
        let known = self.requests[row].iter().position(|known| (known.0, known.1) == (outcome, status));
        let at = known.unwrap_or_else(|| {
            let (method, strategy) = self.row(row);
            let counter = self.metrics.with(|| {
                counter!("teal_requests_total", "method" => method, "strategy" => strategy,
                    "outcome" => outcome.as_str(), "grpc_status" => status.as_str())
            });
            self.requests[row].push((outcome, status, counter));
            self.requests[row].len() - 1
        });
        &self.requests[row][at].2
    }

    fn durations(&mut self, row: usize) -> &Histogram {
        if self.durations[row].is_none() {
            let (method, strategy) = self.row(row);
            let histogram = self.metrics.with(
                || histogram!("teal_request_duration_seconds", "method" => method, "strategy" => strategy),
            );
            self.durations[row] = Some(histogram);
        }
        self.durations[row].as_ref().expect("it is there")
    }

    /// The method and strategy of a row.
    fn row(&self, row: usize) -> (String, &'static str) {
        let strategy = Strategy::ALL.get(row % STRATEGIES).map_or("none", |strategy| strategy.as_str());
        (self.labels[row / STRATEGIES].clone(), strategy)
    }
}

impl std::fmt::Debug for Exported {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Exported").finish_non_exhaustive()
    }
}
