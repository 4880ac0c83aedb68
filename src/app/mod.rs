//! Builds and runs a server, part by part: engine, switch, telemetry, faults, settings, and the API over them.

mod backend;
#[cfg(feature = "mock")]
mod control;
mod instance;
mod listeners;
mod recording;

use std::{io, pin::pin, sync::Arc, time::Duration};

use admin::{Admin, AdminState, ReloadControl, check};
use http2::Budget;
use humantime::format_duration;
use protocol::Protocol;
use proxy::{
    DataPath,
    fault::{FaultContext, Faults, Source},
    gate::GateLayer,
    recording::Recorder,
    server::Options,
    telemetry::{Collector, Metrics, history::Limits, traces::Traces},
};
use switch::{EventLog, Start, Switch, Timer};
use tokio::{select, time::sleep};
use tokio_util::{sync::CancellationToken, task::AbortOnDropHandle};
use tracing::info;
use webhook::Webhooks;

pub use self::listeners::Listeners;
use self::{backend::Backend, instance::Instance, recording::Recordings};
use crate::{
    cli::environment,
    config::{Config, FaultConfig, GateConfig},
    reload::{Parts, Reload},
    scenario::{ScenarioContext, Script},
    systemd,
};

/// A request to shut down.
#[derive(Clone, Copy, Debug)]
pub struct Shutdown {
    /// The signal, for the log.
    pub signal: &'static str,
    /// How long to accept new connections after that.
    pub delay: Duration,
}

/// Serves on bound listeners until `shutdown` resolves. Readiness fails at once; new connections are accepted for the
/// delay; then calls in progress are completed.
pub async fn serve(
    config: Config,
    listeners: Listeners,
    shutdown: impl Future<Output = Shutdown>,
) -> io::Result<()> {
    let Listeners { data, operators } = listeners;
    let budget = Budget::new(config.buffer_limit);
    // Without a gate the methods of the engine are known too.
    let roles = config
        .gate
        .as_ref()
        .map_or_else(|| Protocol::default().roles().clone(), |gate| gate.protocol.roles().clone());
    let recorder = Recorder::new(roles.clone());
    // Before the engine is started: a file that cannot be written ends the server.
    let recordings = Arc::new(Recordings::start(recorder.clone(), config.recording)?);
    let metrics = Metrics::new(budget.clone()).recorded_by(recorder.clone());
    let backend = Backend::start(config.backend, config.threads, &metrics, &roles)?;
    let mut gate = config.gate;
    let instance = gate.as_mut().and_then(|gate| gate.instance.take());
    let switching = gate.map(|gate| Switching::start(gate, &backend, instance.is_some())).transpose()?;
    let traces = traces(config.otlp_endpoint.as_deref(), switching.as_ref())?;
    let collector = collector(switching.as_ref(), metrics.clone(), traces.as_ref(), config.history);
    let _watching = AbortOnDropHandle::new(tokio::spawn(collector.clone().run()));
    let switch = switching.as_ref().map(|switching| switching.switch.clone());
    let event_log = switch.as_ref().map_or_else(EventLog::default, |switch| switch.event_log().clone());
    let (faults, script) = faults(config.faults, &backend, switch.as_ref(), &collector, &event_log)?;
    let webhooks = Webhooks::start(event_log.clone(), metrics.clone(), config.webhooks)?;
    let parts = Parts {
        switch: switch.clone(),
        identity: config.tls.clone(),
        trust: backend.trust.clone(),
        event_log: event_log.clone(),
        webhooks: webhooks.clone(),
    };
    let reload = Reload::new(config.effective, parts);
    let _hangups = reload.at_hangups()?;
    let ending = CancellationToken::new();
    let state = AdminState {
        switch: switch.clone(),
        event_log,
        engines: backend.engines.clone(),
        cluster: backend.cluster.clone(),
        tokens: backend.tokens.clone(),
        faults: faults.clone(),
        collector: collector.clone(),
        reload: Some(Arc::new(reload) as Arc<dyn ReloadControl>),
        record: Some(recordings.clone()),
        ending: ending.clone(),
    };
    let operators_at = operators.as_ref().map(|operators| operators.local_addr()).transpose()?;
    let admin = match operators {
        None => None,
        Some(operators) => {
            info!("Admin API on http://{}", operators.local_addr()?);
            Some(Admin::start(operators, state, config.admin.and_then(|admin| admin.token))?)
        }
    };
    let options = Options {
        tls: config.tls,
        threads: config.threads,
        budget,
        keepalive_timeout: config.keepalive_timeout,
    };
    let mut shutdown = pin!(shutdown);
    let instance = match switch.as_ref().zip(instance) {
        None => None,
        Some((switch, config)) => select! {
            joined = Instance::join(switch, config) => Some(joined?),
            Shutdown { signal, .. } = &mut shutdown => {
                info!("{signal}: stopping before the other instances were joined");
                systemd::stopping();
                ending.cancel();
                webhooks.end().await;
                if let Some(admin) = admin {
                    admin.end().await?;
                }
                info!("Server stopped");
                return Ok(());
            }
        },
    };
    if let Some(instance) = &instance {
        instance.introduce(operators_at, backend.addresses());
    }
    let started = started(&data, &options)?;
    let _playing =
        script.map(|script| AbortOnDropHandle::new(tokio::spawn(async move { script.run().await })));
    let (gate, _timer) = match switching {
        None => (None, None),
        Some(switching) => {
            let (gate, timer) = switching.run(&backend, &collector);
            (Some(gate), Some(timer))
        }
    };

    let end = CancellationToken::new();
    let served = backend.serve(DataPath { gate, faults, collector, recorder }, data, options, end.clone());
    let _watchdog = systemd::watchdog(switch.clone());
    let until_end = async {
        // `served` is polled first, and has started its threads by now.
        started.iter().for_each(|line| info!("{line}"));
        systemd::ready();
        let Shutdown { signal, delay } = shutdown.await;
        systemd::stopping();
        ending.cancel();
        backend.announce_end().await;
        if !delay.is_zero() {
            info!("{signal}: not ready from now on, closing the listener in {}", format_duration(delay));
            sleep(delay).await;
        }
        info!("{signal}: finishing calls in progress");
        end.cancel();
    };
    let mut served = pin!(served);
    let served = select! {
        biased;
        // Nothing but a failure ends it before `end`.
        served = &mut served => served,
        () = until_end => served.await,
    };
    ending.cancel();

    recordings.end().await;
    if let Some(instance) = instance {
        instance.leave().await;
    }
    if let Some(switch) = switch {
        switch.kept().await;
    }
    let traces = async {
        if let Some(traces) = traces {
            traces.end().await;
        }
    };
    tokio::join!(traces, webhooks.end());
    if let Some(admin) = admin {
        admin.end().await?;
    }
    served?;
    info!("Server stopped");
    Ok(())
}

