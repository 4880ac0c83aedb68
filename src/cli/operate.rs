//! The commands that talk to a running teal, and their flags.

use std::{path::PathBuf, time::Duration};

use admin::{TimerAction, client::Address};
use clap::{Args, Subcommand, ValueEnum};
use clap_complete::Shell;
use protocol::Strategy;

use super::{
    FaultCommand, RecordCommand, TokenCommand,
    values::{ADMIN, CallConditions, conditions, count, duration, number},
};

/// A command for a running teal.
#[derive(Debug, Subcommand)]
pub enum Operate {
    /// Show the active strategy, the phase and its deadline, engines and queries
    #[command(after_help = "Example:\n  teal status --watch")]
    Status {
        /// Keep showing the state
        #[arg(long)]
        watch: bool,
        /// The running teal.
        #[command(flatten)]
        server: Running,
    },
    /// Begin a switch: announce the other strategy
    #[command(after_help = "Example:\n  teal switch green --wait")]
    Switch {
        /// The strategy to make active [default: the other one]
        #[arg(ignore_case = true)]
        to: Option<Strategy>,
        /// Return when the switch is complete; fail if it is aborted or rolled back, or its drain times out
        #[arg(long)]
        wait: bool,
        /// The running teal.
        #[command(flatten)]
        server: Running,
    },
    /// Make the announced strategy active at once
    #[command(after_help = "Example:\n  teal cutover")]
    Cutover {
        /// Cut over even if its engine is not healthy
        #[arg(long)]
        force: bool,
        /// The running teal.
        #[command(flatten)]
        server: Running,
    },
    /// Withdraw the announcement
    #[command(after_help = "Example:\n  teal abort")]
    Abort {
        /// The running teal.
        #[command(flatten)]
        server: Running,
    },
    /// Announce the old strategy again, while it is being drained
    #[command(after_help = "Example:\n  teal rollback")]
    Rollback {
        /// The running teal.
        #[command(flatten)]
        server: Running,
    },
    /// Pause or resume the timer that announces switches
    #[command(after_help = "Example:\n  teal timer pause")]
    Timer {
        /// Pause the timer, or resume it with the time that is left
        #[arg(ignore_case = true)]
        action: TimerAction,
        /// The running teal.
        #[command(flatten)]
        server: Running,
    },
    /// List the instances that share the switch, and how far each of them is
    #[command(after_help = "Example:\n  teal instances --admin 10.0.0.1:50061,10.0.0.2:50061")]
    Instances {
        /// The running teal.
        #[command(flatten)]
        server: Running,
    },
    /// List the queries on record, the longest idle first
    #[command(after_help = "Example:\n  teal queries --limit 20")]
    Queries {
        /// The most queries to list
        #[arg(long, value_name = "N", default_value = "100", value_parser = count)]
        limit: usize,
        /// The running teal.
        #[command(flatten)]
        server: Running,
    },
    /// List the clients, and how they follow switches
    #[command(after_help = "Example:\n  teal clients")]
    Clients {
        /// The running teal.
        #[command(flatten)]
        server: Running,
    },
    /// List the last calls: a table on a terminal, JSON lines elsewhere
    #[command(
        after_help = "Examples:\n  teal calls --filter 'method=prepareStatement*,status=OK' --follow\n  teal calls 41"
    )]
    Calls {
        /// Only this call, with its messages if teal runs with --calls-messages
        #[arg(value_name = "ID", conflicts_with_all = ["filter", "since", "follow", "limit"], value_parser = number::<u64>)]
        id: Option<u64>,
        /// Only calls that match: method, client, strategy, query, status and outcome, such as method=clear*,status=OK
        #[arg(long, value_name = "KEY=VALUE,…", value_parser = conditions)]
        filter: Option<CallConditions>,
        /// Only calls after a call, after an event, or from an epoch on
        #[arg(long, value_name = "call:ID|event:ID|epoch:N")]
        since: Option<String>,
        /// Keep showing calls as they end
        #[arg(long)]
        follow: bool,
        /// The most calls to list at first
        #[arg(long, value_name = "N", default_value = "100", value_parser = count)]
        limit: usize,
        /// The running teal.
        #[command(flatten)]
        server: Running,
    },
    /// Verify how many calls match; exit with 1 if it is not so
    #[command(
        after_help = "Example:\n  teal verify 'method=clear*,status=OK' --exactly 3 --within 5s --since epoch:2"
    )]
    Verify {
        /// The calls: method, client, strategy, query, status and outcome, such as method=clear*,status=OK
        #[arg(value_name = "KEY=VALUE,…", value_parser = conditions)]
        filter: CallConditions,
        /// There are so many or more [default: 1]
        #[arg(long, value_name = "N", value_parser = number::<u64>)]
        at_least: Option<u64>,
        /// There are so many or fewer
        #[arg(long, value_name = "N", value_parser = number::<u64>)]
        at_most: Option<u64>,
        /// There are so many
        #[arg(long, value_name = "N", conflicts_with_all = ["at_least", "at_most"], value_parser = number::<u64>)]
        exactly: Option<u64>,
        /// How long to wait for it, 10m at most; other than --at-least needs the whole time
        #[arg(long, value_name = "DURATION", default_value = "0s", value_parser = duration)]
        within: Duration,
        /// Only calls after a call, after an event, or from an epoch on
        #[arg(long, value_name = "call:ID|event:ID|epoch:N")]
        since: Option<String>,
        /// The running teal.
        #[command(flatten)]
        server: Running,
    },
    /// Show, suspend or resume the cluster of the built-in engine
    #[command(after_help = "Example:\n  teal cluster suspend")]
    Cluster {
        /// Show, suspend or resume
        #[arg(ignore_case = true)]
        action: ClusterAction,
        /// The running teal.
        #[command(flatten)]
        server: Running,
    },
    /// Add, list and remove faults
    #[command(subcommand)]
    Fault(FaultCommand),
    /// Record calls, and show recordings
    #[command(subcommand)]
    Record(RecordCommand),
    /// Revoke tokens of the built-in engine
    #[command(subcommand)]
    Token(TokenCommand),
    /// Read the configuration file and certificates again
    #[command(after_help = "Example:\n  teal reload")]
    Reload {
        /// The running teal.
        #[command(flatten)]
        server: Running,
    },
    /// Print a completion script for a shell
    #[command(after_help = "Example:\n  teal completions bash")]
    Completions {
        /// The shell
        #[arg(ignore_case = true)]
        shell: Shell,
    },
    /// Write a manual page for each command into a folder
    #[command(after_help = "Example:\n  teal man man1")]
    Man {
        /// The folder; it is created if need be
        folder: PathBuf,
    },
}

/// A running teal, and how to show its response.
#[derive(Debug, Args)]
pub struct Running {
    /// The address of the admin API; of several instances, all of them: the next one is asked if one does not answer
    #[arg(long, env = "TEAL_ADMIN", value_name = "ADDR,...", default_value = ADMIN, value_delimiter = ',')]
    pub admin: Vec<Address>,
    /// The token that the admin API requires
    #[arg(long, env = "TEAL_ADMIN_TOKEN_FILE", value_name = "FILE")]
    pub admin_token_file: Option<PathBuf>,
    /// Print the API's response
    #[arg(long)]
    pub json: bool,
}

/// An operation on the cluster.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum ClusterAction {
    /// Show the state
    Status,
    /// Suspend the cluster
    Suspend,
    /// Resume the cluster
    Resume,
}
