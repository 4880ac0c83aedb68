//! The command line and the environment, as the user gave them.

use std::{
    error::Error as _, ffi::OsString, net::SocketAddr, net::ToSocketAddrs, path::PathBuf, time::Duration,
};

use clap::{
    ArgMatches, Args, CommandFactory, FromArgMatches, Parser, Subcommand, ValueEnum,
    error::{ContextKind, ContextValue, ErrorKind},
    parser::ValueSource,
};

use crate::upstream::Target;

/// A transparent gRPC proxy that adds the semantics of a blue-green switch, and an engine of its own.
#[derive(Debug, Parser)]
#[command(name = "teal", version, args_conflicts_with_subcommands = true, disable_help_subcommand = true)]
struct Cli {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    serve: Serve,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Serve (what teal does without a command)
    Serve(Serve),
}

/// The settings of `teal serve`. Each is also read from the environment, as `TEAL_…`.
#[derive(Debug, Args)]
pub struct Serve {
    /// Where clients connect
    #[arg(long, env = "TEAL_LISTEN", value_name = "ADDR", default_value = "127.0.0.1:50051", value_parser = listen)]
    pub listen: Addresses,
    /// The engine that calls are forwarded to: http://host:port [default: the built-in one]
    #[arg(long, env = "TEAL_UPSTREAM", value_name = "URL")]
    pub upstream: Option<Target>,
    /// The engine that blue's calls are forwarded to
    #[arg(long, env = "TEAL_BLUE", value_name = "URL")]
    pub blue: Option<Target>,
    /// The engine that green's calls are forwarded to
    #[arg(long, env = "TEAL_GREEN", value_name = "URL")]
    pub green: Option<Target>,
    /// How long a connection to an engine may take to be established
    #[arg(long, env = "TEAL_CONNECT_TIMEOUT", value_name = "DURATION", default_value = "5s", value_parser = some_duration)]
    pub connect_timeout: Duration,
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
    /// Network threads [default: one per core]
    #[arg(long, env = "TEAL_THREADS", value_name = "N", value_parser = count)]
    pub threads: Option<usize>,
    /// Where operators connect, or off (nothing is served there yet)
    #[arg(long, env = "TEAL_ADMIN", value_name = "ADDR|off", default_value = "127.0.0.1:50061", value_parser = admin)]
    pub admin: Admin,
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
    /// Memory for SQL; beyond it queries spill to the temporary folder
    #[arg(long, env = "TEAL_MEMORY_LIMIT", value_name = "SIZE", default_value = "1GiB", value_parser = memory)]
    pub memory_limit: usize,
    /// Rows of a result batch at most
    #[arg(long, env = "TEAL_BATCH_ROWS", value_name = "N", default_value = "8192", value_parser = batch_rows)]
    pub batch_rows: usize,
}

/// The addresses that one `host:port` stands for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Addresses(pub Vec<SocketAddr>);

/// Where operators connect.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Admin {
    /// Nowhere.
    Off,
    /// There.
    At(Addresses),
}

