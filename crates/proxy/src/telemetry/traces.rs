//! Traces by OTLP, if an endpoint is set: one span per call, within the client's trace. The thread
//! of a call only records the facts of its span; it is built and sent elsewhere.
//! Without an endpoint, no metadata is read or changed.

mod span;

use std::{
    env, io,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant, SystemTime},
};

use opentelemetry::{
    InstrumentationScope, KeyValue, SpanId, TraceFlags, TraceId,
    trace::{SpanContext, SpanKind, Status as SpanStatus, TraceState},
};
use opentelemetry_otlp::WithExportConfig;
use opentelemetry_sdk::{
    Resource,
    error::OTelSdkResult,
    trace::{BatchSpanProcessor, SpanData, SpanExporter, SpanProcessor},
};
use parking_lot::Mutex;
use protocol::{Protocol, Strategy};
use tracing::{info, warn};

pub(super) use self::span::{Sampling, Span};
use super::call::{Outcome, Status};
use crate::adoption::CallRecord;

/// How long the last spans may take to be sent when teal stops.
const LAST_WORDS: Duration = Duration::from_secs(3);
/// How often recorded spans are built; the processor's queue holds as many.
const EVERY: Duration = Duration::from_millis(20);
/// The most spans that a thread records in between.
const NOTED: usize = 4096;

/// The connection to a collector.
#[derive(Debug)]
pub struct Traces {
    tracer: Tracer,
}

impl Traces {
    /// Sends spans of these methods to the collector at `endpoint`, which may be unavailable. Call it within a
    /// runtime.
    pub fn to(endpoint: &str, protocol: &Protocol) -> io::Result<Self> {
        let exporter = opentelemetry_otlp::SpanExporter::builder()
            .with_tonic()
            .with_endpoint(endpoint)
            .build()
            .map_err(io::Error::other)?;
        let exporter =
            Reporting { inner: exporter, endpoint: endpoint.to_owned(), is_failing: AtomicBool::new(false) };
        let resource = Resource::builder()
            .with_service_name("teal")
            .with_attribute(KeyValue::new("service.version", env!("CARGO_PKG_VERSION")))
            .build();
        let mut processor = BatchSpanProcessor::builder(exporter).build();
        processor.set_resource(&resource);
        let [sampler, argument] =
            ["OTEL_TRACES_SAMPLER", "OTEL_TRACES_SAMPLER_ARG"].map(|name| env::var(name).ok());
        let sampling = Sampling::read(sampler.as_deref(), argument.as_deref()).or_else(|why| {
            warn!("{why}; traces are sampled as if it were not set");
            Sampling::read(None, None)
        });
        let shared = Shared {
            sampling: sampling.map_err(io::Error::other)?,
            labels: protocol.labels().into(),
            scope: InstrumentationScope::builder("teal").build(),
            processor,
            threads: Mutex::default(),
        };
        Ok(Self { tracer: Tracer { shared: Arc::new(shared) } })
    }

    /// Creates the part that begins spans.
    pub fn tracer(&self) -> Tracer {
        self.tracer.clone()
    }

    /// Sends the remaining spans, for a few seconds at most.
    pub async fn end(self) {
        let end = move || {
            self.tracer.send();
            self.tracer.shared.processor.shutdown_with_timeout(LAST_WORDS)
        };
        // The sending thread needs this one's reactor meanwhile.
        if !matches!(tokio::task::spawn_blocking(end).await, Ok(Ok(()))) {
            tracing::debug!("the last spans were not sent");
        }
    }
}

/// An exporter that logs the first failure of each series.
#[derive(Debug)]
struct Reporting<E> {
    inner: E,
    endpoint: String,
    is_failing: AtomicBool,
}

impl<E: SpanExporter> SpanExporter for Reporting<E> {
    async fn export(&self, batch: Vec<SpanData>) -> OTelSdkResult {
        let result = self.inner.export(batch).await;
        let was_failing = self.is_failing.swap(result.is_err(), Ordering::Relaxed);
        match &result {
            Err(error) if !was_failing => {
                warn!("Traces cannot be sent to {}, and are dropped meanwhile: {error}", self.endpoint);
            }
            Ok(()) if was_failing => info!("Traces are sent to {} again", self.endpoint),
            _ => {}
        }
        result
    }

