//! The services that tools expect of any gRPC server: `grpc.health.v1`, and both versions of reflection.

use std::convert::Infallible;

use bytes::Bytes;
use futures::FutureExt;
use protocol::{
    DESCRIPTORS,
    pb::{cluster_service_server, query_engine_service_server},
};
use tonic::{
    body::Body,
    codegen::{BoxFuture, StdError},
};
use tonic_health::{
    ServingStatus,
    pb::health_server::{self, HealthServer},
    server::{HealthReporter, HealthService},
};
use tonic_reflection::server::Builder;
use tower::{Service, util::BoxCloneSyncService};

const REFLECTION_V1: &str = "grpc.reflection.v1.ServerReflection";
const REFLECTION_V1ALPHA: &str = "grpc.reflection.v1alpha.ServerReflection";

/// The names with a health status: the server as a whole (empty), and its services.
const SERVICES: [&str; 3] =
    ["", query_engine_service_server::SERVICE_NAME, cluster_service_server::SERVICE_NAME];

type Boxed = BoxCloneSyncService<http::Request<Body>, http::Response<Body>, Infallible>;

/// Serves health and reflection. Clones share their state.
#[derive(Clone, Debug)]
pub(super) struct Introspection {
    health_service: HealthServer<HealthService>,
    reflection_v1: Boxed,
    reflection_v1alpha: Boxed,
    pub(super) health: Health,
}

/// The health status that clients see. Clones share their state.
#[derive(Clone, Debug)]
pub struct Health {
    reporter: HealthReporter,
}

impl Introspection {
    /// Creates it with all services serving.
    pub(super) fn new() -> Self {
        let reporter = HealthReporter::new();
        for service in SERVICES {
            let told = reporter.set_service_status(service, ServingStatus::Serving);
            told.now_or_never().expect("nobody else has the reporter yet");
        }
        let reflection = || {
            Builder::configure()
                .register_encoded_file_descriptor_set(DESCRIPTORS)
                .register_encoded_file_descriptor_set(tonic_health::pb::FILE_DESCRIPTOR_SET)
        };
        let built = "the build encoded the descriptors";
        Self {
            health_service: HealthServer::new(HealthService::from_health_reporter(reporter.clone())),
            reflection_v1: Boxed::new(reflection().build_v1().expect(built)),
            reflection_v1alpha: Boxed::new(reflection().build_v1alpha().expect(built)),
            health: Health { reporter },
        }
    }

    /// Returns whether it serves this service.
    pub(super) fn has(&self, service: &str) -> bool {
        [health_server::SERVICE_NAME, REFLECTION_V1, REFLECTION_V1ALPHA].contains(&service)
    }

    /// Serves a call.
    pub(super) fn call<B>(&mut self, request: http::Request<B>) -> BoxFuture<http::Response<Body>, Infallible>
    where
        B: http_body::Body<Data = Bytes, Error: Into<StdError> + Send> + Send + 'static,
    {
        match request.uri().path().split('/').nth(1) {
            Some(REFLECTION_V1) => self.reflection_v1.call(request.map(Body::new)),
            Some(REFLECTION_V1ALPHA) => self.reflection_v1alpha.call(request.map(Body::new)),
            _ => self.health_service.call(request),
        }
    }
}

impl Health {
    /// Ends health watches at shutdown, so that they do not delay it.
    pub async fn end(mut self) {
        for service in SERVICES {
            self.reporter.clear_service_status(service).await;
        }
    }
}
