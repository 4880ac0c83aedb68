//! The flags of `teal serve`.

use std::{path::PathBuf, time::Duration};

use clap::{Args, ValueEnum};
#[cfg(feature = "mock")]
use mock::OauthClient;
use proxy::{fault::Rule, upstream::Target};
use rustls::pki_types::ServerName;

#[cfg(feature = "mock")]
use super::{
    Effective,
    values::{
        ADMIN, Addresses, Admin, Colour, CutoverKind, LogFormat, LogLevel, MismatchKind, OnOff, admin,
        buffers, collector, count, duration, listen, server_name, some_duration,
    },
    values::{SessionsKind, TokensKind, UnknownTablesKind, batch_rows, memory, oauth_client, token_ttl},
};
use crate::{config::BadSetting, scenario::Settings};

/// The settings of `teal serve`. Each is also read from the environment, as `TEAL_…`.
#[derive(Debug, Args)]
pub struct Serve {
    /// Read settings from this file, in TOML; flags and the environment override it
    #[arg(long, env = "TEAL_CONFIG", value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Where clients connect
    #[arg(long, help_heading = "Listening", env = "TEAL_LISTEN", value_name = "ADDR", default_value = "127.0.0.1:50051", value_parser = listen)]
    pub listen: Addresses,
    /// Forward calls to this engine: http://host:port or https://host:port [default: the built-in engine]
    #[arg(long, help_heading = "Engines", env = "TEAL_UPSTREAM", value_name = "URL")]
    pub upstream: Option<Target>,
    /// Forward the calls of blue to this engine; needs --green
    #[arg(long, help_heading = "Engines", env = "TEAL_BLUE", value_name = "URL")]
    pub blue: Option<Target>,
    /// Forward the calls of green to this engine; needs --blue
    #[arg(long, help_heading = "Engines", env = "TEAL_GREEN", value_name = "URL")]
    pub green: Option<Target>,
    /// The certificate that clients are shown, who speak TLS then (PEM)
    #[arg(long, help_heading = "Listening", env = "TEAL_TLS_CERT", value_name = "FILE")]
    pub tls_cert: Option<PathBuf>,
    /// The private key of --tls-cert (PEM)
    #[arg(long, help_heading = "Listening", env = "TEAL_TLS_KEY", value_name = "FILE")]
    pub tls_key: Option<PathBuf>,
    /// Require client certificates of these authorities (PEM)
    #[arg(long, help_heading = "Listening", env = "TEAL_CLIENT_CA", value_name = "FILE")]
    pub client_ca: Option<PathBuf>,
    /// Trust these authorities for https:// engines (PEM) [default: the system's]
    #[arg(long, help_heading = "Engines", env = "TEAL_UPSTREAM_CA", value_name = "FILE")]
    pub upstream_ca: Option<PathBuf>,
    /// The certificate that engines are shown (PEM)
    #[arg(long, help_heading = "Engines", env = "TEAL_UPSTREAM_CERT", value_name = "FILE")]
    pub upstream_cert: Option<PathBuf>,
    /// The private key of --upstream-cert (PEM)
    #[arg(long, help_heading = "Engines", env = "TEAL_UPSTREAM_KEY", value_name = "FILE")]
    pub upstream_key: Option<PathBuf>,
    /// The host name in the engines' certificates [default: the one in their URL]
    #[arg(long, help_heading = "Engines", env = "TEAL_UPSTREAM_NAME", value_name = "NAME", value_parser = server_name)]
    pub upstream_name: Option<ServerName<'static>>,
    /// How long a connection to an engine may take to be established
    #[arg(long, help_heading = "Engines", env = "TEAL_CONNECT_TIMEOUT", value_name = "DURATION", default_value = "5s", value_parser = some_duration)]
    pub connect_timeout: Duration,
    /// Forward calls on this address to the engine that is not active, to test it before a switch; needs two engines
    #[arg(long, help_heading = "Listening", env = "TEAL_PREVIEW_LISTEN", value_name = "ADDR", value_parser = listen)]
    pub preview_listen: Option<Addresses>,
    /// How long to accept new connections after SIGTERM, while /readyz answers 503
    #[arg(long, help_heading = "Listening", env = "TEAL_SHUTDOWN_DELAY", value_name = "DURATION", default_value = "0s", value_parser = duration)]
    pub shutdown_delay: Duration,
    /// How often to resolve the names of engines again
    #[arg(long, help_heading = "Engines", env = "TEAL_RESOLVE_EVERY", value_name = "DURATION", default_value = "30s", value_parser = some_duration)]
    pub resolve_every: Duration,
    /// Disconnect a client with calls in progress that leaves a ping unanswered for this long
    #[arg(long, help_heading = "Listening", env = "TEAL_KEEPALIVE_TIMEOUT", value_name = "DURATION", default_value = "3m", value_parser = some_duration)]
    pub keepalive_timeout: Duration,
    /// The strategy that is active at start
    #[arg(
        long,
        help_heading = "Switching",
        env = "TEAL_INITIAL",
        value_name = "STRATEGY",
        default_value = "blue",
        ignore_case = true
    )]
    pub initial: Colour,
    /// Announce the other strategy this long after the active one became active; 0 is never
    #[arg(long, help_heading = "Switching", env = "TEAL_SWITCH_EVERY", value_name = "DURATION", default_value = "120s", value_parser = duration)]
    pub switch_every: Duration,
    /// Let the old strategy's queries run to their end (drain), or answer them with a 456 at once (strict)
    #[arg(
        long,
        help_heading = "Switching",
        env = "TEAL_CUTOVER",
        value_name = "HOW",
        default_value = "drain",
        ignore_case = true
    )]
    pub cutover: CutoverKind,
    /// The least time between an announcement and its cutover
    #[arg(long, help_heading = "Switching", env = "TEAL_NOTICE", value_name = "DURATION", default_value = "1s", value_parser = duration)]
    pub notice: Duration,
    /// Cut over an announcement that no client has adopted after this time; 0 is never
    #[arg(long, help_heading = "Switching", env = "TEAL_ANNOUNCE_TIMEOUT", value_name = "DURATION", default_value = "60s", value_parser = duration)]
    pub announce_timeout: Duration,
    /// Abort an announcement whose engine stays unhealthy for this long; 0 is never
    #[arg(long, help_heading = "Switching", env = "TEAL_UNHEALTHY_ABORT", value_name = "DURATION", default_value = "5s", value_parser = duration)]
    pub unhealthy_abort: Duration,
    /// Switch at once if the active engine stays unhealthy for this long and the other one is healthy; 0 is never
    #[arg(long, help_heading = "Switching", env = "TEAL_FAILOVER", value_name = "DURATION", default_value = "0s", value_parser = duration)]
    pub failover: Duration,
    /// Keep phase, epoch and timer in this file, so that a restart continues from there
    #[arg(long, help_heading = "Switching", env = "TEAL_STATE", value_name = "FILE")]
    pub state: Option<PathBuf>,
    /// How long the old strategy must stay idle before its drain completes
    #[arg(long, help_heading = "Switching", env = "TEAL_GRACE", value_name = "DURATION", default_value = "5s", value_parser = duration)]
    pub grace: Duration,
    /// End a drain after this time, whatever is left; 0 is never
    #[arg(long, help_heading = "Switching", env = "TEAL_DRAIN_TIMEOUT", value_name = "DURATION", default_value = "300s", value_parser = duration)]
    pub drain_timeout: Duration,
    /// How long to remember a query, or a session, after the last call about it
    #[arg(long, help_heading = "Switching", env = "TEAL_QUERY_TTL", value_name = "DURATION", default_value = "1h", value_parser = some_duration)]
    pub query_ttl: Duration,
    /// How many queries to remember at most; the oldest are forgotten first
    #[arg(long, help_heading = "Switching", env = "TEAL_MAX_QUERIES", value_name = "N", default_value = "1000000", value_parser = count)]
    pub max_queries: usize,
    /// How to encode a 456: as an HTTP status, as a gRPC status, or as both
    #[arg(
        long,
        help_heading = "Switching",
        env = "TEAL_MISMATCH",
        value_name = "DIALECT",
        default_value = "both",
        ignore_case = true
    )]
    pub mismatch: MismatchKind,
    /// off: serve without strategies, as an engine behind another teal
    #[arg(
        long,
        help_heading = "Switching",
        env = "TEAL_GATE",
        value_name = "on|off",
        default_value = "on",
        ignore_case = true
    )]
    pub gate: OnOff,
    /// Descriptors of other services whose responses have a field new_strategy
    #[arg(long, help_heading = "Switching", env = "TEAL_DESCRIPTOR_SET", value_name = "FILE")]
    pub descriptor_set: Option<PathBuf>,
    /// Inject a fault into chosen calls, such as method=getNextResultBatch,delay=200ms; can be repeated
    #[arg(
        long,
        help_heading = "Faults",
        env = "TEAL_FAULT",
        value_name = "KEY=VALUE,…",
        value_delimiter = '\n'
    )]
    pub fault: Vec<Rule>,
    /// on: a call may bring a fault for itself, in the metadata teal-fault
    #[arg(
        long,
        help_heading = "Faults",
        env = "TEAL_FAULT_HEADER",
        value_name = "on|off",
        default_value = "off",
        ignore_case = true
    )]
    pub fault_header: OnOff,
    /// Play a scenario, a built-in one (see teal scenario list) or a file
    #[arg(long, help_heading = "Faults", env = "TEAL_SCENARIO", value_name = "NAME|FILE")]
    pub scenario: Option<String>,
    /// Network threads, and as many for SQL [default: one per core]
    #[arg(long, help_heading = "Listening", env = "TEAL_THREADS", value_name = "N", value_parser = count)]
    pub threads: Option<usize>,
    /// Bytes of all calls that may wait for slow readers; a sixteenth of it for each client's connection
    #[arg(long, help_heading = "Listening", env = "TEAL_BUFFER_LIMIT", value_name = "SIZE", default_value = "256MiB", value_parser = buffers)]
    pub buffer_limit: usize,
    /// Where operators connect, or off
    #[arg(long, help_heading = "Operating", env = "TEAL_ADMIN", value_name = "ADDR|off", default_value = ADMIN, value_parser = admin)]
    pub admin: Admin,
    /// The token that operators must send; required if others can reach --admin
    #[arg(long, help_heading = "Operating", env = "TEAL_ADMIN_TOKEN_FILE", value_name = "FILE")]
    pub admin_token_file: Option<PathBuf>,
    /// Send traces to this collector, by OTLP over gRPC: http://host:port
    #[arg(long, help_heading = "Logging", env = "TEAL_OTLP_ENDPOINT", value_name = "URL", value_parser = collector)]
    pub otlp_endpoint: Option<String>,
    /// How log lines look
    #[arg(
        long,
        help_heading = "Logging",
        env = "TEAL_LOG_FORMAT",
        value_name = "FORMAT",
        default_value = "text",
        ignore_case = true
    )]
    pub log_format: LogFormat,
    /// The least important lines to log
    #[arg(
        long,
        help_heading = "Logging",
        env = "TEAL_LOG_LEVEL",
        value_name = "LEVEL",
        default_value = "info",
        ignore_case = true
    )]
    pub log_level: LogLevel,
    /// The built-in engine.
    #[cfg(feature = "mock")]
    #[command(flatten)]
    pub mock: Mock,
    /// The flags that the user gave, without their dashes.
    #[arg(skip)]
    pub given: Vec<&'static str>,
    /// All settings as texts, with their origins.
    #[arg(skip)]
    pub effective: Effective,
}

