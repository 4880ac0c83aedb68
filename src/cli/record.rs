//! The commands for recordings.

use std::path::PathBuf;

use clap::Subcommand;

use super::Running;

/// A command for recordings.
#[derive(Debug, Subcommand)]
pub enum RecordCommand {
    /// Record all calls that begin from now on
    #[command(after_help = "Example:\n  teal record start calls.binlog")]
    Start {
        /// The name of a file in the folder of --record-dir, on the server
        file: String,
        /// The running teal.
        #[command(flatten)]
        server: Running,
    },
    /// Stop the recording
    #[command(after_help = "Example:\n  teal record stop")]
    Stop {
        /// The running teal.
        #[command(flatten)]
        server: Running,
    },
    /// Show whether calls are recorded, and how many were
    #[command(after_help = "Example:\n  teal record status")]
    Status {
        /// The running teal.
        #[command(flatten)]
        server: Running,
    },
    /// Show the calls in a file, of teal or of gRPC's own binary logging: a table on a terminal, else JSON lines
    #[command(after_help = "Example:\n  teal record show calls.binlog")]
    Show {
        /// The file; full ones before it, FILE.1 and on, are shown too
        file: PathBuf,
        /// Print JSON lines on a terminal too
        #[arg(long)]
        json: bool,
    },
}
