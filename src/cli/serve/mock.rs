//! The built-in engine.

use std::{path::PathBuf, time::Duration};

use clap::Args;
use mock::{AcceptedTokens, OauthClient, Sessions};
use sql::UnknownTables;

use crate::cli::values::{batch_rows, memory, oauth_client, token_ttl};

/// The settings of the built-in engine.
#[derive(Debug, Args)]
#[command(next_help_heading = "Built-in engine")]
pub struct Mock {
    /// Tables instead of the built-in ones: DIR/CATALOG/SCHEMA/TABLE.{csv,json,parquet}
    #[arg(long, env = "TEAL_DATA", value_name = "DIR")]
    pub data: Option<PathBuf>,
    /// The answer to a query for an unknown table: an error, or generated rows
    #[arg(
        long,
        env = "TEAL_UNKNOWN_TABLES",
        value_name = "HOW",
        default_value = "error",
        ignore_case = true
    )]
    pub unknown_tables: UnknownTables,
    /// Which session ids are accepted: those issued here, or any (also of another engine)
    #[arg(long, env = "TEAL_SESSIONS", value_name = "WHICH", default_value = "known", ignore_case = true)]
    pub sessions: Sessions,
    /// Which bearer tokens are accepted: any, or those issued here
    #[arg(long, env = "TEAL_TOKENS", value_name = "WHICH", default_value = "any", ignore_case = true)]
    pub tokens: AcceptedTokens,
    /// How long an issued token is valid
    #[arg(long, env = "TEAL_TOKEN_TTL", value_name = "DURATION", default_value = "1h", value_parser = token_ttl)]
    pub token_ttl: Duration,
    /// A client that may request tokens; can be repeated [default: any]
    #[arg(long, env = "TEAL_OAUTH_CLIENT", hide_env_values = true, value_name = "ID:SECRET", value_delimiter = '\n', value_parser = oauth_client)]
    pub oauth_client: Vec<OauthClient>,
    /// Memory for SQL; beyond it queries spill to the temporary folder, then fail
    #[arg(long, env = "TEAL_MEMORY_LIMIT", value_name = "SIZE", default_value = "1GiB", value_parser = memory)]
    pub memory_limit: usize,
    /// The most rows in a result batch
    #[arg(long, env = "TEAL_BATCH_ROWS", value_name = "N", default_value = "8192", value_parser = batch_rows)]
    pub batch_rows: usize,
}
