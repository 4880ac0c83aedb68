//! What the user set, wholly checked, before any port is bound.

mod tls;

use std::{fs, num::NonZero, path::Path, thread, time::Duration};

use admin::Token;
use protocol::{Protocol, Strategy};
use proxy::{
    fault::{Rule, rule::Setting},
    gate::Mismatch,
    tls::Identity,
    upstream::{Target, Targets},
};
use switch::{Cutover, Kept, Rules, StateFile};

use crate::{
    cli::{
        Addresses, Admin, Colour, CutoverKind, Effective, LogFormat, LogLevel, MismatchKind, OnOff, Serve,
        environment,
    },
    scenario::{BadScenario, Scenario},
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
    pub state: Option<(StateFile, Option<Kept>)>,
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

/// What `--gate off` leaves nothing to set of.
const SWITCHING: [&str; 16] = [
    "blue",
    "green",
    "preview-listen",
    "initial",
    "switch-every",
    "cutover",
    "notice",
    "announce-timeout",
    "unhealthy-abort",
    "failover",
    "state",
    "grace",
    "drain-timeout",
    "mismatch",
    "descriptor-set",
    "otlp-endpoint",
];

/// What is set of the built-in engine alone.
const MOCK: [&str; 8] = [
    "data",
    "unknown-tables",
    "sessions",
    "memory-limit",
    "batch-rows",
    "tokens",
    "token-ttl",
    "oauth-client",
];

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
        let faults = faults(&mut serve)?;
        let cores = thread::available_parallelism().map_or(1, NonZero::get);
        Ok(Self {
            threads: serve.threads.unwrap_or(cores),
            buffer_limit: serve.buffer_limit,
            keepalive_timeout: serve.keepalive_timeout,
            tls: tls::identity(&serve)?,
            gate: gate(&serve)?,
            backend: backend(&serve)?,
            admin: admin(&serve)?,
            faults,
            preview_listen: preview(&serve)?,
            shutdown_delay: serve.shutdown_delay,
            otlp_endpoint: serve.otlp_endpoint,
            listen: serve.listen,
            log_format: serve.log_format,
            log_level: serve.log_level,
            effective: serve.effective,
        })
    }
}

