//! The engines that calls are forwarded to.

use std::{path::PathBuf, time::Duration};

use clap::Args;
use proxy::upstream::{Authority, Target};
use rustls::pki_types::ServerName;

use crate::cli::values::{server_name, some_duration};

/// The engines that calls are forwarded to.
#[derive(Debug, Args)]
#[command(next_help_heading = "Engines")]
pub struct Engines {
    /// Forward calls to this engine: host:port, http://host:port or https://host:port [default: the built-in engine]
    #[arg(long, env = "TEAL_UPSTREAM", value_name = "URL")]
    pub upstream: Option<Target>,
    /// Forward the calls of blue to this engine; needs --green
    #[arg(long, env = "TEAL_BLUE", value_name = "URL")]
    pub blue: Option<Target>,
    /// Forward the calls of green to this engine; needs --blue
    #[arg(long, env = "TEAL_GREEN", value_name = "URL")]
    pub green: Option<Target>,
    /// TLS to engines.
    #[command(flatten)]
    pub tls: EngineTls,
    /// The host name in the engines' certificates [default: the one in their URL]
    #[arg(long, env = "TEAL_UPSTREAM_NAME", value_name = "NAME", value_parser = server_name)]
    pub upstream_name: Option<ServerName<'static>>,
    /// The :authority that engines see: the client's, or the one in their URL
    #[arg(
        long,
        env = "TEAL_UPSTREAM_AUTHORITY",
        value_name = "WHOSE",
        default_value = "client",
        ignore_case = true
    )]
    pub upstream_authority: Authority,
    /// How long a connection to an engine may take to be established
    #[arg(long, env = "TEAL_CONNECT_TIMEOUT", value_name = "DURATION", default_value = "5s", value_parser = some_duration)]
    pub connect_timeout: Duration,
    /// How often to resolve the names of engines again
    #[arg(long, env = "TEAL_RESOLVE_EVERY", value_name = "DURATION", default_value = "30s", value_parser = some_duration)]
    pub resolve_every: Duration,
}

impl Engines {
    /// Returns whether each strategy has an engine of its own.
    pub(crate) fn are_two(&self) -> bool {
        self.blue.is_some() && self.blue != self.green
    }
}

/// Certificates and keys for engines. A reload reads them again.
#[derive(Debug, Args)]
#[command(next_help_heading = "Engines")]
pub struct EngineTls {
    /// Trust these authorities for https:// engines (PEM) [default: the system's]
    #[arg(long, env = "TEAL_UPSTREAM_CA", value_name = "FILE")]
    pub upstream_ca: Option<PathBuf>,
    /// The client certificate for engines (PEM)
    #[arg(long, env = "TEAL_UPSTREAM_CERT", value_name = "FILE")]
    pub upstream_cert: Option<PathBuf>,
    /// The private key of --upstream-cert (PEM)
    #[arg(long, env = "TEAL_UPSTREAM_KEY", value_name = "FILE")]
    pub upstream_key: Option<PathBuf>,
}