/// The switch, and what else the gate needs.
struct Switching {
    switch: Switch,
    timer: Timer,
    gate: GateConfig,
}

impl Switching {
    /// Restores the switch from its saved state.
    fn start(mut gate: GateConfig, backend: &Backend, is_shared: bool) -> io::Result<Self> {
        let state = gate.state.take();
        if let Some((file, Some(_))) = &state {
            info!("Restored the state of the switch from {}", file.path().display());
        }
        let at = state.as_ref().map(|(file, _)| file.path().display().to_string()).unwrap_or_default();
        let start = Start { has_engines: backend.has_two_engines(), is_shared, state };
        let (switch, timer) = Switch::start(gate.rules.clone(), start).map_err(|error| {
            let names = format!("--state (or {})", environment("state"));
            io::Error::new(
                error.kind(),
                format!("{names}: '{at}': expected a file that can be written ({error})"),
            )
        })?;
        Ok(Self { switch, timer, gate })
    }

    /// Starts the timer, which runs as long as the gate.
    fn run(self, backend: &Backend, collector: &Collector) -> (GateLayer, AbortOnDropHandle<()>) {
        let Self { switch, timer, gate } = self;
        let collector = collector.clone();
        let mut timer = timer.observed_by(move |step| collector.step(step));
        if let Some(alarm) = backend.alarm.clone() {
            timer = timer.alarmed_by(alarm);
        }
        // A single engine needs no check before a switch.
        let asked = backend.engines.clone().filter(|_| backend.has_two_engines());
        let ask = move |strategy| check(asked.clone(), strategy);
        let timer = AbortOnDropHandle::new(tokio::spawn(timer.run(ask)));
        (GateLayer::new(switch, gate.protocol, gate.mismatch), timer)
    }
}

/// The exporter of traces. Without a gate there are none.
fn traces(endpoint: Option<&str>, switching: Option<&Switching>) -> io::Result<Option<Traces>> {
    let traces = endpoint.zip(switching);
    traces.map(|(endpoint, switching)| Traces::to(endpoint, &switching.gate.protocol)).transpose()
}

/// Creates the collector of calls and clients.
fn collector(
    switching: Option<&Switching>,
    metrics: Metrics,
    traces: Option<&Traces>,
    history: Limits,
) -> Collector {
    let tracer = traces.map(Traces::tracer);
    match switching {
        None => Collector::new(&Default::default(), None, metrics, tracer),
        Some(Switching { switch, gate, .. }) => {
            Collector::keeping(history, &gate.protocol, Some(switch.clone()), metrics, tracer)
        }
    }
}

/// Creates the faults from the settings, and starts the scenario.
fn faults(
    config: FaultConfig,
    backend: &Backend,
    switch: Option<&Switch>,
    collector: &Collector,
    event_log: &EventLog,
) -> io::Result<(Faults, Option<Arc<Script>>)> {
    // Without a gate nothing is collected.
    let collector = switch.map(|_| collector.clone());
    let context = FaultContext { switch: switch.cloned(), collector, event_log: event_log.clone() };
    let faults = Faults::new(config.by_header, context);
    for rule in config.rules {
        faults.add(rule, Source::Start).map_err(io::Error::other)?;
    }
    let context = ScenarioContext {
        switch: switch.cloned(),
        cluster: backend.cluster.clone(),
        tokens: backend.tokens.clone(),
        engines: backend.engines.clone(),
    };
    let script = config.scenario.map(|scenario| Script::start(scenario, &faults, context));
    Ok((faults, script))
}

fn not_started(what: &str, error: io::Error) -> io::Error {
    io::Error::new(error.kind(), format!("cannot start {what}: {error}"))
}

/// The lines that say where clients can connect.
fn started(listeners: &proxy::Listeners, options: &Options) -> io::Result<Vec<String>> {
    let speaks = match &options.tls {
        None => "",
        Some(tls) if tls.asks_for_certificates() => " (TLS, clients need a certificate)",
        Some(_) => " (TLS)",
    };
    let mut lines = Vec::new();
    if let Some(preview) = &listeners.preview {
        lines
            .push(format!("Preview of the strategy that is not active on {}{speaks}", preview.local_addr()?));
    }
    lines.push(format!("Server started on {}{speaks}", listeners.clients.local_addr()?));
    Ok(lines)
}
