//! The built-in engine: the whole engine interface, answered here with the results of real SQL.
//!
//! It knows nothing of strategies and switches: those are the gate's, before it. Cheap calls are answered
//! on the thread that reads them; SQL, the encoding of results and file work run on the engine's runtime.

mod calls;
mod catalogs;
mod cluster;
mod execution;
mod executor;
mod introspection;
mod issuer;
mod produce;
mod query;
mod results;
mod row_buffer;
mod session;
mod settings;
mod status;
mod tokens;
mod ttl_cache;

use std::{
    convert::Infallible,
    sync::{Arc, Weak},
    task::{Context, Poll},
    time::Duration,
};

use bytes::Bytes;
use clap::ValueEnum;
use grpc::header::is_grpc;
use http::{StatusCode, header::AUTHORIZATION};
use protocol::pb::{
    cluster_service_server::{self, ClusterServiceServer},
    query_engine_service_server::QueryEngineServiceServer,
};
use tokio::{runtime::Handle, time::Instant};
use tonic::{
    codec::CompressionEncoding,
    codegen::{BoxFuture, StdError},
};
use tower::Service;

pub use self::{
    cluster::Cluster,
    introspection::Health,
    tokens::{AcceptedTokens, OauthClient, Revoke, TokenOptions, Tokens},
};
use calls::{Calls, bearer_token};
use introspection::Introspection;
use status::EngineError;

/// The largest request message, in bytes.
const LARGEST_REQUEST: usize = 64 << 20;

/// How the engine is to behave.
#[derive(Clone, Debug)]
pub struct Options {
    /// After so long without a call a query or a session is forgotten; zero: never.
    pub query_ttl: Duration,
    /// Beyond this many queries the longest unused are forgotten.
    pub max_queries: usize,
    /// Whose session ids are good.
    pub sessions: Sessions,
    /// What clients are told as the address of the engine. Not empty.
    pub engine_ip: String,
    /// Which bearer tokens are good, and who gets some.
    pub tokens: TokenOptions,
}

/// Whose session ids are good.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Sessions {
    /// Those that this engine gave out.
    Known,
    /// Any that is not empty: those of a twin engine too.
    Any,
}

/// The built-in engine. A clone is the same engine.
#[derive(Clone, Debug)]
pub struct Mock {
    calls: Arc<Calls>,
    cluster: Cluster,
    introspection: Introspection,
    tokens: Tokens,
}

impl Mock {
    /// The engine interface over `engine`. What is slow runs on `runtime`.
    pub fn new(options: Options, engine: sql::Engine, runtime: Handle) -> Self {
        let cluster = Cluster::new();
        let ttl = options.query_ttl;
        let tokens = Tokens::new(options.tokens.clone());
        let calls = Arc::new(Calls::new(options, engine, runtime.clone(), cluster.clone()));
        if !ttl.is_zero() {
            runtime.spawn(sweep(Arc::downgrade(&calls), ttl));
        }
        Self { calls, cluster, introspection: Introspection::new(), tokens }
    }

    /// The cluster behind the engine, for operators.
    pub fn cluster(&self) -> &Cluster {
        &self.cluster
    }

    /// What clients are told of the engine's health.
    pub fn health(&self) -> Health {
        self.introspection.health.clone()
    }

    /// The service for one connection.
    pub fn service(&self) -> MockService {
        MockService {
            engine: QueryEngineServiceServer::from_arc(Arc::clone(&self.calls))
                .accept_compressed(CompressionEncoding::Gzip)
                .max_decoding_message_size(LARGEST_REQUEST),
            cluster: ClusterServiceServer::new(self.cluster.clone())
                .accept_compressed(CompressionEncoding::Gzip),
            introspection: self.introspection.clone(),
            tokens: self.tokens.clone(),
        }
    }

    /// The tokens that were issued here.
    pub fn tokens(&self) -> &Tokens {
        &self.tokens
    }
}

/// Forgets what is silent for too long, for as long as the engine is there.
async fn sweep(calls: Weak<Calls>, ttl: Duration) {
    let every = (ttl / 10).clamp(Duration::from_millis(20), Duration::from_secs(10));
    loop {
        tokio::time::sleep(every).await;
        let Some(calls) = calls.upgrade() else { return };
        calls.sweep(Instant::now());
    }
}

/// Answers the calls of `QueryEngineService`, `ClusterService`, health and reflection, and requests for a token. Other
/// calls get UNIMPLEMENTED, other requests HTTP status 415.
#[derive(Clone, Debug)]
pub struct MockService {
    engine: QueryEngineServiceServer<Calls>,
    cluster: ClusterServiceServer<Cluster>,
    introspection: Introspection,
    tokens: Tokens,
}

impl<B> Service<http::Request<B>> for MockService
where
    B: http_body::Body<Data = Bytes> + Send + 'static,
    B::Error: Into<StdError> + Send + 'static,
{
    type Response = http::Response<tonic::body::Body>;
    type Error = Infallible;
    type Future = BoxFuture<Self::Response, Infallible>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: http::Request<B>) -> Self::Future {
        if request.uri().path() == issuer::PATH && !is_grpc(request.headers()) {
            let tokens = self.tokens.clone();
            return Box::pin(async move { Ok(issuer::answer(&tokens, request).await) });
        }
        if !is_grpc(request.headers()) {
            let mut response = http::Response::new(tonic::body::Body::empty());
            *response.status_mut() = StatusCode::UNSUPPORTED_MEDIA_TYPE;
            return Box::pin(std::future::ready(Ok(response)));
        }
        let header = request.headers().get(AUTHORIZATION);
        if let Some(token) = header.and_then(|value| bearer_token(value.as_bytes()))
            && let Err(refusal) = self.tokens.check(token, Instant::now())
        {
            let response = tonic::Status::from(EngineError::from(refusal)).into_http();
            return Box::pin(std::future::ready(Ok(response)));
        }
        match request.uri().path().split('/').nth(1) {
            Some(cluster_service_server::SERVICE_NAME) => self.cluster.call(request),
            Some(service) if self.introspection.has(service) => self.introspection.call(request),
            _ => self.engine.call(request),
        }
    }
}

#[cfg(test)]
mod tests;
