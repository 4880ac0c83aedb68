//! The flags of `teal rehearse`.

use std::{path::PathBuf, time::Duration};

use admin::client::Address;
use clap::Args;
use rehearse::Behaviour;

use super::values::{LogFormat, LogLevel, count, duration, number, some_duration};

/// The settings of `teal rehearse`.
#[derive(Debug, Args)]
pub struct Rehearse {
    /// The server: host:port, http://host:port or https://host:port
    #[arg(long, value_name = "URL", default_value = "http://127.0.0.1:50051")]
    pub to: String,
    /// Number of client processes
    #[arg(long, value_name = "N", default_value = "8", value_parser = count)]
    pub clients: usize,
    /// Threads of each client, each with its own connection; they share the client's strategy
    #[arg(long, value_name = "N", default_value = "1", value_parser = count)]
    pub threads: usize,
    /// How long to begin new queries
    #[arg(long, value_name = "DURATION", default_value = "60s", value_parser = some_duration)]
    pub duration: Duration,
    /// Queries and their expected rows, in TOML [default: generated queries]
    #[arg(long, value_name = "FILE")]
    pub queries: Option<PathBuf>,
    /// Pause after each query
    #[arg(long, value_name = "DURATION", default_value = "0s", value_parser = duration)]
    pub think: Duration,
    /// Queries per second of all clients together, whether or not earlier ones have ended
    #[arg(long, value_name = "N", conflicts_with = "think", value_parser = rate)]
    pub rate: Option<f64>,
    /// Keep queries open for this long before fetching; without a duration, every second client keeps them across a switch
    #[arg(long, value_name = "DURATION", num_args = 0..=1, default_missing_value = "0s", value_parser = duration)]
    pub hold: Option<Duration>,
    /// The user who logs in
    #[arg(long, value_name = "NAME", default_value = "rehearse@example.com")]
    pub user: String,
    /// A file with the password [default: any]
    #[arg(long, value_name = "FILE")]
    pub password_file: Option<PathBuf>,
    /// A file with a bearer token to send with each call, instead of a login
    #[arg(long, value_name = "FILE", conflicts_with_all = ["user", "password_file"])]
    pub token_file: Option<PathBuf>,
    /// Trust the certificates in this file instead of the system's (PEM)
    #[arg(long, value_name = "FILE")]
    pub tls_ca: Option<PathBuf>,
    /// The client certificate for a server that requires one (PEM)
    #[arg(long, value_name = "FILE")]
    pub tls_cert: Option<PathBuf>,
    /// The private key of --tls-cert (PEM)
    #[arg(long, value_name = "FILE")]
    pub tls_key: Option<PathBuf>,
    /// The catalog of queries; with one, clients use the newer calls
    #[arg(long, value_name = "NAME")]
    pub catalog: Option<String>,
    /// The schema of queries
    #[arg(long, value_name = "NAME", default_value = "")]
    pub schema: String,
    /// How clients behave; a list assigns behaviours in turn
    #[arg(long, value_name = "HOW", value_delimiter = ',', default_value = "follow", ignore_case = true)]
    pub behaviour: Vec<Behaviour>,
    /// The server's admin API: its events go into the report, and --switch-every and --chaos work
    #[arg(long, value_name = "URL")]
    pub admin: Option<Address>,
    /// A file with the token that the admin API requires
    #[arg(long, value_name = "FILE", requires = "admin")]
    pub admin_token_file: Option<PathBuf>,
    /// Command a switch this often
    #[arg(long, value_name = "DURATION", requires = "admin", value_parser = some_duration)]
    pub switch_every: Option<Duration>,
    /// Command switches, cutovers, aborts and rollbacks at random times
    #[arg(long, requires = "admin")]
    pub chaos: bool,
    /// The seed of everything random
    #[arg(long, value_name = "N", default_value = "1", value_parser = number::<u64>)]
    pub seed: u64,
    /// Write the report to this file, as JSON
    #[arg(long, value_name = "FILE")]
    pub json: Option<PathBuf>,
    /// Write the report to this file, as a web page with a timeline
    #[arg(long, value_name = "FILE")]
    pub html: Option<PathBuf>,
    /// How log lines look
    #[arg(long, value_name = "FORMAT", default_value = "text", ignore_case = true)]
    pub log_format: LogFormat,
    /// The least important lines to log; without this, a terminal shows a bar instead
    #[arg(long, value_name = "LEVEL", ignore_case = true)]
    pub log_level: Option<LogLevel>,
}

fn rate(text: &str) -> Result<f64, String> {
    let rate = text.trim().parse().ok().filter(|rate: &f64| *rate >= 0.001 && *rate <= 1e6);
    rate.ok_or_else(|| "expected queries per second such as 50 or 0.5".to_owned())
}
