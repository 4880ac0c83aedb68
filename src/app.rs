//! Puts the rooms together: who stands behind the gate, or without one, and what operators see of it.

use std::{io, net::SocketAddr, sync::Arc, time::Duration};

use bytes::Bytes;
use futures::future::OptionFuture;
use http::{Request, Response};
use http_body::Body;
use http2::Budget;
use humantime::format_duration;
use protocol::Protocol;
use switch::{Start, Switch, Timer};
use tokio::{net::TcpListener, sync::watch::Receiver, time::sleep};
use tokio_util::{sync::CancellationToken, task::AbortOnDropHandle};
use tower::{Layer, Service, ServiceExt};
use tracing::{info, warn};

use crate::{
    admin::{Admin, Rooms, Token, check},
    cli::{Addresses, Effective, environment},
    config::{AdminConfig, Backend, Config, FaultConfig, GateConfig},
    fault::{
        self, Around, FaultLayer, Faults, Source,
        scenario::{Hands, Script},
    },
    gate::{GateLayer, RequestBody},
    reload::{self, Parts, Reload},
    server::{self, BoxError, Incoming, Options},
    telemetry::{self, Metrics, Watch, traces::Traces},
    tls::Trust,
    upstream::{Health, Upstream},
};

/// Network threads of the preview listener: smoke tests are no load.
const PREVIEW_THREADS: usize = 1;

/// The listeners of a server, bound.
#[derive(Debug)]
pub struct Doors {
    clients: TcpListener,
    preview: Option<TcpListener>,
    operators: Option<TcpListener>,
}

impl Doors {
    /// Binds what the settings name. The default address for operators may be another server's already.
    pub async fn bind(config: &Config) -> io::Result<Self> {
        let clients = bind("listen", &config.listen).await?;
        let preview = match &config.preview_listen {
            None => None,
            Some(at) => Some(bind("preview-listen", at).await?),
        };
        let operators = match &config.admin {
            None => None,
            Some(AdminConfig { at, is_given, .. }) => match bind("admin", at).await {
                Ok(listener) => Some(listener),
                Err(error) if *is_given => return Err(error),
                Err(error) => {
                    warn!("Going on without an admin API: {error}");
                    None
                }
            },
        };
        Ok(Self { clients, preview, operators })
    }
}

async fn bind(flag: &str, Addresses(at): &Addresses) -> io::Result<TcpListener> {
    TcpListener::bind(at.as_slice()).await.map_err(|error| {
        let tried = at.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
        let names = format!("--{flag} (or {})", environment(flag));
        io::Error::new(error.kind(), format!("{names}: '{tried}': expected a free address ({error})"))
    })
}

/// How a server is told to end.
#[derive(Clone, Copy, Debug)]
pub struct Shutdown {
    /// By what, for the log.
    pub signal: &'static str,
    /// How long new connections are accepted after that.
    pub delay: Duration,
}

/// Serves on bound listeners until `shutdown` resolves. Probes learn at once that the server ends; it accepts
/// new connections for the delay, and then lets calls in progress finish.
pub async fn serve(config: Config, doors: Doors, shutdown: impl Future<Output = Shutdown>) -> io::Result<()> {
    let Config { threads, buffer_limit, tls, gate, faults, backend, admin, otlp_endpoint, effective, .. } =
        config;
    let budget = Budget::new(buffer_limit);
    let options =
        Options { tls, threads, budget: budget.clone(), keepalive_timeout: config.keepalive_timeout };
    let token = admin.and_then(|admin| admin.token);
    let (metrics, rooms) = (Metrics::new(budget), Rooms::default());
    let trust = match &backend {
        Backend::Upstream(engines) => engines.trust.clone(),
        #[cfg(feature = "mock")]
        Backend::Mock(_) => None,
    };
    let mut front = Front {
        doors,
        options,
        trust,
        gate,
        token,
        otlp_endpoint,
        metrics,
        rooms,
        faults,
        effective,
        alarm: None,
    };
    let ending = front.rooms.ending.clone();
    let shutdown = async {
        let shutdown = shutdown.await;
        ending.cancel();
        shutdown
    };
    match backend {
        Backend::Upstream(engines) => {
            let health = Health::new(&engines, &front.metrics);
            front.alarm = Some(health.alarm());
            front.rooms.engines = Some(Arc::new(health.clone()));
            front.serve(move || Upstream::connect(&engines, &health), shutdown).await
        }
        #[cfg(feature = "mock")]
        Backend::Mock(mock) => {
            let engine = sql::Engine::open(mock.engine).map_err(io::Error::other)?;
            // SQL is run and results are encoded here, away from the network's threads.
            let runtime = tokio::runtime::Builder::new_multi_thread()
                .worker_threads(threads)
                .thread_name("engine")
                .enable_all()
                .build()?;
            let mock = mock::Mock::new(mock.service, engine, runtime.handle().clone());
            front.rooms.cluster = Some(Arc::new(mock.cluster().clone()));
            front.rooms.tokens = Some(Arc::new(mock.tokens().clone()));
            let health = mock.health();
            let shutdown = async {
                let shutdown = shutdown.await;
                health.end().await;
                shutdown
            };
            let served = front.serve(move || mock.service(), shutdown).await;
            runtime.shutdown_background();
            served
        }
    }
}

