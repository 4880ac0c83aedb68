//! Parses the command line and the environment.

pub mod check;
mod effective;
mod fault;
mod file;
mod help;
mod operate;
mod record;
mod rehearse;
mod scenario;
mod serve;
mod values;

use std::{
    error::Error as _,
    ffi::OsString,
    fs, io,
    path::{Path, PathBuf},
};

use clap::{
    ArgMatches, Args, CommandFactory, FromArgMatches, Parser, Subcommand,
    builder::Resettable,
    error::{ContextKind, ContextValue, ErrorKind},
};
use clap_complete::Shell;

use self::file::Entry;
#[cfg(feature = "mock")]
pub use self::serve::{Missing, Mock};
pub use self::{
    check::Check,
    effective::{Effective, Origin, Setting},
    fault::{FaultCommand, RuleFlags, TokenCommand, Tokens},
    file::Place,
    help::command,
    operate::{ClusterAction, Operate, Running},
    record::RecordCommand,
    rehearse::Rehearse,
    scenario::ScenarioCommand,
    serve::{
        EngineTls, Engines, Instances, ListenerTls, Listening, Operating, Recording, Serve, SwitchRules,
        Switching, Webhooks,
    },
    values::{Addresses, Admin, CallConditions, CallsMessages, LogFormat, LogLevel, OnOff},
};

/// A gRPC proxy that takes clients through blue-green switches, with a built-in engine for tests.
#[derive(Debug, Parser)]
#[command(name = "teal", version, args_conflicts_with_subcommands = true, disable_help_subcommand = true)]
struct Cli {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    serve: Serve,
}

/// A parsed command.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Start the server (as teal does without a command)
    #[command(
        after_help = "Examples:\n  teal serve --switch-every 10m --data tables\n  teal serve --config teal.toml"
    )]
    Serve(Box<Serve>),
    /// Show the settings of teal serve, and where each comes from
    #[command(after_help = "Example:\n  teal check --config teal.toml --notice 2s")]
    Check(Box<Check>),
    /// A command for a running teal
    #[command(flatten)]
    Operate(Operate),
    /// Drive a server with clients that follow its switches and check every row
    #[command(
        after_help = "Example:\n  teal rehearse --clients 64 --duration 5m --admin http://127.0.0.1:50061 --switch-every 10s"
    )]
    Rehearse(Box<Rehearse>),
    /// List or show the built-in scenarios
    #[command(subcommand)]
    Scenario(ScenarioCommand),
}

/// Why parsing ends the program.
#[derive(Debug)]
pub enum Stop {
    /// The user asked for this text.
    Print(String),
    /// One line that names the flag, the value and what was expected.
    Refuse(String),
}

/// Reads the arguments (the program's name first) and the environment.
pub fn parse(args: impl IntoIterator<Item = OsString>) -> Result<Command, Stop> {
    parse_with(env!("CARGO_PKG_VERSION"), args)
}

/// The same for a program whose `--version` prints this.
pub fn parse_with(version: &'static str, args: impl IntoIterator<Item = OsString>) -> Result<Command, Stop> {
    let args: Vec<OsString> = args.into_iter().collect();
    // The flags of `teal rehearse` are not read from the environment.
    let has_environment = args.get(1).is_none_or(|command| command != "rehearse");
    let explain = |error: &clap::Error, entries: &[Entry]| explain(error, has_environment, entries);
    let read = |args: &[OsString]| reader(args).long_version(version).try_get_matches_from(args);
    let mut matches = read(&args).map_err(|error| explain(&error, &[]))?;
    let entries = of_file(&matches).map_err(Stop::Refuse)?;
    if !entries.is_empty() {
        let first = 1 + usize::from(matches.subcommand_name().is_some());
        let args = effective::with_entries(&args, first, &entries);
        matches = read(&args).map_err(|error| explain(&error, &entries))?;
    }
    let cli = Cli::from_arg_matches(&matches).map_err(|error| explain(&error, &entries))?;
    let mut command = cli.command.unwrap_or_else(|| Command::Serve(Box::new(cli.serve)));
    let serve = match &mut command {
        Command::Serve(serve) => Some(&mut **serve),
        Command::Check(check) => Some(&mut check.serve),
        _ => None,
    };
    if let (Some(serve), Some(matches)) = (serve, of_serve(&matches)) {
        serve.effective = Effective::new(args, matches, &entries);
        serve.given = serve.effective.given();
    }
    Ok(command)
}