impl Serve {
    /// Takes over what a scenario sets and the user does not.
    pub(crate) fn adopt(&mut self, settings: &Settings) -> Result<(), BadSetting> {
        if !self.given.contains(&"switch-every") {
            // The scenario switches, and nobody else.
            self.switch_every = Duration::ZERO;
            self.effective.adopt_scenario("switch-every", "0s");
        }
        let durations = [
            ("switch-every", &settings.switch_every, &mut self.switch_every),
            ("notice", &settings.notice, &mut self.notice),
            ("announce-timeout", &settings.announce_timeout, &mut self.announce_timeout),
            ("grace", &settings.grace, &mut self.grace),
            ("drain-timeout", &settings.drain_timeout, &mut self.drain_timeout),
        ];
        for (flag, value, to) in durations {
            let Some(value) = value.as_ref().filter(|_| !self.given.contains(&flag)) else { continue };
            *to = duration(value).map_err(|expected| BadSetting { flag, value: value.clone(), expected })?;
            self.effective.adopt_scenario(flag, value);
        }
        if let Some(value) = settings.cutover.as_ref().filter(|_| !self.given.contains(&"cutover")) {
            let expected = || "expected one of drain, strict".to_owned();
            self.cutover = CutoverKind::from_str(value, true).map_err(|_| BadSetting {
                flag: "cutover",
                value: value.clone(),
                expected: expected(),
            })?;
            self.effective.adopt_scenario("cutover", value);
        }
        Ok(())
    }
}