/// What stands before every backend.
struct Front {
    doors: Doors,
    options: Options,
    trust: Option<Trust>,
    gate: Option<GateConfig>,
    token: Option<Token>,
    otlp_endpoint: Option<String>,
    metrics: Metrics,
    rooms: Rooms,
    faults: FaultConfig,
    effective: Effective,
    /// Changes when a connection to an engine has failed.
    alarm: Option<Receiver<()>>,
}

/// The switch, where it left off.
fn start(mut gate: GateConfig, has_engines: bool) -> io::Result<((Switch, Timer), GateConfig)> {
    let state = gate.state.take();
    if let Some((file, Some(_))) = &state {
        info!("The state of the switch is taken up from {}", file.path().display());
    }
    let at = state.as_ref().map(|(file, _)| file.path().display().to_string()).unwrap_or_default();
    let started = Switch::start(gate.rules.clone(), Start { has_engines, state });
    let started = started.map_err(|error| {
        let names = format!("--state (or {})", environment("state"));
        io::Error::new(
            error.kind(),
            format!("{names}: '{at}': expected a file that can be written ({error})"),
        )
    });
    Ok((started?, gate))
}

/// The faults from the settings, and the scenario that is being played.
fn trouble(config: FaultConfig, rooms: &Rooms, watch: Watch) -> io::Result<(Faults, Option<Arc<Script>>)> {
    let switch = rooms.switch.clone();
    // Without a gate nothing is watched.
    let watch = switch.is_some().then_some(watch);
    let around = Around { switch: switch.clone(), watch, journal: rooms.journal.clone() };
    let faults = Faults::new(config.by_header, around);
    for rule in config.rules {
        faults.add(rule, Source::Start).map_err(io::Error::other)?;
    }
    let (cluster, tokens, engines) = (rooms.cluster.clone(), rooms.tokens.clone(), rooms.engines.clone());
    let hands = Hands { switch, cluster, tokens, engines };
    let script = config.scenario.map(|scenario| Script::start(scenario, &faults, hands));
    Ok((faults, script))
}

