//! Events for the URLs of others.

use std::path::PathBuf;

use clap::Args;

use crate::cli::values::event_kind;

/// Events for the URLs of others. A reload applies them.
#[derive(Debug, Args)]
#[command(next_help_heading = "Webhooks")]
pub struct Webhooks {
    /// Post each event to this URL, as a CloudEvent; can be repeated
    #[arg(long, env = "TEAL_WEBHOOK", value_name = "URL", value_delimiter = '\n')]
    pub webhook: Vec<String>,
    /// Post only events of these kinds, separated by commas [default: all]
    #[arg(long, env = "TEAL_WEBHOOK_KIND", value_name = "KIND,…", value_delimiter = ',', value_parser = event_kind)]
    pub webhook_kind: Vec<&'static str>,
    /// Sign events with the secret in this file: whsec_ and base64
    #[arg(long, env = "TEAL_WEBHOOK_SECRET_FILE", value_name = "FILE")]
    pub webhook_secret_file: Option<PathBuf>,
}
