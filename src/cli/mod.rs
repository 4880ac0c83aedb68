//! The command line and the environment, as the user gave them.

mod operate;
mod rehearse;
mod scenario;
mod serve;
mod values;

use std::{error::Error as _, ffi::OsString};

use clap::{
    ArgMatches, CommandFactory, FromArgMatches, Parser, Subcommand,
    error::{ContextKind, ContextValue, ErrorKind},
    parser::ValueSource,
};
use clap_complete::Shell;

pub use self::{
    operate::{ClusterAction, Operate, Running, TimerAction},
    rehearse::Rehearse,
    scenario::ScenarioCommand,
    serve::Serve,
    values::{Addresses, Admin, Colour, CutoverKind, LogFormat, LogLevel, MismatchKind, OnOff},
};
#[cfg(feature = "mock")]
pub use self::{
    serve::Mock,
    values::{SessionsKind, TokensKind, UnknownTablesKind},
};

/// A transparent gRPC proxy that adds the semantics of a blue-green switch, and an engine of its own.
#[derive(Debug, Parser)]
#[command(name = "teal", version, args_conflicts_with_subcommands = true, disable_help_subcommand = true)]
struct Cli {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    serve: Serve,
}

/// What the user wants done.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Serve (what teal does without a command)
    Serve(Box<Serve>),
    /// Something of a teal that runs
    #[command(flatten)]
    Operate(Operate),
    /// Drive a server with clients that check every row and follow its switches, and judge it
    Rehearse(Box<Rehearse>),
    /// The scenarios that come with teal
    #[command(subcommand)]
    Scenario(ScenarioCommand),
}

/// Why there is nothing to serve.
#[derive(Debug)]
pub enum Stop {
    /// The user asked for this text.
    Print(String),
    /// One line that names the flag, the value and what was expected.
    Refuse(String),
}

/// Reads the arguments (the program's name first) and the environment.
pub fn parse(args: impl IntoIterator<Item = OsString>) -> Result<Command, Stop> {
    let args: Vec<OsString> = args.into_iter().collect();
    // What a rehearsal does is not set in the environment.
    let has_environment = args.get(1).is_none_or(|command| command != "rehearse");
    let explain = |error: clap::Error| explain(&error, has_environment);
    let matches = Cli::command().try_get_matches_from(args).map_err(explain)?;
    let cli = Cli::from_arg_matches(&matches).map_err(explain)?;
    let mut command = cli.command.unwrap_or_else(|| Command::Serve(Box::new(cli.serve)));
    if let Command::Serve(serve) = &mut command {
        serve.given = given(matches.subcommand().map_or(&matches, |(_, matches)| matches));
    }
    Ok(command)
}

/// The flags whose value came from the user.
fn given(matches: &ArgMatches) -> Vec<&'static str> {
    let command = Cli::command();
    let ids = command.get_arguments().filter_map(|arg| {
        let id = arg.get_id().as_str();
        let source = matches.try_contains_id(id).ok().and_then(|_| matches.value_source(id));
        matches!(source, Some(ValueSource::CommandLine | ValueSource::EnvVariable)).then(|| arg.get_long())?
    });
    ids.map(|long| &*String::leak(long.to_owned())).collect()
}

/// Clap's several lines in one, with the flag's name in the environment.
fn explain(error: &clap::Error, has_environment: bool) -> Stop {
    if !error.use_stderr() {
        return Stop::Print(error.render().to_string());
    }
    let context = |kind| match error.get(kind) {
        Some(ContextValue::String(text)) => Some(text.clone()),
        Some(ContextValue::Strings(texts)) => Some(texts.join(", ")),
        _ => None,
    };
    let flag =
        context(ContextKind::InvalidArg).map(|arg| arg.split(' ').next().unwrap_or_default().to_owned());
    let value = context(ContextKind::InvalidValue).unwrap_or_default();
    let expected = match error.kind() {
        ErrorKind::ValueValidation => error.source().map(ToString::to_string),
        ErrorKind::InvalidValue if value.is_empty() => Some("expected a value".to_owned()),
        ErrorKind::InvalidValue => {
            context(ContextKind::ValidValue).map(|valid| format!("expected one of {valid}"))
        }
        _ => None,
    };
    Stop::Refuse(match (flag, expected) {
        (Some(flag), Some(expected)) => {
            let flag = if has_environment { names(&flag) } else { flag };
            format!("{flag}: '{value}': {expected}")
        }
        _ => {
            let text = error.render().to_string();
            let line = text.lines().next().unwrap_or_default();
            format!("{} (see teal --help)", line.trim_start_matches("error: "))
        }
    })
}

/// A flag with its name in the environment, if it has one; a positional argument without its brackets.
fn names(flag: &str) -> String {
    let is_in_environment = |arg: &clap::Arg| {
        arg.get_env().is_some() && arg.get_long().is_some_and(|long| flag.strip_prefix("--") == Some(long))
    };
    if Cli::command().get_arguments().any(is_in_environment) {
        format!("{flag} (or {})", environment(flag))
    } else {
        flag.trim_matches(['[', ']', '<', '>']).to_owned()
    }
}

/// A script that completes commands and flags in a shell.
pub fn completions(shell: Shell) -> Vec<u8> {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), "teal", &mut script);
    script
}

/// The name of a flag in the environment.
pub(crate) fn environment(flag: &str) -> String {
    format!("TEAL_{}", flag.trim_start_matches('-').replace('-', "_").to_uppercase())
}

#[cfg(test)]
mod tests;