macro_rules! choices {
    ($($(#[$doc:meta])* $name:ident { $($(#[$choice_doc:meta])* $choice:ident),+ $(,)? })+) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
        pub enum $name { $($(#[$choice_doc])* #[allow(missing_docs)] $choice),+ }
    )+};
}

choices! {
    /// A strategy's name.
    Colour { Blue, Green }
    /// See [`crate::switch::Cutover`].
    CutoverKind { Drain, Strict }
    /// See [`crate::gate::Mismatch`].
    MismatchKind { Both, Http, Grpc }
    /// Whether something is there.
    OnOff { On, Off }
    /// Lines for people, or objects for machines.
    LogFormat { Text, Json }
    /// From few lines to many.
    LogLevel { Error, Warn, Info, Debug }
}

#[cfg(feature = "mock")]
choices! {
    /// See `teal_engine::UnknownTables`.
    UnknownTablesKind { Error, Generate }
    /// See [`crate::mock::Sessions`].
    SessionsKind { Known, Any }
}

/// Why there is nothing to serve.
#[derive(Debug)]
pub enum Stop {
    /// The user asked for this text.
    Print(String),
    /// One line that names the flag, the value and what was expected.
    Refuse(String),
}

impl Serve {
    /// Reads the arguments (the program's name first) and the environment.
    pub fn parse(args: impl IntoIterator<Item = OsString>) -> Result<Self, Stop> {
        let matches = Cli::command().try_get_matches_from(args).map_err(|error| explain(&error))?;
        let cli = Cli::from_arg_matches(&matches).map_err(|error| explain(&error))?;
        let (mut serve, matches) = match (cli.command, matches.subcommand()) {
            (Some(Command::Serve(serve)), Some((_, matches))) => (serve, matches),
            _ => (cli.serve, &matches),
        };
        serve.given = given(matches);
        Ok(serve)
    }
}

/// The flags whose value came from the user.
fn given(matches: &ArgMatches) -> Vec<&'static str> {
    let command = Cli::command();
    let ids = command.get_arguments().filter_map(|arg| {
        let id = arg.get_id().as_str();
        let source = matches.try_contains_id(id).ok().and_then(|_| matches.value_source(id));
        matches!(source, Some(ValueSource::CommandLine | ValueSource::EnvVariable)).then(|| arg.get_long())?
    });
    ids.map(|long| &*String::leak(long.to_owned())).collect()
}

/// Clap's several lines in one, with the flag's name in the environment.
fn explain(error: &clap::Error) -> Stop {
    if !error.use_stderr() {
        return Stop::Print(error.render().to_string());
    }
    let context = |kind| match error.get(kind) {
        Some(ContextValue::String(text)) => Some(text.clone()),
        Some(ContextValue::Strings(texts)) => Some(texts.join(", ")),
        _ => None,
    };
    let flag =
        context(ContextKind::InvalidArg).map(|arg| arg.split(' ').next().unwrap_or_default().to_owned());
    let value = context(ContextKind::InvalidValue).unwrap_or_default();
    let expected = match error.kind() {
        ErrorKind::ValueValidation => error.source().map(ToString::to_string),
        ErrorKind::InvalidValue if value.is_empty() => Some("expected a value".to_owned()),
        ErrorKind::InvalidValue => {
            context(ContextKind::ValidValue).map(|valid| format!("expected one of {valid}"))
        }
        _ => None,
    };
    Stop::Refuse(match (flag, expected) {
        (Some(flag), Some(expected)) => format!("{flag} (or {}): '{value}': {expected}", environment(&flag)),
        _ => {
            let text = error.render().to_string();
            let line = text.lines().next().unwrap_or_default();
            format!("{} (see teal --help)", line.trim_start_matches("error: "))
        }
    })
}

/// The name of a flag in the environment.
pub(crate) fn environment(flag: &str) -> String {
    format!("TEAL_{}", flag.trim_start_matches('-').replace('-', "_").to_uppercase())
}

fn listen(text: &str) -> Result<Addresses, String> {
    addresses(text, "expected an address and port such as 127.0.0.1:50051")
}

fn addresses(text: &str, expected: &str) -> Result<Addresses, String> {
    let found = text.to_socket_addrs().map_err(|error| format!("{expected} ({error})"))?;
    let found = Vec::from_iter(found);
    if found.is_empty() { Err(expected.to_owned()) } else { Ok(Addresses(found)) }
}

fn admin(text: &str) -> Result<Admin, String> {
    let expected = "expected off, or an address and port such as 127.0.0.1:50061";
    if text.eq_ignore_ascii_case("off") { Ok(Admin::Off) } else { addresses(text, expected).map(Admin::At) }
}

/// Longer ones are mistakes, and would overflow the clock.
const LONGEST: Duration = Duration::from_secs(100 * 365 * 24 * 3600);

fn duration(text: &str) -> Result<Duration, String> {
    let expected = "expected a duration such as 120s, 2m or 1h";
    let duration = humantime::parse_duration(text.trim()).map_err(|error| format!("{expected} ({error})"))?;
    if duration > LONGEST { Err(format!("{expected} (at most 100 years)")) } else { Ok(duration) }
}

fn some_duration(text: &str) -> Result<Duration, String> {
    match duration(text)? {
        Duration::ZERO => Err("expected a duration above 0 such as 1h".to_owned()),
        duration => Ok(duration),
    }
}

fn count(text: &str) -> Result<usize, String> {
    let count = text.trim().parse().ok().filter(|count| *count > 0);
    count.ok_or_else(|| "expected a whole number above 0".to_owned())
}

#[cfg(feature = "mock")]
fn batch_rows(text: &str) -> Result<usize, String> {
    let rows = count(text).ok().filter(|rows| *rows <= 1_000_000);
    rows.ok_or_else(|| "expected a whole number from 1 to 1000000".to_owned())
}

#[cfg(feature = "mock")]
fn memory(text: &str) -> Result<usize, String> {
    let size = text.trim().parse::<bytesize::ByteSize>().ok();
    let size = size.and_then(|size| usize::try_from(size.as_u64()).ok()).filter(|size| *size >= 1 << 20);
    size.ok_or_else(|| "expected a size of at least 1MiB such as 512MiB or 1GiB".to_owned())
}

#[cfg(test)]
mod tests;
