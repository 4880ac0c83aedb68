//! `teal rehearse`: its output, its files and its exit codes.

mod plan;

use std::{
    fs,
    io::{self, Write as _},
    process::ExitCode,
};

use rehearse::{Plan, run};
use tokio::signal::unix::{SignalKind, signal};

use crate::{
    cli::{LogLevel, Rehearse},
    log,
};

/// EX_USAGE of sysexits.h.
const BAD_SETTINGS: u8 = 64;

/// Rehearses and reports. Exit codes: 0 nothing was lost, 1 something was lost, 64 usage error.
pub fn command(flags: Rehearse) -> ExitCode {
    let (format, level) = (flags.log_format, flags.log_level);
    let plan = match plan::plan(flags) {
        Ok(plan) => plan,
        Err(bad) => {
            _ = writeln!(io::stderr(), "teal: {bad}");
            return ExitCode::from(BAD_SETTINGS);
        }
    };
    let quiet = if plan.has_bar { LogLevel::Error } else { LogLevel::Info };
    log::init(format, level.unwrap_or(quiet));
    rehearse(plan).unwrap_or_else(|error| {
        _ = writeln!(io::stderr(), "teal: {error}");
        ExitCode::FAILURE
    })
}

#[tokio::main]
async fn rehearse(plan: Plan) -> io::Result<ExitCode> {
    let (json, html) = (plan.json.clone(), plan.html.clone());
    let (mut interrupt, mut terminate) = (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?);
    let stop = async move {
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
        }
    };
    let report = run(plan, stop).await.map_err(io::Error::other)?;
    if let Some(file) = json {
        fs::write(file, serde_json::to_vec(&report)?)?;
    }
    if let Some(file) = html {
        fs::write(file, report.page())?;
    }
    io::stdout().write_all(report.to_string().as_bytes())?;
    Ok(if report.is_well { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
