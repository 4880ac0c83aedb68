//! The listener for clients.

use std::{path::PathBuf, time::Duration};

use clap::Args;

use crate::cli::values::{Addresses, buffers, count, duration, listen, some_duration};

/// The listener for clients.
#[derive(Debug, Args)]
#[command(next_help_heading = "Listening")]
pub struct Listening {
    /// The address for clients
    #[arg(long, env = "TEAL_LISTEN", value_name = "ADDR", default_value = "127.0.0.1:50051", value_parser = listen)]
    pub listen: Addresses,
    /// TLS of the listener.
    #[command(flatten)]
    pub tls: ListenerTls,
    /// Forward calls on this address to the inactive engine, to test it before a switch; needs two engines
    #[arg(long, env = "TEAL_PREVIEW_LISTEN", value_name = "ADDR", value_parser = listen)]
    pub preview_listen: Option<Addresses>,
    /// How long to accept new connections after SIGTERM, while /readyz answers 503
    #[arg(long, env = "TEAL_SHUTDOWN_DELAY", value_name = "DURATION", default_value = "0s", value_parser = duration)]
    pub shutdown_delay: Duration,
    /// Disconnect a client with calls in progress that does not answer a ping for this long
    #[arg(long, env = "TEAL_KEEPALIVE_TIMEOUT", value_name = "DURATION", default_value = "3m", value_parser = some_duration)]
    pub keepalive_timeout: Duration,
    /// Network threads, and as many for SQL [default: one per core]
    #[arg(long, env = "TEAL_THREADS", value_name = "N", value_parser = count)]
    pub threads: Option<usize>,
    /// Bytes of all calls that may wait for slow readers; each client's connection gets a sixteenth
    #[arg(long, env = "TEAL_BUFFER_LIMIT", value_name = "SIZE", default_value = "256MiB", value_parser = buffers)]
    pub buffer_limit: usize,
}

/// Certificates and keys for clients. A reload reads them again.
#[derive(Debug, Args)]
#[command(next_help_heading = "Listening")]
pub struct ListenerTls {
    /// The server certificate (PEM); with one, clients must use TLS
    #[arg(long, env = "TEAL_TLS_CERT", value_name = "FILE")]
    pub tls_cert: Option<PathBuf>,
    /// The private key of --tls-cert (PEM)
    #[arg(long, env = "TEAL_TLS_KEY", value_name = "FILE")]
    pub tls_key: Option<PathBuf>,
    /// Require client certificates of these authorities (PEM)
    #[arg(long, env = "TEAL_CLIENT_CA", value_name = "FILE")]
    pub client_ca: Option<PathBuf>,
}
