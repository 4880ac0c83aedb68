//! The built-in engine: implements the whole engine interface, with results of real SQL.
//!
//! It knows nothing of strategies and switches, which the gate in front of it handles. Cheap calls run on the network
//! thread; SQL, result encoding and file access run on the engine's runtime.
//!
//! The service of an engine, to be served by tonic or teal:
//!
//! ```no_run
//! # extern crate sql as teal_sql;
//! # fn example(service_options: teal_mock::Options, engine_options: teal_sql::Options) -> Result<(), teal_sql::Error> {
//! let engine = teal_sql::Engine::open(engine_options)?;
//! let mock = teal_mock::Mock::new(service_options, engine, tokio::runtime::Handle::current());
//! let service = mock.service();
//! # Ok(())
//! # }
//! ```

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

/// The settings of the engine.
#[derive(Clone, Debug)]
pub struct Options {
    /// How long a query or a session may be idle before it is forgotten; zero means forever.
    pub query_ttl: Duration,
    /// The most queries on record; beyond that the least recently used are forgotten.
    pub max_queries: usize,
    /// Which session ids are accepted.
    pub sessions: Sessions,
    /// The engine address that clients receive. Not empty.
    pub engine_ip: String,
    /// Which bearer tokens are accepted, and which clients may request them.
    pub tokens: TokenOptions,
}

/// Which session ids are accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Sessions {
    /// Only those that this engine issued.
    Known,
    /// Any that is not empty, so also those of another engine.
    Any,
}

/// The built-in engine. Clones share their state.
#[derive(Clone, Debug)]
pub struct Mock {
    calls: Arc<Calls>,
    cluster: Cluster,
    introspection: Introspection,
    tokens: Tokens,
}

impl Mock {
    /// Creates the engine interface over `engine`. Slow work runs on `runtime`.
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

    /// The health status that clients see.
    pub fn health(&self) -> Health {
        self.introspection.health.clone()
    }

    /// Creates the service for one connection.
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

    /// The tokens that this engine issued.
    pub fn tokens(&self) -> &Tokens {
        &self.tokens
    }
}

/// Removes expired queries and sessions, until the engine is dropped.
async fn sweep(calls: Weak<Calls>, ttl: Duration) {
    let every = (ttl / 10).clamp(Duration::from_millis(20), Duration::from_secs(10));
    loop {
        tokio::time::sleep(every).await;
        let Some(calls) = calls.upgrade() else { return };
        calls.sweep(Instant::now());
    }
}

/// Serves `QueryEngineService`, `ClusterService`, health, reflection, and the token endpoint. Other calls get
/// UNIMPLEMENTED, other requests HTTP status 415.
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
