//! The health of engines, from their connections and from health checks.

use std::{future::poll_fn, pin::Pin, sync::Arc, task::Poll, time::Duration};

use bytes::Bytes;
use http::{
    HeaderMap, HeaderValue, Request, StatusCode,
    header::{CONTENT_TYPE, TE},
    uri::Scheme,
};
use http_body_util::{BodyExt, Limited};
use http2::Reason;
use protocol::Strategy;
use serde::{Deserialize, Serialize};
use tokio::{sync::watch, time::timeout};
use tokio_util::task::AbortOnDropHandle;
use tonic::{Code, Status};
use utoipa::ToSchema;

use super::{Target, Targets, connect::Connected, dial::dial, resolve::Addresses, stats::EndpointStats};
use crate::{gate::header::STRATEGY, server::Incoming, telemetry::Metrics, tls::Trust};

/// The timeout of a health check.
const ANSWERS_WITHIN: Duration = Duration::from_secs(2);
/// The method of a health check, called with an empty message.
const HEALTH_CHECK: &str = "/QueryEngineService/healthCheck";
const EMPTY_MESSAGE: &[u8] = &[0; 5];
/// The most bytes read of a response.
const LONGEST_ANSWER: usize = 64 << 10;

/// The health of the engines that calls are forwarded to. Clones share their state.
#[derive(Clone, Debug)]
pub struct Health {
    /// By [`Strategy::index`]; the same checker twice if one engine serves both.
    engines: [Arc<HealthChecker>; 2],
    alarm: watch::Sender<()>,
}

/// One engine, shared by all threads.
#[derive(Debug)]
struct HealthChecker {
    target: Target,
    trust: Option<Trust>,
    stats: Arc<EndpointStats>,
}

/// The status of an engine.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct EngineStatus {
    /// The strategies it serves.
    pub strategies: Vec<Strategy>,
    /// The URL as the user wrote it.
    pub url: String,
    /// Whether it is healthy; `null` if unknown.
    #[schema(required)]
    pub healthy: Option<bool>,
    /// The reason why it is unhealthy.
    #[schema(required)]
    pub problem: Option<String>,
    /// Open connections to it.
    pub connections: usize,
    /// The addresses: those its name resolves to, and others that are still connected.
    #[serde(default)]
    pub addresses: Vec<AddressStatus>,
}

/// The status of one address of an engine.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct AddressStatus {
    /// `ip:port`
    pub address: String,
    /// Open connections to it.
    pub connections: usize,
    /// Why the last attempt to connect failed.
    #[schema(required)]
    pub problem: Option<String>,
}

/// The engine is unhealthy.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("engine {url} {problem}")]
pub struct Unhealthy {
    /// The URL as the user wrote it.
    pub url: String,
    /// The problem, phrased to follow the engine's name.
    pub problem: String,
}

impl Health {
    /// Creates it with unknown health. Counts of the engines go to `metrics`.
    pub fn new(targets: &Targets, metrics: &Metrics) -> Self {
        let (alarm, _) = watch::channel(());
        let patient = |target: &Target| {
            let addresses = Addresses::of(&target.address);
            let metrics = metrics.upstream(&target.to_string());
            let stats = Arc::new(EndpointStats::new(addresses, metrics, alarm.clone()));
            Arc::new(HealthChecker { target: target.clone(), trust: targets.trust.clone(), stats })
        };
        let blue = patient(&targets.blue);
        let green = if targets.green == targets.blue { blue.clone() } else { patient(&targets.green) };
        Self { engines: [blue, green], alarm }
    }

    /// Changes when a connection to an engine fails or ends.
    pub fn alarm(&self) -> watch::Receiver<()> {
        self.alarm.subscribe()
    }

    /// Checks the health of the engine of `strategy`, on a new connection. Takes 2 s at most.
    pub async fn ask(&self, strategy: Strategy) -> Result<(), Unhealthy> {
        let patient = &self.engines[strategy.index()];
        let asked = timeout(ANSWERS_WITHIN, patient.ask(strategy)).await;
        let problem = asked.unwrap_or_else(|_| {
            Err(format!("gives no answer within {}", humantime::format_duration(ANSWERS_WITHIN)))
        });
        patient.stats.answered(problem.clone().err());
        problem.map_err(|problem| Unhealthy { url: patient.target.to_string(), problem })
    }