/// The parser of these arguments. With a command, the flags of `teal` alone are not read from the environment: a list of
/// instances in `TEAL_ADMIN` is good for that command, and no address to listen on.
fn reader(args: &[OsString]) -> clap::Command {
    let command = command();
    let names = |named: &clap::Command| args.get(1).is_some_and(|arg| *arg == *named.get_name());
    let has_command = command.get_subcommands().any(names);
    match has_command {
        true => command.mut_args(|arg| arg.env(Resettable::Reset)),
        false => command,
    }
}

/// The flags of `teal serve`, if that is the command.
fn of_serve(matches: &ArgMatches) -> Option<&ArgMatches> {
    match matches.subcommand() {
        None => Some(matches),
        Some(("serve" | "check", matches)) => Some(matches),
        Some(_) => None,
    }
}

/// The entries of the configuration file, without flags set on the command line or in the environment.
fn of_file(matches: &ArgMatches) -> Result<Vec<Entry>, String> {
    let Some(matches) = of_serve(matches) else { return Ok(Vec::new()) };
    let Some(path) = matches.get_one::<PathBuf>("config") else { return Ok(Vec::new()) };
    let set = Effective::new(Vec::new(), matches, &[]).given();
    Ok(file::read(path)?.into_iter().filter(|entry| !set.contains(&entry.flag)).collect())
}

/// Condenses clap's error to one line, with the flag's name in the environment, or its place in the file.
fn explain(error: &clap::Error, has_environment: bool, entries: &[Entry]) -> Stop {
    if !error.use_stderr() {
        return Stop::Print(error.render().to_string());
    }
    let flag = context(error, ContextKind::InvalidArg)
        .map(|arg| arg.split(' ').next().unwrap_or_default().to_owned());
    let value = context(error, ContextKind::InvalidValue).unwrap_or_default();
    if error.kind() == ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand {
        let help = error.render().to_string();
        let usage = help.lines().find_map(|line| line.strip_prefix("Usage: ")).unwrap_or_default();
        return Stop::Refuse(format!("expected a command: {usage} (see teal --help)"));
    }
    Stop::Refuse(match (flag, expected(error)) {
        (Some(flag), Some(expected)) => {
            let of_flag = |entry: &&Entry| flag.strip_prefix("--") == Some(entry.flag);
            let mut of_file = entries.iter().filter(of_flag);
            let entry = of_file.clone().find(|entry| entry.value == value).or_else(|| of_file.next());
            let flag = match entry {
                Some(Entry { flag, at, .. }) => format!("{flag} in {at}"),
                None if has_environment => names(&flag),
                None => flag,
            };
            format!("{flag}: '{value}': {expected}").replace(['\n', '\r'], " ")
        }
        _ => {
            let text = error.render().to_string();
            let line = text.lines().next().unwrap_or_default();
            format!("{}{} (see teal --help)", line.trim_start_matches("error: "), help::suggestion(error))
        }
    })
}

/// A part of clap's error, as text.
fn context(error: &clap::Error, kind: ContextKind) -> Option<String> {
    match error.get(kind)? {
        ContextValue::String(text) => Some(text.clone()),
        ContextValue::Strings(texts) => Some(texts.join(", ")),
        _ => None,
    }
}

/// The expected value, where a value is refused.
fn expected(error: &clap::Error) -> Option<String> {
    match error.kind() {
        ErrorKind::ValueValidation => error.source().map(ToString::to_string),
        ErrorKind::InvalidValue
            if context(error, ContextKind::InvalidValue).is_none_or(|value| value.is_empty()) =>
        {
            Some("expected a value".to_owned())
        }
        ErrorKind::InvalidValue => {
            context(error, ContextKind::ValidValue).map(|valid| format!("expected one of {valid}"))
        }
        _ => None,
    }
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

/// Generates a completion script for a shell.
pub fn completions(shell: Shell) -> Vec<u8> {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), "teal", &mut script);
    script
}

/// Writes a manual page for each command into a folder, which is created if need be.
pub fn manual(folder: &Path) -> io::Result<()> {
    fs::create_dir_all(folder)?;
    clap_mangen::generate_to(Cli::command(), folder)
}

/// The flags of a group, without their dashes.
pub(crate) fn flags_of<G: Args>() -> Vec<&'static str> {
    let group = G::augment_args(clap::Command::new("group"));
    let is_there = |flag: &&'static str| group.get_arguments().any(|arg| arg.get_long() == Some(flag));
    effective::flags().filter_map(|arg| arg.get_long()).filter(is_there).collect()
}

/// The name of a flag in the environment.
pub(crate) fn environment(flag: &str) -> String {
    format!("TEAL_{}", flag.trim_start_matches('-').replace('-', "_").to_uppercase())
}

#[cfg(test)]
mod tests;
