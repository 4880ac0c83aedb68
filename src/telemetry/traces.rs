//! Traces by OTLP, where an endpoint is given: one span a call, within the trace that the client
//! began. Without an endpoint no call's metadata is looked at or changed.

use std::{
    fmt, io,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use http::{HeaderMap, HeaderName, HeaderValue};
use opentelemetry::{
    Context, KeyValue,
    propagation::{Extractor, TextMapPropagator},
    trace::{Span as _, SpanBuilder, SpanKind, Status as SpanStatus, Tracer as _, TracerProvider as _},
};
use opentelemetry_otlp::WithExportConfig;
use opentelemetry_sdk::{
    Resource,
    error::OTelSdkResult,
    propagation::TraceContextPropagator,
    trace::{SdkTracer, SdkTracerProvider, SpanData, SpanExporter},
};
use tracing::{info, warn};

use super::call::{Outcome, Status};
use crate::{clients::Visit, protocol::Method};

const TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");

/// How long the last spans may take to be sent when teal ends.
const LAST_WORDS: Duration = Duration::from_secs(3);

/// The way to a collector.
#[derive(Debug)]
pub struct Traces {
    provider: SdkTracerProvider,
}

impl Traces {
    /// Sends spans to the collector at `endpoint`, which need not be there. Within a runtime.
    pub fn to(endpoint: &str) -> io::Result<Self> {
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
        let provider =
            SdkTracerProvider::builder().with_batch_exporter(exporter).with_resource(resource).build();
        Ok(Self { provider })
    }

    /// What begins spans.
    pub fn tracer(&self) -> SdkTracer {
        self.provider.tracer("teal")
    }

    /// Sends what is left, for a few seconds at most.
    pub async fn end(self) {
        // The sending thread needs this one's reactor meanwhile.
        let ended =
            tokio::task::spawn_blocking(move || self.provider.shutdown_with_timeout(LAST_WORDS)).await;
        if !matches!(ended, Ok(Ok(()))) {
            tracing::debug!("the last spans were not sent");
        }
    }
}

/// An exporter whose failures are logged: the first of each row.
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

/// Begins spans, and knows what methods are called.
#[derive(Clone, Debug)]
pub(super) struct Tracer {
    tracer: SdkTracer,
    labels: Arc<[String]>,
}

impl Tracer {
    pub(super) fn new(tracer: SdkTracer, labels: Arc<[String]>) -> Self {
        Self { tracer, labels }
    }
}

/// The span of one call.
pub(super) struct Span(opentelemetry_sdk::trace::Span);

/// Metadata to read the client's trace from.
struct Carrier<'a>(&'a HeaderMap);

impl Extractor for Carrier<'_> {
    fn get(&self, key: &str) -> Option<&str> {
        self.0.get(key)?.to_str().ok()
    }

    fn keys(&self) -> Vec<&str> {
        self.0.keys().map(HeaderName::as_str).collect()
    }
}

/// A call came.
pub(super) fn begin(tracer: &Tracer, method: &Method, head: &HeaderMap) -> Span {
    let parent = TraceContextPropagator::new().extract_with_context(&Context::new(), &Carrier(head));
    let label = &tracer.labels[method.label];
    let (service, name) = label.rsplit_once('/').unwrap_or(("", label));
    let attributes = vec![
        KeyValue::new("rpc.system", "grpc"),
        KeyValue::new("rpc.service", service.to_owned()),
        KeyValue::new("rpc.method", name.to_owned()),
    ];
    let builder =
        SpanBuilder::from_name(label.clone()).with_kind(SpanKind::Server).with_attributes(attributes);
    Span(tracer.tracer.build_with_context(builder, &parent))
}

impl Span {
    /// Has the engine continue the trace: its span is a child of this one.
    pub(super) fn forward(&self, head: &mut HeaderMap) {
        let context = self.0.span_context();
        let (trace, span, flags) = (context.trace_id(), context.span_id(), context.trace_flags().to_u8());
        if context.is_valid()
            && let Ok(value) = HeaderValue::try_from(format!("00-{trace}-{span}-{flags:02x}"))
        {
            head.insert(TRACEPARENT, value);
        }
    }
}

/// A call is over.
pub(super) fn end(Span(mut span): Span, visit: &Visit, outcome: Outcome, status: Status) {
    if span.is_recording() {
        span.set_attribute(KeyValue::new("teal.outcome", outcome.as_str()));
        if let Some(strategy) = visit.strategy {
            span.set_attribute(KeyValue::new("teal.strategy", strategy.as_str()));
        }
        if let Some(code) = status.code() {
            span.set_attribute(KeyValue::new("rpc.grpc.status_code", code));
        }
        if outcome != Outcome::Ok {
            span.set_status(SpanStatus::error(format!("{} {}", outcome.as_str(), status.as_str())));
        }
    }
    span.end();
}

impl fmt::Debug for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Span").field(self.0.span_context()).finish()
    }
}
