//! The configuration: the user's settings, validated before any port is bound.

mod backend;
mod faults;
mod gate;
mod instances;
mod recording;
mod tls;
mod webhooks;

use std::{num::NonZero, path::Path, thread, time::Duration};

use admin::Token;
use protocol::Protocol;
use proxy::{fault::Rule, gate::Mismatch, telemetry::history::Limits, tls::Identity, upstream::Targets};
use switch::{Rules, SavedState, StateFile};

pub(crate) use self::instances::host;
pub use self::{
    instances::InstanceConfig,
    recording::{RecordConfig, ReplayConfig},
};
use crate::{
    cli::{Addresses, Admin, CallsMessages, Effective, LogFormat, LogLevel, Operating, Serve, environment},
    scenario::Scenario,
};

/// Valid settings.
#[derive(Debug)]
pub struct Config {
    /// The addresses for clients.
    pub listen: Addresses,
    /// The addresses for previews of the inactive engine.
    pub preview_listen: Option<Addresses>,
    /// How long new connections are accepted after SIGTERM.
    pub shutdown_delay: Duration,
    /// The TLS identity of the listener; `None` without TLS.
    pub tls: Option<Identity>,
    /// Network threads.
    pub threads: usize,
    /// Bytes of all calls that may wait for slow readers.
    pub buffer_limit: usize,
    /// The time within which a client with calls in progress must answer a ping.
    pub keepalive_timeout: Duration,
    /// The gate and its switch; `None` without a gate.
    pub gate: Option<GateConfig>,
    /// The backend.
    pub backend: Backend,
    /// The admin API; `None` if it is off.
    pub admin: Option<AdminConfig>,
    /// The faults at start.
    pub faults: FaultConfig,
    /// How many calls are kept.
    pub history: Limits,
    /// The receivers of events.
    pub webhooks: webhook::Settings,
    /// The recording of calls.
    pub recording: RecordConfig,
    /// The collector that traces are sent to.
    pub otlp_endpoint: Option<String>,
    /// How log lines look.
    pub log_format: LogFormat,
    /// The log level.
    pub log_level: LogLevel,
    /// All settings as texts, with their origins.
    pub effective: Effective,
}

/// The admin API.
#[derive(Debug)]
pub struct AdminConfig {
    /// The address.
    pub at: Addresses,
    /// Whether the user set it; if so, a failure to bind it is fatal.
    pub is_given: bool,
    /// The token that operators must send.
    pub token: Option<Token>,
}

/// The gate and its switch.
#[derive(Debug)]
pub struct GateConfig {
    /// The rules of the switch.
    pub rules: Rules,
    /// The state file, and the saved state found in it.
    pub state: Option<(StateFile, Option<SavedState>)>,
    /// The other instances that share the switch; `None` for an instance of its own.
    pub instance: Option<InstanceConfig>,
    /// The encoding of a 456.
    pub mismatch: Mismatch,
    /// The known methods.
    pub protocol: Protocol,
}

/// Fault injection.
#[derive(Debug)]
pub struct FaultConfig {
    /// The fault rules at start.
    pub rules: Vec<Rule>,
    /// Whether calls may carry their own rule.
    pub by_header: bool,
    /// The scenario to play.
    pub scenario: Option<Scenario>,
}

/// The backend.
#[derive(Debug)]
pub enum Backend {
    /// Forwards calls to engines.
    Upstream(Targets),
    /// Answers from a recording.
    Replay(ReplayConfig),
    /// Uses the built-in engine.
    #[cfg(feature = "mock")]
    Mock(MockConfig),
}

/// The built-in engine.
#[cfg(feature = "mock")]
#[derive(Debug)]
pub struct MockConfig {
    /// The tables and limits.
    pub engine: sql::Options,
    /// The sessions and queries.
    pub service: mock::Options,
}

/// An invalid setting.
#[derive(Debug, thiserror::Error)]
#[error("--{flag} (or {}): '{value}': {expected}", environment(flag))]
pub struct BadSetting {
    /// The flag, without its dashes.
    pub flag: &'static str,
    /// The value.
    pub value: String,
    /// The expected value.
    pub expected: String,
}

impl Config {
    /// Validates settings. The error is one line that says where the invalid value is.
    pub fn read(serve: Serve) -> Result<Self, String> {
        let effective = serve.effective.clone();
        Self::try_from(serve).map_err(|BadSetting { flag, value, expected }| {
            format!("{}: '{value}': {expected}", effective.name(flag)).replace(['\n', '\r'], " ")
        })
    }
}

impl TryFrom<Serve> for Config {
    type Error = BadSetting;

    fn try_from(mut serve: Serve) -> Result<Self, BadSetting> {
        let faults = faults::faults(&mut serve)?;
        let cores = thread::available_parallelism().map_or(1, NonZero::get);
        let threads = serve.listening.threads.unwrap_or(cores);
        let history = history(&serve, threads)?;
        Ok(Self {
            threads,
            history,
            buffer_limit: serve.listening.buffer_limit,
            keepalive_timeout: serve.listening.keepalive_timeout,
            tls: tls::identity(&serve)?,
            gate: gate::gate(&serve)?,
            backend: backend::backend(&serve)?,
            admin: admin(&serve)?,
            faults,
            recording: recording::recording(&serve)?,
            preview_listen: backend::preview(&serve)?,
            webhooks: webhooks::webhooks(&serve)?,
            shutdown_delay: serve.listening.shutdown_delay,
            otlp_endpoint: serve.logging.otlp_endpoint,
            listen: serve.listening.listen,
            log_format: serve.logging.log_format,
            log_level: serve.logging.log_level,
            effective: serve.effective,
        })
    }
}

/// How much of calls is kept. Messages are a part of calls.
fn history(serve: &Serve, threads: usize) -> Result<Limits, BadSetting> {
    let Operating { calls, calls_memory, calls_messages: CallsMessages(messages), .. } = serve.operating;
    if calls == 0 && messages > 0 {
        let why = serve.effective.name("calls-messages");
        let expected = format!("expected 1 or more, because {why} is set");
        return Err(BadSetting { flag: "calls", value: "0".to_owned(), expected });
    }
    Ok(Limits { calls, bytes: calls_memory, messages, threads })
}

fn admin(serve: &Serve) -> Result<Option<AdminConfig>, BadSetting> {
    let token = serve.operating.admin_token_file.as_deref().map(token).transpose()?;
    let Admin::At(at) = &serve.operating.admin else { return Ok(None) };
    if token.is_none() && !at.0.iter().all(|at| at.ip().is_loopback()) {
        let value = at.0.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
        let expected = "expected --admin-token-file with it, because others can reach it".to_owned();
        return Err(BadSetting { flag: "admin", value, expected });
    }
    Ok(Some(AdminConfig { at: at.clone(), is_given: serve.given.contains(&"admin"), token }))
}

/// Reads a token from a file.
pub fn token(file: &Path) -> Result<Token, BadSetting> {
    Token::read(file).map_err(|error| BadSetting {
        flag: "admin-token-file",
        value: file.display().to_string(),
        expected: error.to_string(),
    })
}
