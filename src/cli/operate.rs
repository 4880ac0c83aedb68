//! The commands that talk to a running teal, and their flags.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};
use clap_complete::Shell;

use super::{
    FaultCommand, TokenCommand,
    values::{ADMIN, Addresses, Colour, count, operators},
};

/// What a running teal is asked or told.
#[derive(Debug, Subcommand)]
pub enum Operate {
    /// Show who is served and where the work is headed
    Status {
        /// Go on showing it
        #[arg(long)]
        watch: bool,
        /// Whom to ask.
        #[command(flatten)]
        server: Running,
    },
    /// Announce the other strategy: a switch begins
    Switch {
        /// The strategy that is meant to become active [default: the one that isn't]
        #[arg(ignore_case = true)]
        to: Option<Colour>,
        /// Return when the switch is complete; fail if it is taken back or its drain times out
        #[arg(long)]
        wait: bool,
        /// Whom to tell.
        #[command(flatten)]
        server: Running,
    },
    /// Make the announced strategy the active one at once
    Cutover {
        /// Also if its engine is not healthy
        #[arg(long)]
        force: bool,
        /// Whom to tell.
        #[command(flatten)]
        server: Running,
    },
    /// Withdraw the announcement
    Abort {
        /// Whom to tell.
        #[command(flatten)]
        server: Running,
    },
    /// Announce the old strategy again, while it is being drained
    Rollback {
        /// Whom to tell.
        #[command(flatten)]
        server: Running,
    },
    /// Pause the timer, or let it go on
    Timer {
        /// Freeze what is left of it, or go on with that
        #[arg(ignore_case = true)]
        action: TimerAction,
        /// Whom to tell.
        #[command(flatten)]
        server: Running,
    },
    /// List the queries on record, the longest silent first
    Queries {
        /// So many at most
        #[arg(long, value_name = "N", default_value = "100", value_parser = count)]
        limit: usize,
        /// Whom to ask.
        #[command(flatten)]
        server: Running,
    },
    /// List the clients and how they follow switches
    Clients {
        /// Whom to ask.
        #[command(flatten)]
        server: Running,
    },
    /// Show, suspend or resume the cluster of the built-in engine
    Cluster {
        /// What to do
        #[arg(ignore_case = true)]
        action: ClusterAction,
        /// Whom to tell.
        #[command(flatten)]
        server: Running,
    },
    /// Trouble for chosen calls: add a rule, list those in force, remove them
    #[command(subcommand)]
    Fault(FaultCommand),
    /// The tokens that the built-in engine issued
    #[command(subcommand)]
    Token(TokenCommand),
    /// Read the settings again, and take over what can change while teal runs
    Reload {
        /// Whom to tell.
        #[command(flatten)]
        server: Running,
    },
    /// Print a script that completes commands and flags in a shell
    Completions {
        /// The shell
        #[arg(ignore_case = true)]
        shell: Shell,
    },
}

/// A running teal, and how it is to be shown.
#[derive(Debug, Args)]
pub struct Running {
    /// Where it serves operators
    #[arg(long, env = "TEAL_ADMIN", value_name = "ADDR", default_value = ADMIN, value_parser = operators)]
    pub admin: Addresses,
    /// The token that it asks for
    #[arg(long, env = "TEAL_ADMIN_TOKEN_FILE", value_name = "FILE")]
    pub admin_token_file: Option<PathBuf>,
    /// Print what the API answers
    #[arg(long)]
    pub json: bool,
}

/// What to do to the timer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum TimerAction {
    /// Freeze what is left of it
    Pause,
    /// Go on with what was left of it
    Resume,
}

/// What to do to the cluster.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum ClusterAction {
    /// Show what it is
    Status,
    /// Suspend it
    Suspend,
    /// Wake it
    Resume,
}