impl Front {
    /// Serves with what `backend` makes on each thread, behind the gate if there is one.
    async fn serve<T, S, B>(self, backend: T, shutdown: impl Future<Output = Shutdown>) -> io::Result<()>
    where
        T: Fn() -> S + Clone + Send + 'static,
        S: Service<Request<RequestBody<Incoming>>, Response = Response<B>, Error: Into<BoxError> + Send>
            + Clone
            + Send
            + 'static,
        S::Future: Send,
        B: Body<Data = Bytes, Error: Into<BoxError> + Send> + Send + Unpin + 'static,
    {
        let Self {
            doors: Doors { clients, preview, operators },
            options,
            trust,
            gate,
            token,
            otlp_endpoint,
            metrics,
            mut rooms,
            faults,
            effective,
            alarm,
        } = self;
        let has_engines = rooms.engines.as_ref().is_some_and(|engines| engines.status().len() > 1);
        let gate = gate.map(|gate| start(gate, has_engines)).transpose()?;
        // Without a gate there is nothing to tell of a call.
        let traces = otlp_endpoint.as_deref().zip(gate.as_ref());
        let traces = traces.map(|(endpoint, (_, gate))| Traces::to(endpoint, &gate.protocol)).transpose()?;
        let (gate, watch) = match gate {
            None => (None, Watch::new(&Protocol::default(), None, metrics, None)),
            Some(((switch, timer), gate)) => {
                rooms.journal = switch.journal().clone();
                rooms.switch = Some(switch.clone());
                let tracer = traces.as_ref().map(Traces::tracer);
                let watch = Watch::new(&gate.protocol, Some(switch.clone()), metrics, tracer);
                let steps = watch.clone();
                let mut timer = timer.tell(move |step| steps.step(step));
                if let Some(alarm) = alarm {
                    timer = timer.alarmed_by(alarm);
                }
                (Some((GateLayer::new(switch, gate.protocol, gate.mismatch), timer)), watch)
            }
        };
        let (faults, script) = trouble(faults, &rooms, watch.clone())?;
        rooms.more.push(fault::api::router(faults.clone()));
        let faults = FaultLayer::new(faults);
        rooms.more.push(telemetry::routes(watch.clone()));
        let _watch = AbortOnDropHandle::new(tokio::spawn(watch.clone().run()));
        let (switch, journal) = (rooms.switch.clone(), rooms.journal.clone());
        let parts = Parts { switch: switch.clone(), identity: options.tls.clone(), trust, journal };
        let reload = Reload::new(effective, parts);
        let _hangups = reload.at_hangups()?;
        rooms.more.push(reload::api::router(reload));
        let engines = rooms.engines.clone();
        let admin = match operators {
            None => None,
            Some(operators) => {
                info!("Admin API on http://{}", operators.local_addr()?);
                Some(Admin::start(operators, rooms, token)?)
            }
        };
        let speaks = match &options.tls {
            None => "",
            Some(tls) if tls.asks_for_certificates() => " (TLS, clients need a certificate)",
            Some(_) => " (TLS)",
        };
        if let Some(preview) = &preview {
            info!("Preview of the strategy that is not active on {}{speaks}", preview.local_addr()?);
        }
        info!("Server started on {}{speaks}", clients.local_addr()?);
        let script = tokio::spawn(play(script));
        let end = CancellationToken::new();
        let shutdown = async {
            let Shutdown { signal, delay } = shutdown.await;
            if !delay.is_zero() {
                info!("{signal}: not ready from now on, closing the listener in {}", format_duration(delay));
                sleep(delay).await;
            }
            info!("{signal}: finishing calls in progress");
            end.cancel();
        };
        let served = match gate {
            None => {
                let start = move || {
                    let backend = faults.layer(backend());
                    move |_| {
                        backend
                            .clone()
                            .map_request(|request: Request<Incoming>| request.map(RequestBody::new))
                    }
                };
                server::serve(clients, options, start, shutdown).await
            }
            Some((layer, timer)) => {
                // The only one need not be asked.
                let asked = engines.filter(|_| has_engines);
                let ask = move |strategy| check(asked.clone(), strategy);
                let _timer = AbortOnDropHandle::new(tokio::spawn(timer.run(ask)));
                let preview = preview.map(|listener| {
                    let (layer, backend) = (layer.clone(), backend.clone());
                    let start = move || {
                        let (layer, backend) = (layer.clone(), backend());
                        move |_| layer.preview(backend.clone())
                    };
                    let options = Options { threads: PREVIEW_THREADS, ..options.clone() };
                    server::serve(listener, options, start, end.cancelled())
                });
                let start = move || {
                    let (layer, backend, shard) = (layer.clone(), faults.layer(backend()), watch.shard());
                    move |peer: SocketAddr| layer.watched(shard.line(peer.ip()), backend.clone())
                };
                let clients = server::serve(clients, options, start, shutdown);
                let (served, previewed) = tokio::join!(clients, OptionFuture::from(preview));
                served.and(previewed.unwrap_or(Ok(())))
            }
        };
        script.abort();
        if let Some(switch) = switch {
            switch.kept().await;
        }
        if let Some(traces) = traces {
            traces.end().await;
        }
        if let Some(admin) = admin {
            admin.end().await?;
        }
        info!("Server stopped");
        served
    }
}

async fn play(script: Option<Arc<Script>>) {
    if let Some(script) = script {
        script.run().await;
    }
}
