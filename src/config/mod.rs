//! What the user set, wholly checked, before any port is bound.

mod backend;
mod faults;
mod gate;
mod tls;

use std::{num::NonZero, path::Path, thread, time::Duration};

use admin::Token;
use protocol::Protocol;
use proxy::{fault::Rule, gate::Mismatch, tls::Identity, upstream::Targets};
use switch::{Rules, SavedState, StateFile};

use crate::{
    cli::{Addresses, Admin, Effective, LogFormat, LogLevel, Serve, environment},
    scenario::Scenario,
};

/// Settings that can be served by.
#[derive(Debug)]
pub struct Config {
    /// Where clients connect.
    pub listen: Addresses,
    /// Where the engine that is not active can be tried, unless nowhere.
    pub preview_listen: Option<Addresses>,
    /// How long new connections are accepted after SIGTERM.
    pub shutdown_delay: Duration,
    /// How the listener proves itself to clients, if they speak TLS.
    pub tls: Option<Identity>,
    /// Network threads.
    pub threads: usize,
    /// Bytes of all calls that may wait for slow readers.
    pub buffer_limit: usize,
    /// How long a client with calls in progress may leave a ping unanswered.
    pub keepalive_timeout: Duration,
    /// How the switch is set, unless there is none.
    pub gate: Option<GateConfig>,
    /// Who answers.
    pub backend: Backend,
    /// Where operators connect, unless nowhere.
    pub admin: Option<AdminConfig>,
    /// What trouble there is from the start.
    pub faults: FaultConfig,
    /// The collector that traces are sent to.
    pub otlp_endpoint: Option<String>,
    /// How log lines look.
    pub log_format: LogFormat,
    /// The least important lines that are logged.
    pub log_level: LogLevel,
    /// All settings as texts, with their origins.
    pub effective: Effective,
}

/// Where operators connect.
#[derive(Debug)]
pub struct AdminConfig {
    /// The address.
    pub at: Addresses,
    /// Whether the user named it: then nothing goes on without.
    pub is_given: bool,
    /// What operators have to show.
    pub token: Option<Token>,
}

/// The switch and the gate that asks it.
#[derive(Debug)]
pub struct GateConfig {
    /// How the switch moves.
    pub rules: Rules,
    /// Where its state is kept, and what was found there.
    pub state: Option<(StateFile, Option<SavedState>)>,
    /// What a rejection looks like.
    pub mismatch: Mismatch,
    /// What is known of methods.
    pub protocol: Protocol,
}

/// Trouble on purpose.
#[derive(Debug)]
pub struct FaultConfig {
    /// The rules in force at start.
    pub rules: Vec<Rule>,
    /// Whether a call may bring its own.
    pub by_header: bool,
    /// What happens on cue.
    pub scenario: Option<Scenario>,
}

/// Who answers.
#[derive(Debug)]
pub enum Backend {
    /// Real engines.
    Upstream(Targets),
    /// The built-in one.
    #[cfg(feature = "mock")]
    Mock(MockConfig),
}

/// The built-in engine.
#[cfg(feature = "mock")]
#[derive(Debug)]
pub struct MockConfig {
    /// Its tables and limits.
    pub engine: sql::Options,
    /// Its sessions and queries.
    pub service: mock::Options,
}

/// A setting that cannot be served by.
#[derive(Debug, thiserror::Error)]
#[error("--{flag} (or {}): '{value}': {expected}", environment(flag))]
pub struct BadSetting {
    /// The flag, without its dashes.
    pub flag: &'static str,
    /// What the user gave.
    pub value: String,
    /// What was expected.
    pub expected: String,
}

impl Config {
    /// Settings that can be served by; or why not, in one line that says where the value at fault is.
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
        Ok(Self {
            threads: serve.listening.threads.unwrap_or(cores),
            buffer_limit: serve.listening.buffer_limit,
            keepalive_timeout: serve.listening.keepalive_timeout,
            tls: tls::identity(&serve)?,
            gate: gate::gate(&serve)?,
            backend: backend::backend(&serve)?,
            admin: admin(&serve)?,
            faults,
            preview_listen: backend::preview(&serve)?,
            shutdown_delay: serve.listening.shutdown_delay,
            otlp_endpoint: serve.logging.otlp_endpoint,
            listen: serve.listening.listen,
            log_format: serve.logging.log_format,
            log_level: serve.logging.log_level,
            effective: serve.effective,
        })
    }
}

fn admin(serve: &Serve) -> Result<Option<AdminConfig>, BadSetting> {
    let token = serve.operating.admin_token_file.as_deref().map(token).transpose()?;
    let Admin::At(at) = &serve.operating.admin else { return Ok(None) };
    if token.is_none() && !at.0.iter().all(|at| at.ip().is_loopback()) {
        let value = at.0.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
        let expected = "expected --admin-token-file beside it, because others can reach it".to_owned();
        return Err(BadSetting { flag: "admin", value, expected });
    }
    Ok(Some(AdminConfig { at: at.clone(), is_given: serve.given.contains(&"admin"), token }))
}

/// The token that a file holds.
pub fn token(file: &Path) -> Result<Token, BadSetting> {
    Token::read(file).map_err(|error| BadSetting {
        flag: "admin-token-file",
        value: file.display().to_string(),
        expected: error.to_string(),
    })
}