    /// The status of each engine.
    pub fn engines(&self) -> Vec<EngineStatus> {
        let [blue, green] = &self.engines;
        if Arc::ptr_eq(blue, green) {
            return vec![blue.state(Strategy::ALL.to_vec())];
        }
        Strategy::ALL.map(|strategy| self.engines[strategy.index()].state(vec![strategy])).to_vec()
    }

    /// The statistics that connections to the engine of `strategy` update.
    pub(super) fn stats(&self, strategy: Strategy) -> Arc<EndpointStats> {
        self.engines[strategy.index()].stats.clone()
    }
}

impl HealthChecker {
    async fn ask(&self, strategy: Strategy) -> Result<(), String> {
        let unreachable = |error| format!("cannot be reached: {error}");
        let dialled = dial(&self.target, self.trust.as_ref(), &self.stats, |_| 0).await;
        let (_, Connected { mut send, mut connection, .. }) = dialled.map_err(unreachable)?;
        // The engine may allow no streams at first.
        let allowed = poll_fn(|cx| {
            let ended = Pin::new(&mut connection).poll(cx);
            match ended {
                _ if send.current_max_send_streams() > 0 => Poll::Ready(Ok(())),
                Poll::Ready(ended) => Poll::Ready(ended.and(Err(http2::Error::from(Reason::REFUSED_STREAM)))),
                Poll::Pending => Poll::Pending,
            }
        });
        allowed.await.map_err(|error| format!("was lost: {error}"))?;
        let _connection = AbortOnDropHandle::new(tokio::spawn(connection));
        let answer = async {
            let (response, mut stream) = send.send_request(&self.question(strategy), false)?;
            stream.send_data(Bytes::from_static(EMPTY_MESSAGE), true)?;
            let (head, body) = response.await?.into_parts();
            let body = Limited::new(Incoming::new(body), LONGEST_ANSWER).collect().await;
            let trailers = body.map_err(|error| format!("cuts its response short: {error}"));
            Ok::<_, http2::Error>(trailers.map(|body| (head, body.trailers().cloned())))
        };
        let (head, trailers) = answer.await.map_err(|error| format!("was lost: {error}"))??;
        verdict(head.status, trailers.as_ref().unwrap_or(&head.headers))
    }

    fn question(&self, strategy: Strategy) -> Request<()> {
        let mut uri = http::uri::Parts::default();
        uri.scheme = Some(if self.target.name.is_some() { Scheme::HTTPS } else { Scheme::HTTP });
        uri.authority = Some(self.target.authority());
        uri.path_and_query = Some(http::uri::PathAndQuery::from_static(HEALTH_CHECK));
        let mut request = Request::new(());
        *request.method_mut() = http::Method::POST;
        *request.version_mut() = http::Version::HTTP_2;
        *request.uri_mut() = http::Uri::from_parts(uri).expect("the address was part of a URL");
        let headers = request.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/grpc"));
        headers.insert(TE, HeaderValue::from_static("trailers"));
        headers.insert(STRATEGY, HeaderValue::from_static(strategy.as_str()));
        request
    }

    fn state(&self, strategies: Vec<Strategy>) -> EngineStatus {
        let (connections, problem) = (self.stats.connections(), self.stats.problem());
        let is_known = problem.is_some() || connections > 0;
        let healthy = is_known.then_some(problem.is_none());
        let addresses = self.stats.address_states();
        EngineStatus { strategies, url: self.target.to_string(), healthy, problem, connections, addresses }
    }
}

/// Interprets a response. An engine that does not know the method, or asks for a session, counts as healthy.
fn verdict(status: StatusCode, trailers: &HeaderMap) -> Result<(), String> {
    match Status::from_header_map(trailers) {
        Some(answer) => match answer.code() {
            Code::Ok | Code::Unimplemented | Code::NotFound => Ok(()),
            Code::Unauthenticated | Code::PermissionDenied => Ok(()),
            Code::Internal if answer.message().contains("Access denied") => Ok(()),
            code => Err(format!("answers healthCheck with {code:?}: {}", answer.message())),
        },
        None => match status.as_u16() {
            401 | 403 | 404 | 405 | 415 | 501 => Ok(()),
            200 => Err("answers healthCheck without a status".to_owned()),
            _ => Err(format!("answers healthCheck with HTTP status {status}")),
        },
    }
}

#[cfg(test)]
mod tests;
