//! The flags of `teal serve`.

use std::{path::PathBuf, time::Duration};

use clap::{Args, ValueEnum};
use rustls::pki_types::ServerName;

#[cfg(feature = "mock")]
use super::values::{
    SessionsKind, TokensKind, UnknownTablesKind, batch_rows, memory, oauth_client, token_ttl,
};
use super::{
    Effective,
    values::{
        ADMIN, Addresses, Admin, Colour, CutoverKind, LogFormat, LogLevel, MismatchKind, OnOff, admin,
        buffers, collector, count, duration, listen, server_name, some_duration,
    },
};
use crate::{
    config::BadSetting,
    fault::{Rule, scenario::Settings},
    upstream::Target,
};
#[cfg(feature = "mock")]
use mock::OauthClient;

/// The settings of `teal serve`. Each is also read from the environment, as `TEAL_…`.
#[derive(Debug, Args)]
pub struct Serve {
    /// Settings by their flags' names, in TOML; flags and the environment win over it
    #[arg(long, env = "TEAL_CONFIG", value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Where clients connect
    #[arg(long, env = "TEAL_LISTEN", value_name = "ADDR", default_value = "127.0.0.1:50051", value_parser = listen)]
    pub listen: Addresses,
    /// The engine that calls are forwarded to: http://host:port or https://host:port [default: the built-in one]
    #[arg(long, env = "TEAL_UPSTREAM", value_name = "URL")]
    pub upstream: Option<Target>,
    /// The engine that blue's calls are forwarded to
    #[arg(long, env = "TEAL_BLUE", value_name = "URL")]
    pub blue: Option<Target>,
    /// The engine that green's calls are forwarded to
    #[arg(long, env = "TEAL_GREEN", value_name = "URL")]
    pub green: Option<Target>,
    /// The certificate that clients are shown: they speak TLS then (PEM)
    #[arg(long, env = "TEAL_TLS_CERT", value_name = "FILE")]
    pub tls_cert: Option<PathBuf>,
    /// Its private key (PEM)
    #[arg(long, env = "TEAL_TLS_KEY", value_name = "FILE")]
    pub tls_key: Option<PathBuf>,
    /// The authorities of clients, which need a certificate then (PEM)
    #[arg(long, env = "TEAL_CLIENT_CA", value_name = "FILE")]
    pub client_ca: Option<PathBuf>,
    /// The authorities of engines behind https:// [default: the system's] (PEM)
    #[arg(long, env = "TEAL_UPSTREAM_CA", value_name = "FILE")]
    pub upstream_ca: Option<PathBuf>,
    /// The certificate that engines are shown (PEM)
    #[arg(long, env = "TEAL_UPSTREAM_CERT", value_name = "FILE")]
    pub upstream_cert: Option<PathBuf>,
    /// Its private key (PEM)
    #[arg(long, env = "TEAL_UPSTREAM_KEY", value_name = "FILE")]
    pub upstream_key: Option<PathBuf>,
    /// The name that the engines' certificates are for [default: the one in their URL]
    #[arg(long, env = "TEAL_UPSTREAM_NAME", value_name = "NAME", value_parser = server_name)]
    pub upstream_name: Option<ServerName<'static>>,
    /// How long a connection to an engine may take to be established
    #[arg(long, env = "TEAL_CONNECT_TIMEOUT", value_name = "DURATION", default_value = "5s", value_parser = some_duration)]
    pub connect_timeout: Duration,
    /// Calls here go to the engine that is not active, unjudged: to try it before a switch [default: nowhere]
    #[arg(long, env = "TEAL_PREVIEW_LISTEN", value_name = "ADDR", value_parser = listen)]
    pub preview_listen: Option<Addresses>,
    /// How long new connections are accepted after SIGTERM, while /readyz says 503
    #[arg(long, env = "TEAL_SHUTDOWN_DELAY", value_name = "DURATION", default_value = "0s", value_parser = duration)]
    pub shutdown_delay: Duration,
    /// From one look at the addresses of the engines' names to the next
    #[arg(long, env = "TEAL_RESOLVE_EVERY", value_name = "DURATION", default_value = "30s", value_parser = some_duration)]
    pub resolve_every: Duration,
    /// How long a client with calls in progress may leave a ping unanswered
    #[arg(long, env = "TEAL_KEEPALIVE_TIMEOUT", value_name = "DURATION", default_value = "3m", value_parser = some_duration)]
    pub keepalive_timeout: Duration,
    /// The strategy that is active at start
    #[arg(long, env = "TEAL_INITIAL", value_name = "STRATEGY", default_value = "blue", ignore_case = true)]
    pub initial: Colour,
    /// From a strategy becoming active to the announcement of the other one; 0 is never
    #[arg(long, env = "TEAL_SWITCH_EVERY", value_name = "DURATION", default_value = "120s", value_parser = duration)]
    pub switch_every: Duration,
    /// What becomes of the old strategy's queries: they run to their end, or get a 456
    #[arg(long, env = "TEAL_CUTOVER", value_name = "HOW", default_value = "drain", ignore_case = true)]
    pub cutover: CutoverKind,
    /// The least time from an announcement to its cutover
    #[arg(long, env = "TEAL_NOTICE", value_name = "DURATION", default_value = "1s", value_parser = duration)]
    pub notice: Duration,
    /// The time after which an announcement that no client has adopted is cut over; 0 is never
    #[arg(long, env = "TEAL_ANNOUNCE_TIMEOUT", value_name = "DURATION", default_value = "60s", value_parser = duration)]
    pub announce_timeout: Duration,
    /// How long the announced engine may be unhealthy before its announcement is aborted; 0 is never
    #[arg(long, env = "TEAL_UNHEALTHY_ABORT", value_name = "DURATION", default_value = "5s", value_parser = duration)]
    pub unhealthy_abort: Duration,
    /// How long the active engine may be unhealthy before a healthy other one takes its place; 0 is never
    #[arg(long, env = "TEAL_FAILOVER", value_name = "DURATION", default_value = "0s", value_parser = duration)]
    pub failover: Duration,
    /// Where phase, epoch and timer are kept, so that a restart goes on from there
    #[arg(long, env = "TEAL_STATE", value_name = "FILE")]
    pub state: Option<PathBuf>,
    /// How long the old strategy must have been silent for its drain to be over
    #[arg(long, env = "TEAL_GRACE", value_name = "DURATION", default_value = "5s", value_parser = duration)]
    pub grace: Duration,
    /// The time after which a drain ends, whatever is left; 0 is never
    #[arg(long, env = "TEAL_DRAIN_TIMEOUT", value_name = "DURATION", default_value = "300s", value_parser = duration)]
    pub drain_timeout: Duration,
    /// How long a query, or a session, is remembered after the last call about it
    #[arg(long, env = "TEAL_QUERY_TTL", value_name = "DURATION", default_value = "1h", value_parser = some_duration)]
    pub query_ttl: Duration,
    /// How many queries are remembered at most, the oldest forgotten first
    #[arg(long, env = "TEAL_MAX_QUERIES", value_name = "N", default_value = "1000000", value_parser = count)]
    pub max_queries: usize,
    /// In which dialect a 456 is said
    #[arg(long, env = "TEAL_MISMATCH", value_name = "DIALECT", default_value = "both", ignore_case = true)]
    pub mismatch: MismatchKind,
    /// off: no strategies at all, to stand behind another teal
    #[arg(long, env = "TEAL_GATE", value_name = "on|off", default_value = "on", ignore_case = true)]
    pub gate: OnOff,
    /// Descriptors of other services whose responses have a field `new_strategy`
    #[arg(long, env = "TEAL_DESCRIPTOR_SET", value_name = "FILE")]
    pub descriptor_set: Option<PathBuf>,
    /// Trouble for chosen calls, such as method=getNextResultBatch,delay=200ms; may be given again (see README)
    #[arg(long, env = "TEAL_FAULT", value_name = "KEY=VALUE,…", value_delimiter = '\n')]
    pub fault: Vec<Rule>,
    /// on: a call may bring a fault of its own, as metadata teal-fault
    #[arg(long, env = "TEAL_FAULT_HEADER", value_name = "on|off", default_value = "off", ignore_case = true)]
    pub fault_header: OnOff,
    /// Switches, faults and suspensions on cue: a built-in scenario (see teal scenario list), or a file
    #[arg(long, env = "TEAL_SCENARIO", value_name = "NAME|FILE")]
    pub scenario: Option<String>,
    /// Network threads [default: one per core]
    #[arg(long, env = "TEAL_THREADS", value_name = "N", value_parser = count)]
    pub threads: Option<usize>,
    /// Bytes of all calls that may wait for slow readers; a sixteenth of it for each client's connection
    #[arg(long, env = "TEAL_BUFFER_LIMIT", value_name = "SIZE", default_value = "256MiB", value_parser = buffers)]
    pub buffer_limit: usize,
    /// Where operators connect, or off
    #[arg(long, env = "TEAL_ADMIN", value_name = "ADDR|off", default_value = ADMIN, value_parser = admin)]
    pub admin: Admin,
    /// The token that operators have to show; an address that others can reach needs one
    #[arg(long, env = "TEAL_ADMIN_TOKEN_FILE", value_name = "FILE")]
    pub admin_token_file: Option<PathBuf>,
    /// Where traces are sent, by OTLP over gRPC: http://host:port
    #[arg(long, env = "TEAL_OTLP_ENDPOINT", value_name = "URL", value_parser = collector)]
    pub otlp_endpoint: Option<String>,
    /// How log lines look
    #[arg(long, env = "TEAL_LOG_FORMAT", value_name = "FORMAT", default_value = "text", ignore_case = true)]
    pub log_format: LogFormat,
    /// The least important lines that are logged
    #[arg(long, env = "TEAL_LOG_LEVEL", value_name = "LEVEL", default_value = "info", ignore_case = true)]
    pub log_level: LogLevel,
    /// What is set of the built-in engine.
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
    /// Tables instead of the built-in ones: DIR/CATALOG/SCHEMA/TABLE.{csv,parquet,json}
    #[arg(long, env = "TEAL_DATA", value_name = "DIR")]
    pub data: Option<PathBuf>,
    /// What a query gets for a table that isn't in the catalog: an error, or made-up rows
    #[arg(
        long,
        env = "TEAL_UNKNOWN_TABLES",
        value_name = "HOW",
        default_value = "error",
        ignore_case = true
    )]
    pub unknown_tables: UnknownTablesKind,
    /// Which session ids are good: those given out here, or any (those of a twin engine too)
    #[arg(long, env = "TEAL_SESSIONS", value_name = "WHICH", default_value = "known", ignore_case = true)]
    pub sessions: SessionsKind,
    /// Which bearer tokens are good: any, or those that were issued here
    #[arg(long, env = "TEAL_TOKENS", value_name = "WHICH", default_value = "any", ignore_case = true)]
    pub tokens: TokensKind,
    /// How long a token is good that is issued at /oauth2/token
    #[arg(long, env = "TEAL_TOKEN_TTL", value_name = "DURATION", default_value = "1h", value_parser = token_ttl)]
    pub token_ttl: Duration,
    /// Who gets tokens; may be given again [default: anybody]
    #[arg(long, env = "TEAL_OAUTH_CLIENT", value_name = "ID:SECRET", value_delimiter = '\n', value_parser = oauth_client)]
    pub oauth_client: Vec<OauthClient>,
    /// Memory for SQL; beyond it queries spill to the temporary folder
    #[arg(long, env = "TEAL_MEMORY_LIMIT", value_name = "SIZE", default_value = "1GiB", value_parser = memory)]
    pub memory_limit: usize,
    /// Rows of a result batch at most
    #[arg(long, env = "TEAL_BATCH_ROWS", value_name = "N", default_value = "8192", value_parser = batch_rows)]
    pub batch_rows: usize,
}
