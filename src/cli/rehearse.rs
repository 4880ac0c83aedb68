//! The flags of `teal rehearse`.

use std::{path::PathBuf, time::Duration};

use clap::Args;

use super::values::{LogFormat, LogLevel, count, duration, some_duration};
use crate::rehearse::{Address, Behaviour};

/// The settings of `teal rehearse`.
#[derive(Debug, Args)]
pub struct Rehearse {
    /// The server: http://host:port, or https://host:port
    #[arg(long, value_name = "URL", default_value = "http://127.0.0.1:50051")]
    pub to: String,
    /// Client processes
    #[arg(long, value_name = "N", default_value = "8", value_parser = count)]
    pub clients: usize,
    /// Threads of each client, each with a connection; they share the client's strategy
    #[arg(long, value_name = "N", default_value = "1", value_parser = count)]
    pub threads: usize,
    /// How long new queries are begun
    #[arg(long, value_name = "DURATION", default_value = "60s", value_parser = some_duration)]
    pub duration: Duration,
    /// Queries with the rows they have to return, as TOML [default: made up]
    #[arg(long, value_name = "FILE")]
    pub queries: Option<PathBuf>,
    /// A client's pause from one query to the next
    #[arg(long, value_name = "DURATION", default_value = "0s", value_parser = duration)]
    pub think: Duration,
    /// Queries per second of all clients together, whether or not earlier ones are over
    #[arg(long, value_name = "N", conflicts_with = "think", value_parser = rate)]
    pub rate: Option<f64>,
    /// Keep queries open before their rows are fetched: so long, or (by each second client) across a switch
    #[arg(long, value_name = "DURATION", num_args = 0..=1, default_missing_value = "0s", value_parser = duration)]
    pub hold: Option<Duration>,
    /// Who logs in
    #[arg(long, value_name = "NAME", default_value = "rehearse@example.com")]
    pub user: String,
    /// A file with the password [default: any]
    #[arg(long, value_name = "FILE")]
    pub password_file: Option<PathBuf>,
    /// A file with a bearer token, which goes with each call; nobody logs in then
    #[arg(long, value_name = "FILE", conflicts_with_all = ["user", "password_file"])]
    pub token_file: Option<PathBuf>,
    /// A file with the certificates (PEM) to trust instead of the system's
    #[arg(long, value_name = "FILE")]
    pub tls_ca: Option<PathBuf>,
    /// The catalog of queries; with one, the calls of the newer clients are used
    #[arg(long, value_name = "NAME")]
    pub catalog: Option<String>,
    /// The schema of queries
    #[arg(long, value_name = "NAME", default_value = "")]
    pub schema: String,
    /// How clients behave; of a list, the first client as the first, and so on
    #[arg(long, value_name = "HOW", value_delimiter = ',', default_value = "follow", ignore_case = true)]
    pub behaviour: Vec<Behaviour>,
    /// The admin API of the server: its side goes into the report, and the switch can be operated
    #[arg(long, value_name = "URL")]
    pub admin: Option<Address>,
    /// The token that the admin API asks for
    #[arg(long, value_name = "FILE", requires = "admin")]
    pub admin_token_file: Option<PathBuf>,
    /// Order a switch so often
    #[arg(long, value_name = "DURATION", requires = "admin", value_parser = some_duration)]
    pub switch_every: Option<Duration>,
    /// Order switches, cutovers, aborts and rollbacks at random times
    #[arg(long, requires = "admin")]
    pub chaos: bool,
    /// Of all that is random
    #[arg(long, value_name = "N", default_value = "1")]
    pub seed: u64,
    /// Write the report as JSON
    #[arg(long, value_name = "FILE")]
    pub json: Option<PathBuf>,
    /// Write the report as a page
    #[arg(long, value_name = "FILE")]
    pub html: Option<PathBuf>,
    /// How log lines look
    #[arg(long, value_name = "FORMAT", default_value = "text", ignore_case = true)]
    pub log_format: LogFormat,
    /// The least important lines that are logged; on a terminal there is a bar instead, unless this is given
    #[arg(long, value_name = "LEVEL", ignore_case = true)]
    pub log_level: Option<LogLevel>,
}

fn rate(text: &str) -> Result<f64, String> {
    let rate = text.trim().parse().ok().filter(|rate: &f64| *rate >= 0.001 && *rate <= 1e6);
    rate.ok_or_else(|| "expected queries per second such as 50 or 0.5".to_owned())
}
