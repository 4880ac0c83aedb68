//! The commands for a running teal, over its HTTP API: their requests, output and exit codes.

mod api;
mod calls;
mod commands;
mod fault;
mod record;
mod text;
mod wait;
mod watch;

use std::{
    io::{self, Write as _},
    process::ExitCode,
};

use crate::cli::{Operate, completions, manual};

/// Why a command failed.
#[derive(Debug)]
enum Failure {
    /// A running teal refused, or the awaited result did not happen.
    Refused {
        why: String,
        /// The response of the API.
        json: Option<String>,
    },
    /// No teal responds there.
    Unanswered(String),
    /// The command is invalid.
    Usage(String),
    /// The output cannot be printed.
    Unprintable(io::Error),
}

impl Failure {
    fn refused(why: impl Into<String>) -> Self {
        Self::Refused { why: why.into(), json: None }
    }

    /// The same, of the instance of this name.
    fn at(self, name: &str) -> Self {
        match self {
            Self::Refused { why, json: None } => Self::refused(format!("{name}{why}")),
            other => other,
        }
    }
}

/// Runs a command. Exit codes: 0 done, 1 refused, 2 no response, 64 usage error.
pub fn run(operate: Operate) -> ExitCode {
    let failure = match start(operate) {
        Ok(()) => return ExitCode::SUCCESS,
        Err(failure) => failure,
    };
    let (code, why) = match failure {
        Failure::Refused { json: Some(json), .. } => {
            _ = print(&json);
            return ExitCode::from(1);
        }
        Failure::Refused { why, json: None } => (1, why),
        Failure::Unanswered(why) => (2, why),
        Failure::Usage(why) => (64, why),
        // The reader of the pipe has seen enough.
        Failure::Unprintable(error) if error.kind() == io::ErrorKind::BrokenPipe => return ExitCode::SUCCESS,
        Failure::Unprintable(error) => (1, format!("cannot print: {error}")),
    };
    _ = writeln!(io::stderr(), "teal: {why}");
    ExitCode::from(code)
}

fn start(operate: Operate) -> Result<(), Failure> {
    match operate {
        Operate::Completions { shell } => {
            return io::stdout().write_all(&completions(shell)).map_err(Failure::Unprintable);
        }
        Operate::Man { folder } => {
            let named = |error| {
                Failure::refused(format!(
                    "FOLDER: '{}': expected a folder that can be written ({error})",
                    folder.display()
                ))
            };
            return manual(&folder).map_err(named);
        }
        _ => {}
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|error| Failure::refused(format!("cannot start: {error}")))?;
    runtime.block_on(commands::carry_out(operate))
}

/// Prints lines to standard output.
fn print(text: &str) -> Result<(), Failure> {
    let mut out = io::stdout().lock();
    let printed = out.write_all(text.as_bytes()).and_then(|()| match text.ends_with('\n') {
        true => out.flush(),
        false => out.write_all(b"\n").and_then(|()| out.flush()),
    });
    printed.map_err(Failure::Unprintable)
}