fn admin(serve: &Serve) -> Result<Option<AdminConfig>, BadSetting> {
    let token = serve.admin_token_file.as_deref().map(token).transpose()?;
    let Admin::At(at) = &serve.admin else { return Ok(None) };
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

fn gate(serve: &Serve) -> Result<Option<GateConfig>, BadSetting> {
    if serve.gate == OnOff::Off {
        let Some(flag) = SWITCHING.iter().find(|flag| serve.given.contains(flag)) else { return Ok(None) };
        let expected = format!("expected on, because {} is set", serve.effective.name(flag));
        return Err(BadSetting { flag: "gate", value: "off".to_owned(), expected });
    }
    let mut protocol = Protocol::default();
    if let Some(file) = &serve.descriptor_set {
        extend(&mut protocol, file)?;
    }
    let unless_zero = |duration: Duration| (!duration.is_zero()).then_some(duration);
    let rules = Rules {
        initial: match serve.initial {
            Colour::Blue => Strategy::Blue,
            Colour::Green => Strategy::Green,
        },
        switch_every: unless_zero(serve.switch_every),
        cutover: match serve.cutover {
            CutoverKind::Drain => Cutover::Drain,
            CutoverKind::Strict => Cutover::Strict,
        },
        notice: serve.notice,
        announce_timeout: unless_zero(serve.announce_timeout),
        unhealthy_abort: unless_zero(serve.unhealthy_abort),
        failover: unless_zero(serve.failover),
        grace: serve.grace,
        drain_timeout: unless_zero(serve.drain_timeout),
        query_ttl: serve.query_ttl,
        max_queries: serve.max_queries,
    };
    let mismatch = match serve.mismatch {
        MismatchKind::Both => Mismatch::Both,
        MismatchKind::Http => Mismatch::Http,
        MismatchKind::Grpc => Mismatch::Grpc,
    };
    if rules.failover.is_some() && (serve.blue.is_none() || serve.blue == serve.green) {
        let value = humantime::format_duration(serve.failover).to_string();
        let expected = "expected --blue and --green, two engines, beside it".to_owned();
        return Err(BadSetting { flag: "failover", value, expected });
    }
    let state = serve.state.as_deref().map(StateFile::open).transpose().map_err(|bad| BadSetting {
        flag: "state",
        value: serve.state.as_deref().unwrap_or(Path::new("")).display().to_string(),
        expected: bad.to_string(),
    })?;
    Ok(Some(GateConfig { rules, state, mismatch, protocol }))
}

/// The rules and the scenario, which may set the switch.
fn faults(serve: &mut Serve) -> Result<FaultConfig, BadSetting> {
    let scenario = match serve.scenario.clone() {
        None => None,
        Some(name) => {
            let bad = |error: &BadScenario| BadSetting {
                flag: "scenario",
                value: name.clone(),
                expected: error.to_string(),
            };
            let scenario = Scenario::open(&name).map_err(|error| bad(&error))?;
            serve.adopt(&scenario.settings)?;
            let has_engine = serve.upstream.is_none() && serve.blue.is_none() && cfg!(feature = "mock");
            scenario.fits(setting(serve), has_engine).map_err(|error| bad(&error))?;
            Some(scenario)
        }
    };
    let setting = setting(serve);
    for rule in &serve.fault {
        rule.fits(setting).map_err(|bad| BadSetting {
            flag: "fault",
            value: rule.to_string(),
            expected: bad.to_string(),
        })?;
    }
    let rules = std::mem::take(&mut serve.fault);
    for (at, rule) in rules.iter().enumerate() {
        if rule.id.is_some() && rules[..at].iter().any(|before| before.id == rule.id) {
            let expected = "expected an id that no other rule has".to_owned();
            return Err(BadSetting { flag: "fault", value: rule.to_string(), expected });
        }
    }
    Ok(FaultConfig { rules, by_header: serve.fault_header == OnOff::On, scenario })
}

fn setting(serve: &Serve) -> Setting {
    let has_gate = serve.gate == OnOff::On;
    Setting { has_gate, has_drain: has_gate && serve.cutover == CutoverKind::Drain }
}

fn backend(serve: &Serve) -> Result<Backend, BadSetting> {
    let Some(targets) = targets(serve)? else {
        tls::trust(serve, &[])?;
        #[cfg(feature = "mock")]
        return mock(serve).map(Backend::Mock);
        #[cfg(not(feature = "mock"))]
        return Err(BadSetting {
            flag: "upstream",
            value: String::new(),
            expected: "expected the URL of an engine, because this build has none of its own".to_owned(),
        });
    };
    let Some(flag) = MOCK.iter().find(|flag| serve.given.contains(flag)) else {
        return Ok(Backend::Upstream(targets));
    };
    let expected = "expected nothing: it is for the built-in engine, and calls are forwarded".to_owned();
    let value = serve.effective.get(flag).map(|given| given.text()).unwrap_or_default();
    Err(BadSetting { flag, value, expected })
}

/// The engines to forward to, if any.
fn targets(serve: &Serve) -> Result<Option<Targets>, BadSetting> {
    let bad = |flag, target: &Target, expected: &str| {
        Err(BadSetting { flag, value: target.to_string(), expected: expected.to_owned() })
    };
    let (blue, green) = match (&serve.upstream, &serve.blue, &serve.green) {
        (None, None, None) => return Ok(None),
        (Some(both), None, None) => (both, both),
        (None, Some(blue), Some(green)) => (blue, green),
        (Some(both), ..) => return bad("upstream", both, "expected either this or --blue and --green"),
        (None, Some(blue), None) => return bad("blue", blue, "expected --green beside it"),
        (None, None, Some(green)) => return bad("green", green, "expected --blue beside it"),
    };
    for (flag, target) in [("upstream", &serve.upstream), ("blue", &serve.blue), ("green", &serve.green)] {
        if let Some(target) = target.as_ref().filter(|target| target.is_served_at(&serve.listen.0)) {
            let expected =
                "expected another address than teal's own (--listen): calls would go round in circles";
            return bad(flag, target, expected);
        }
    }
    let trust = tls::trust(serve, &[blue, green])?;
    let (blue, green) = (blue.clone(), green.clone());
    let (connect_timeout, resolve_every) = (serve.connect_timeout, serve.resolve_every);
    Ok(Some(Targets { blue, green, connect_timeout, resolve_every, trust }))
}

/// Where the engine that is not active can be tried: there has to be one.
fn preview(serve: &Serve) -> Result<Option<Addresses>, BadSetting> {
    let has_two = serve.blue.is_some() && serve.blue != serve.green;
    if has_two || serve.preview_listen.is_none() {
        return Ok(serve.preview_listen.clone());
    }
    let value = serve.effective.get("preview-listen").map(|given| given.text()).unwrap_or_default();
    let expected = "expected --blue and --green beside it, and two engines there: one of them is not active";
    Err(BadSetting { flag: "preview-listen", value, expected: expected.to_owned() })
}

fn extend(protocol: &mut Protocol, file: &Path) -> Result<(), BadSetting> {
    let bad = |expected| BadSetting { flag: "descriptor-set", value: file.display().to_string(), expected };
    let descriptors = fs::read(file).map_err(|error| bad(format!("expected a readable file ({error})")))?;
    protocol.extend(&descriptors).map_err(|error| bad(error.to_string()))
}

#[cfg(feature = "mock")]
fn mock(serve: &Serve) -> Result<MockConfig, BadSetting> {
    use mock::{Sessions, TokenOptions};
    use sql::UnknownTables;

    use crate::cli::{SessionsKind, TokensKind, UnknownTablesKind};

    if let Some(data) = &serve.mock.data {
        fs::read_dir(data).map_err(|error| BadSetting {
            flag: "data",
            value: data.display().to_string(),
            expected: format!("expected a readable directory ({error})"),
        })?;
    }
    Ok(MockConfig {
        engine: sql::Options {
            data: serve.mock.data.clone(),
            unknown_tables: match serve.mock.unknown_tables {
                UnknownTablesKind::Error => UnknownTables::Error,
                UnknownTablesKind::Generate => UnknownTables::Generate,
            },
            memory_limit: serve.mock.memory_limit,
            batch_rows: serve.mock.batch_rows,
        },
        service: mock::Options {
            query_ttl: serve.query_ttl,
            max_queries: serve.max_queries,
            sessions: match serve.mock.sessions {
                SessionsKind::Known => Sessions::Known,
                SessionsKind::Any => Sessions::Any,
            },
            engine_ip: serve.listen.0[0].ip().to_string(),
            tokens: TokenOptions {
                clients: serve.mock.oauth_client.clone(),
                ttl: serve.mock.token_ttl,
                issued_only: serve.mock.tokens == TokensKind::IssuedOnly,
            },
        },
    })
}