    fn shutdown_with_timeout(&self, timeout: Duration) -> OTelSdkResult {
        self.inner.shutdown_with_timeout(timeout)
    }

    fn set_resource(&mut self, resource: &Resource) {
        self.inner.set_resource(resource);
    }
}

/// Builds and sends the spans of all threads. Clones share their state.
#[derive(Clone, Debug)]
pub struct Tracer {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    sampling: Sampling,
    labels: Arc<[String]>,
    scope: InstrumentationScope,
    processor: BatchSpanProcessor,
    threads: Mutex<Vec<Arc<Noted>>>,
}

/// The spans that one thread has recorded.
type Noted = Mutex<Vec<Ended>>;

/// A completed span.
#[derive(Debug)]
struct Ended {
    span: Span,
    label: usize,
    strategy: Option<Strategy>,
    outcome: Outcome,
    status: Status,
    began: Instant,
    ended: Instant,
}

/// The spans of one thread.
#[derive(Debug)]
pub(super) struct Spans {
    pub(super) sampling: Sampling,
    noted: Arc<Noted>,
}

impl Spans {
    /// Records a completed call.
    pub(super) fn end(
        &self,
        span: Span,
        record: &CallRecord,
        outcome: Outcome,
        status: Status,
        now: Instant,
    ) {
        let mut noted = self.noted.lock();
        if span.is_sampled && noted.len() < NOTED {
            let &CallRecord { label, strategy, arrived: began, .. } = record;
            noted.push(Ended { span, label, strategy, outcome, status, began, ended: now });
        }
    }
}

impl Tracer {
    /// Creates the part for one more thread.
    pub(super) fn spans(&self) -> Spans {
        let noted = Arc::<Noted>::default();
        self.shared.threads.lock().push(noted.clone());
        Spans { sampling: self.shared.sampling, noted }
    }

    /// Sends what the threads record, for as long as it is polled.
    pub(super) async fn run(self) {
        loop {
            tokio::time::sleep(EVERY).await;
            self.send();
        }
    }

    fn send(&self) {
        let threads = self.shared.threads.lock().clone();
        let (now, wall) = (Instant::now(), SystemTime::now());
        let time = |at: Instant| wall - now.saturating_duration_since(at);
        for thread in threads {
            let ended = {
                let mut noted = thread.lock();
                let room = Vec::with_capacity(noted.len());
                std::mem::replace(&mut *noted, room)
            };
            for ended in ended {
                let times = [ended.began, ended.ended].map(time);
                self.shared.processor.on_end(self.data(ended, times));
            }
        }
    }

    fn data(&self, ended: Ended, [start_time, end_time]: [SystemTime; 2]) -> SpanData {
        let Ended { span, label, strategy, outcome, status, .. } = ended;
        let Shared { labels, scope, .. } = &*self.shared;
        let state = span.state.as_ref().and_then(|state| state.to_str().ok()?.parse::<TraceState>().ok());
        let (trace, id) = (TraceId::from(span.trace), SpanId::from(span.id));
        let label = &labels[label];
        let (service, name) = label.rsplit_once('/').unwrap_or(("", label));
        let mut attributes = vec![
            KeyValue::new("rpc.system", "grpc"),
            KeyValue::new("rpc.service", service.to_owned()),
            KeyValue::new("rpc.method", name.to_owned()),
            KeyValue::new("teal.outcome", outcome.as_str()),
        ];
        attributes.extend(strategy.map(|strategy| KeyValue::new("teal.strategy", strategy.as_str())));
        attributes.extend(status.code().map(|code| KeyValue::new("rpc.grpc.status_code", code)));
        let status = match outcome {
            Outcome::Ok => SpanStatus::Unset,
            _ => SpanStatus::error(format!("{} {}", outcome.as_str(), status.as_str())),
        };
        SpanData {
            span_context: SpanContext::new(trace, id, TraceFlags::SAMPLED, false, state.unwrap_or_default()),
            parent_span_id: span.parent.map_or(SpanId::INVALID, SpanId::from),
            parent_span_is_remote: span.parent.is_some(),
            span_kind: SpanKind::Server,
            name: label.clone().into(),
            start_time,
            end_time,
            attributes,
            dropped_attributes_count: 0,
            events: Default::default(),
            links: Default::default(),
            status,
            instrumentation_scope: scope.clone(),
        }
    }
}
