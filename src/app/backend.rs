//! The backend: engines that calls are forwarded to, or the built-in engine.

use std::{collections::BTreeMap, io, sync::Arc};
#[cfg(feature = "mock")]
use std::{sync::RwLock, thread};

use admin::{ClusterControl, Engines, TokenControl};
use protocol::Roles;
use proxy::{
    DataPath, Listeners, Served, answering,
    server::Options,
    telemetry::Metrics,
    tls::Trust,
    upstream::{Health, Targets},
};
use tokio::sync::watch::Receiver;
use tokio_util::sync::CancellationToken;
use tracing::info;

#[cfg(feature = "mock")]
use super::{
    control::{Cluster, Tokens},
    not_started,
};
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
    Replay {
        replay: replay::Replay,
        /// For what was not recorded.
        #[cfg(feature = "mock")]
        missing: Option<BuiltIn>,
    },
    #[cfg(feature = "mock")]
    BuiltIn(BuiltIn),
}

#[cfg(feature = "mock")]
#[derive(Debug)]
struct BuiltIn {
    mock: mock::Mock,
    _runtime: EngineRuntime,
}

#[cfg(feature = "mock")]
impl Kind {
    fn built_in(&self) -> Option<&BuiltIn> {
        match self {
            Self::Engines(_) => None,
            Self::Replay { missing, .. } => missing.as_ref(),
            Self::BuiltIn(built_in) => Some(built_in),
        }
    }
}

#[cfg(feature = "mock")]
impl BuiltIn {
    fn start(config: MockConfig, threads: usize) -> io::Result<Self> {
        let engine = sql::Engine::open(config.engine).map_err(io::Error::other)?;
        try_threads(threads)?;
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(threads)
            .thread_name("engine")
            .enable_all()
            .build()?;
        let mock = mock::Mock::new(config.service, engine, runtime.handle().clone());
        Ok(Self { mock, _runtime: EngineRuntime(Some(runtime)) })
    }

    /// Its cluster and its tokens, for operators.
    fn controls(&self) -> (Arc<dyn ClusterControl>, Arc<dyn TokenControl>) {
        (Arc::new(Cluster(self.mock.cluster().clone())), Arc::new(Tokens(self.mock.tokens().clone())))
    }
}

/// Fails if the system refuses so many threads: tokio would panic.
#[cfg(feature = "mock")]
fn try_threads(most: usize) -> io::Result<()> {
    let gate = RwLock::new(());
    thread::scope(|scope| {
        // They wait for this, so that all of them are there at the same time.
        let _closed = gate.write();
        (1..=most).try_for_each(|number| {
            let started = thread::Builder::new().spawn_scoped(scope, || drop(gate.read()));
            let refused = |error| not_started(&format!("engine thread {number} of {most}"), error);
            started.map(drop).map_err(refused)
        })
    })
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
            config::Backend::Replay(config) => Self::replaying(config, threads, roles),
            #[cfg(feature = "mock")]
            config::Backend::Mock(config) => Ok(Self::local(Kind::BuiltIn(BuiltIn::start(config, threads)?))),
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

    fn replaying(
        config: config::ReplayConfig,
        #[cfg_attr(not(feature = "mock"), allow(unused_variables))] threads: usize,
        roles: &Roles,
    ) -> io::Result<Self> {
        let replay = replay::Replay::load(&config.file, roles, config.speed)
            .map_err(|error| io::Error::other(format!("--replay (or {}): {error}", environment("replay"))))?;
        info!("Replaying {} calls of {}", replay.calls(), config.file.display());
        #[cfg(feature = "mock")]
        let missing = config.missing.map(|config| BuiltIn::start(config, threads)).transpose()?;
        Ok(Self::local(Kind::Replay {
            replay,
            #[cfg(feature = "mock")]
            missing,
        }))
    }

    /// A backend without engines that calls are forwarded to.
    fn local(kind: Kind) -> Self {
        #[cfg(feature = "mock")]
        let (cluster, tokens) = kind.built_in().map(BuiltIn::controls).unzip();
        #[cfg(not(feature = "mock"))]
        let (cluster, tokens) = (None, None);
        Self { kind, engines: None, cluster, tokens, trust: None, alarm: None }
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
            Kind::Replay { .. } => BTreeMap::new(),
            #[cfg(feature = "mock")]
            Kind::BuiltIn(_) => BTreeMap::new(),
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
            Kind::Replay { replay, .. } => {
                #[cfg(feature = "mock")]
                let missing =
                    self.kind.built_in().map(|built_in| replay::Fallback::new(built_in.mock.service()));
                #[cfg(not(feature = "mock"))]
                let missing = None;
                path.answer(answering(replay.service(missing)), listeners, options, end)
            }
            #[cfg(feature = "mock")]
            Kind::BuiltIn(built_in) => {
                path.answer(answering(built_in.mock.service()), listeners, options, end)
            }
        }
    }

    /// Reports the shutdown to clients that check health.
    pub(super) async fn announce_end(&self) {
        #[cfg(feature = "mock")]
        if let Some(built_in) = self.kind.built_in() {
            built_in.mock.health().end().await;
        }
    }
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
