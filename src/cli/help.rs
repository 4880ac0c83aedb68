//! The layout of `teal --help`: commands by purpose, and the most important flags. `teal serve --help` shows all
//! flags.

use std::fmt::Write as _;

use clap::{
    Command, CommandFactory,
    error::{ContextKind, ContextValue},
};

use super::Cli;

/// The flags that `teal --help` shows.
const SHOWN: [&str; 10] = [
    "config",
    "listen",
    "upstream",
    "blue",
    "green",
    "switch_every",
    "cutover",
    "fault",
    "scenario",
    "admin",
];

/// The commands by purpose.
const PURPOSES: [(&str, &[&str]); 4] = [
    ("Serve", &["serve", "check", "reload"]),
    ("Take a running teal through a switch", &["status", "switch", "cutover", "abort", "rollback", "timer"]),
    (
        "Inspect a running teal",
        &["calls", "verify", "queries", "clients", "instances", "fault", "record", "token", "cluster"],
    ),
    ("Test clients and servers", &["rehearse", "scenario", "completions", "man"]),
];

const TEMPLATE: &str = "{about-with-newline}\n{usage-heading} {usage}\n\n{before-help}Options that matter most:\n{options}{after-help}";

const MORE: &str = "`teal serve --help` shows all flags, `teal COMMAND --help` those of a command.\n\n\
    Examples:\n  teal --switch-every 5s\n  teal --blue http://b:80 --green http://g:80 --switch-every 0";

/// All commands and flags, as `--help` shows them.
pub fn command() -> Command {
    let command = Cli::command();
    let purposes = purposes(&command);
    let shown = command.mut_args(|arg| {
        let is_shown = SHOWN.contains(&arg.get_id().as_str());
        arg.hide(!is_shown).hide_env(true).help_heading(None)
    });
    shown.help_template(TEMPLATE).before_help(purposes.trim().to_owned()).after_help(MORE)
}

fn purposes(command: &Command) -> String {
    PURPOSES.iter().fold(String::new(), |mut text, (purpose, names)| {
        _ = writeln!(text, "\n{purpose}:");
        for command in names.iter().filter_map(|name| command.find_subcommand(name)) {
            let about = command.get_about().map(ToString::to_string).unwrap_or_default();
            _ = writeln!(text, "  {:<12} {about}", command.get_name());
        }
        text
    })
}

/// A suggestion as `: did you mean …?`; empty if nothing is similar.
pub(super) fn suggestion(error: &clap::Error) -> String {
    let kinds = [ContextKind::SuggestedSubcommand, ContextKind::SuggestedArg, ContextKind::SuggestedValue];
    let alike = kinds.into_iter().find_map(|kind| match error.get(kind)? {
        ContextValue::String(text) => Some(text),
        // The most similar one comes last.
        ContextValue::Strings(texts) => texts.last(),
        _ => None,
    });
    alike.map(|alike| format!(": did you mean '{alike}'?")).unwrap_or_default()
}
