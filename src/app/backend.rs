//! The backend: engines that calls are forwarded to, or the built-in engine.

use std::{collections::BTreeMap, io, sync::Arc};

use admin::{ClusterControl, Engines, TokenControl};
use http::{Request, Response};
use protocol::Roles;
use proxy::{
    Answering, DataPath, Listeners, Served,
    gate::RequestBody,
    server::Incoming,
    server::{BoxError, Options},
    telemetry::Metrics,
    tls::Trust,
    upstream::{Health, Targets},
};
use tokio::sync::watch::Receiver;
use tokio_util::sync::CancellationToken;
use tonic::body::Body;
use tower::{Service, ServiceExt, util::BoxCloneSyncService};
use tracing::info;

#[cfg(feature = "mock")]
use super::control::{Cluster, Tokens};
#[cfg(feature = "mock")]
use crate::config::MockConfig;
use crate::{cli::environment, config};

/// The backend, and its controls for operators.
#[derive(Debug)]
pub(super) struct Backend {
    kind: Kind,
    /// The engines that calls are forwarded to.
    pub(super) engines: Option<Arc<dyn Engines>>,
    /// The cluster of the built-in engine.
    pub(super) cluster: Option<Arc<dyn ClusterControl>>,
    /// The tokens of the built-in engine.
    pub(super) tokens: Option<Arc<dyn TokenControl>>,
    /// The TLS configuration for engines with an `https` URL.
    pub(super) trust: Option<Trust>,
    /// Changes when a connection to an engine has failed.
    pub(super) alarm: Option<Receiver<()>>,
}

#[derive(Debug)]
enum Kind {
    Engines(Box<(Targets, Health)>),
    Replay(replay::Replay),
    #[cfg(feature = "mock")]
    BuiltIn {
        mock: mock::Mock,
        _runtime: EngineRuntime,
    },
}

/// Runs SQL and encodes results, apart from the network threads. Stops the work that is left when it is dropped, without
/// waiting for it: a server that fails at its start is in another runtime then.
#[cfg(feature = "mock")]
#[derive(Debug)]
struct EngineRuntime(Option<tokio::runtime::Runtime>);

#[cfg(feature = "mock")]
impl Drop for EngineRuntime {
    fn drop(&mut self) {
        self.0.take().into_iter().for_each(tokio::runtime::Runtime::shutdown_background);
    }
}

impl Backend {
    /// Starts the built-in engine, or the health checks of the other engines.
    pub(super) fn start(
        config: config::Backend,
        #[cfg_attr(not(feature = "mock"), allow(unused_variables))] threads: usize,
        metrics: &Metrics,
        roles: &Roles,
    ) -> io::Result<Self> {
        match config {
            config::Backend::Upstream(targets) => Ok(Self::forwarding(targets, metrics)),
            config::Backend::Replay(config) => Self::replaying(&config, roles),
            #[cfg(feature = "mock")]
            config::Backend::Mock(config) => Self::built_in(config, threads),
        }
    }

    fn forwarding(targets: Targets, metrics: &Metrics) -> Self {
        let health = Health::new(&targets, metrics);
        Self {
            engines: Some(Arc::new(health.clone())),
            cluster: None,
            tokens: None,
            trust: targets.trust.clone(),
            alarm: Some(health.alarm()),
            kind: Kind::Engines(Box::new((targets, health))),
        }
    }

    fn replaying(config: &config::ReplayConfig, roles: &Roles) -> io::Result<Self> {
        let replay = replay::Replay::load(&config.file, roles, config.speed).map_err(|error| {
            let (names, file) = (environment("replay"), config.file.display());
            io::Error::other(format!("--replay (or {names}): '{file}': {error}"))
        })?;
        info!("Replaying {} calls of {}", replay.calls(), config.file.display());
        let (engines, cluster, tokens, trust, alarm) = (None, None, None, None, None);
        Ok(Self { kind: Kind::Replay(replay), engines, cluster, tokens, trust, alarm })
    }

    #[cfg(feature = "mock")]
    fn built_in(config: MockConfig, threads: usize) -> io::Result<Self> {
        let engine = sql::Engine::open(config.engine).map_err(io::Error::other)?;
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(threads)
            .thread_name("engine")
            .enable_all()
            .build()?;
        let mock = mock::Mock::new(config.service, engine, runtime.handle().clone());
        Ok(Self {
            engines: None,
            cluster: Some(Arc::new(Cluster(mock.cluster().clone()))),
            tokens: Some(Arc::new(Tokens(mock.tokens().clone()))),
            trust: None,
            alarm: None,
            kind: Kind::BuiltIn { mock, _runtime: EngineRuntime(Some(runtime)) },
        })
    }

    /// Returns whether each strategy has an engine of its own.
    pub(super) fn has_two_engines(&self) -> bool {
        self.engines.as_ref().is_some_and(|engines| engines.status().len() > 1)
    }

    /// The addresses of the engines, by strategy.
    pub(super) fn addresses(&self) -> BTreeMap<String, String> {
        match &self.kind {
            Kind::Engines(engines) => {
                let Targets { blue, green, .. } = &engines.0;
                [("blue", blue), ("green", green)].map(|(name, at)| (name.to_owned(), at.to_string())).into()
            }
            Kind::Replay(_) => BTreeMap::new(),
            #[cfg(feature = "mock")]
            Kind::BuiltIn { .. } => BTreeMap::new(),
        }
    }

    /// Serves until `end`, then completes calls in progress.
    pub(super) fn serve(
        &self,
        path: DataPath,
        listeners: Listeners,
        options: Options,
        end: CancellationToken,
    ) -> Served {
        match &self.kind {
            Kind::Engines(engines) => path.forward((**engines).clone(), listeners, options, end),
            Kind::Replay(replay) => path.answer(answering(replay.service()), listeners, options, end),
            #[cfg(feature = "mock")]
            Kind::BuiltIn { mock, .. } => path.answer(answering(mock.service()), listeners, options, end),
        }
    }

    /// Reports the shutdown to clients that check health.
    pub(super) async fn announce_end(&self) {
        match &self.kind {
            Kind::Engines(_) | Kind::Replay(_) => {}
            #[cfg(feature = "mock")]
            Kind::BuiltIn { mock, .. } => mock.health().end().await,
        }
    }
}

fn answering<S>(service: S) -> Answering
where
    S: Service<Request<RequestBody<Incoming>>, Response = Response<Body>, Error: Into<BoxError>>
        + Clone
        + Send
        + Sync
        + 'static,
    S::Future: Send + 'static,
{
    BoxCloneSyncService::new(ServiceExt::<Request<RequestBody<Incoming>>>::map_err(service, Into::into))
}

#[cfg(all(test, feature = "mock"))]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_start_that_fails_stops_the_engine() {
        let (ends, ended) = tokio::sync::oneshot::channel::<()>();
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).build().unwrap();
        runtime.spawn(async move {
            let _ends = ends;
            std::future::pending::<()>().await;
        });
        drop(EngineRuntime(Some(runtime)));
        assert!(ended.await.is_err(), "the work is stopped, and nobody panics");
    }
}