/// The settings of the built-in engine.
#[cfg(feature = "mock")]
#[derive(Debug, Args)]
#[command(next_help_heading = "Built-in engine")]
pub struct Mock {
    /// Tables instead of the built-in ones: DIR/CATALOG/SCHEMA/TABLE.{csv,json,parquet}
    #[arg(long, env = "TEAL_DATA", value_name = "DIR")]
    pub data: Option<PathBuf>,
    /// What a query gets for a table that is not in the catalog: an error, or made-up rows
    #[arg(
        long,
        env = "TEAL_UNKNOWN_TABLES",
        value_name = "HOW",
        default_value = "error",
        ignore_case = true
    )]
    pub unknown_tables: UnknownTablesKind,
    /// Which session ids are accepted: those issued here, or any (of another engine too)
    #[arg(long, env = "TEAL_SESSIONS", value_name = "WHICH", default_value = "known", ignore_case = true)]
    pub sessions: SessionsKind,
    /// Which bearer tokens are accepted: any, or those issued here
    #[arg(long, env = "TEAL_TOKENS", value_name = "WHICH", default_value = "any", ignore_case = true)]
    pub tokens: TokensKind,
    /// How long an issued token is valid
    #[arg(long, env = "TEAL_TOKEN_TTL", value_name = "DURATION", default_value = "1h", value_parser = token_ttl)]
    pub token_ttl: Duration,
    /// A client that gets tokens; can be repeated [default: anybody]
    #[arg(long, env = "TEAL_OAUTH_CLIENT", hide_env_values = true, value_name = "ID:SECRET", value_delimiter = '\n', value_parser = oauth_client)]
    pub oauth_client: Vec<OauthClient>,
    /// Memory for SQL; beyond it queries spill to the temporary folder, then fail
    #[arg(long, env = "TEAL_MEMORY_LIMIT", value_name = "SIZE", default_value = "1GiB", value_parser = memory)]
    pub memory_limit: usize,
    /// The most rows in a result batch
    #[arg(long, env = "TEAL_BATCH_ROWS", value_name = "N", default_value = "8192", value_parser = batch_rows)]
    pub batch_rows: usize,
}
