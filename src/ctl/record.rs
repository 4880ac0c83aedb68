//! The commands for recordings. Each instance records for itself: commands go to the one that answers.

mod line;

use std::{
    io::{self, IsTerminal as _, Write as _},
    path::Path,
};

use admin::{RecordState, paths};
use binlog::{Assembler, entries};
use serde_json::json;

use self::line::Line;
use super::{
    Failure,
    api::Api,
    commands::show,
    text::{self, Paint},
};
use crate::cli::{RecordCommand, Running};

/// Runs a command.
pub(super) async fn carry_out(command: RecordCommand) -> Result<(), Failure> {
    match command {
        RecordCommand::Start { file, server } => {
            order(&server, json!({ "action": "start", "file": file }), "recording to").await
        }
        RecordCommand::Stop { server } => order(&server, json!({ "action": "stop" }), "recorded to").await,
        RecordCommand::Status { server } => {
            let reply = Api::new(&server)?.get(paths::RECORD).await?;
            show(&server, &reply, |state: RecordState, _| match state.recording {
                true => told(&state, "recording to"),
                false => "nothing is recorded\n".to_owned(),
            })
        }
        RecordCommand::Show { file, json } => {
            let is_table = !json && io::stdout().is_terminal();
            print_calls(&file, is_table, &mut io::stdout().lock(), &mut io::stderr())
        }
    }
}

async fn order(server: &Running, body: serde_json::Value, verb: &str) -> Result<(), Failure> {
    let reply = Api::new(server)?.post(paths::RECORD, body).await?;
    show(server, &reply, |state: RecordState, _| told(&state, verb))
}

fn told(state: &RecordState, verb: &str) -> String {
    let file = text::plain(state.file.as_deref().unwrap_or_default());
    let failing = if state.failing { "; the disk takes no more" } else { "" };
    format!("{verb} {file}: {} calls, {} lost{failing}\n", state.calls, state.lost)
}

/// Prints the calls in a file and in the full ones before it.
fn print_calls(
    path: &Path,
    is_table: bool,
    out: &mut dyn io::Write,
    warnings: &mut dyn io::Write,
) -> Result<(), Failure> {
    let mut out = io::BufWriter::new(out);
    if is_table {
        writeln!(out, "{}", Paint::stdout().head(&Line::heads())).map_err(Failure::Unprintable)?;
    }
    let mut assembler = Assembler::new(false);
    let mut print = |call: &binlog::Call| {
        let line = Line::new(call);
        let line = if is_table { line.row() } else { line.json() };
        writeln!(out, "{line}").map_err(Failure::Unprintable)
    };
    let mut failed = None;
    for entry in entries(path) {
        match entry {
            Ok(entry) => assembler.push(entry.entry).iter().try_for_each(&mut print)?,
            Err(error) if error.is_cut_off() => {
                _ = writeln!(warnings, "teal: {error}; the calls before are shown");
            }
            Err(error) => failed = failed.or(Some(error.to_string())),
        }
    }
    let orphans = assembler.orphans();
    assembler.finish().try_for_each(|call| print(&call))?;
    out.flush().map_err(Failure::Unprintable)?;
    if orphans > 0 {
        _ = writeln!(warnings, "teal: {orphans} entries are not shown: their calls began before the file");
    }
    failed.map_or(Ok(()), |why| Err(Failure::refused(why)))
}

#[cfg(test)]
mod tests;
