//! Recording calls, and replaying them.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

use crate::cli::values::{count, file_size, speed};

/// Recording calls, and replaying them.
#[derive(Debug, Args)]
#[command(next_help_heading = "Recording")]
pub struct Recording {
    /// Record all calls in this file, in the format of gRPC's binary log
    #[arg(long, env = "TEAL_RECORD", value_name = "FILE")]
    pub record: Option<PathBuf>,
    /// Let operators record calls in files of this folder, with teal record start
    #[arg(long, env = "TEAL_RECORD_DIR", value_name = "FOLDER")]
    pub record_dir: Option<PathBuf>,
    /// Begin a new file before one gets larger than this
    #[arg(long, env = "TEAL_RECORD_SIZE", value_name = "SIZE", default_value = "64MiB", value_parser = file_size)]
    pub record_size: u64,
    /// Keep this many files: FILE, and the full ones before it, FILE.1 and on
    #[arg(long, env = "TEAL_RECORD_FILES", value_name = "N", default_value = "4", value_parser = count)]
    pub record_files: usize,
    /// Answer calls from this recording instead of an engine
    #[arg(long, env = "TEAL_REPLAY", value_name = "FILE")]
    pub replay: Option<PathBuf>,
    /// Replay so many times as fast as recorded; 0 is at once
    #[arg(long, env = "TEAL_REPLAY_SPEED", value_name = "N", default_value = "0", value_parser = speed)]
    pub replay_speed: f64,
    /// How a call is answered that was not recorded: with NOT_FOUND, or by the built-in engine
    #[arg(long, env = "TEAL_REPLAY_MISSING", value_name = "WHAT", default_value = "refuse")]
    pub replay_missing: Missing,
}

/// The answer to a call that was not recorded.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Missing {
    /// NOT_FOUND.
    Refuse,
    /// The built-in engine.
    #[cfg(feature = "mock")]
    Mock,
}
