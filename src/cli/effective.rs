//! The effective settings: each with its value, as text, and its origin.

use std::{ffi::OsString, sync::LazyLock};

use clap::{Arg, ArgAction, ArgMatches, CommandFactory, parser::ValueSource};

use super::{
    Cli, Command, Stop,
    file::{Entry, Place},
    names,
};

/// All settings of `teal serve`.
#[derive(Clone, Debug, Default)]
pub struct Effective {
    /// The arguments they come from.
    args: Vec<OsString>,
    settings: Vec<Setting>,
}

/// A setting.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Setting {
    /// The flag, without its dashes.
    pub name: &'static str,
    /// Empty if it is not set; several if it can be repeated.
    pub values: Vec<String>,
    /// The origin of the values.
    pub origin: Origin,
}

/// The origin of a value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    /// The command line.
    Flag,
    /// The environment.
    Environment,
    /// The configuration file.
    File(Place),
    /// The scenario that is played.
    Scenario,
    /// The default.
    Default,
}

/// The flags of `teal serve` that can be set in a file.
pub(super) fn flags() -> impl Iterator<Item = &'static Arg> {
    static COMMAND: LazyLock<clap::Command> = LazyLock::new(Cli::command);
    COMMAND.get_arguments().filter(|arg| arg.get_long() != Some("config"))
}

impl Effective {
    /// Collects the settings from the arguments and the entries of the file.
    pub(super) fn new(args: Vec<OsString>, matches: &ArgMatches, entries: &[Entry]) -> Self {
        let setting = |arg: &'static Arg| {
            let (id, name) = (arg.get_id().as_str(), arg.get_long()?);
            let raw = matches.try_get_raw(id).ok().flatten();
            let values = raw.map(|raw| raw.map(|value| value.to_string_lossy().into_owned()).collect());
            let source = matches.try_contains_id(id).ok().and_then(|_| matches.value_source(id));
            let origin = match (entries.iter().find(|entry| entry.flag == name), source) {
                (Some(entry), _) => Origin::File(entry.at.clone()),
                (None, Some(ValueSource::CommandLine)) => Origin::Flag,
                (None, Some(ValueSource::EnvVariable)) => Origin::Environment,
                (None, _) => Origin::Default,
            };
            Some(Setting { name, values: values.unwrap_or_default(), origin })
        };
        Self { args, settings: flags().filter_map(setting).collect() }
    }

    /// All settings, in the order of `teal serve --help`.
    pub fn iter(&self) -> impl Iterator<Item = &Setting> {
        self.settings.iter()
    }

    /// A setting by its flag.
    pub fn get(&self, name: &str) -> Option<&Setting> {
        self.iter().find(|setting| setting.name == name)
    }

    /// The flags that the user set.
    pub(super) fn given(&self) -> Vec<&'static str> {
        let given = self.iter().filter(|setting| setting.origin != Origin::Default);
        given.map(|setting| setting.name).collect()
    }

    /// Takes over a setting.
    pub fn adopt(&mut self, setting: &Setting) {
        for own in self.settings.iter_mut().filter(|own| own.name == setting.name) {
            own.clone_from(setting);
        }
    }

    /// Takes over a setting of a scenario.
    pub(crate) fn adopt_scenario(&mut self, name: &'static str, value: &str) {
        self.adopt(&Setting { name, values: vec![value.to_owned()], origin: Origin::Scenario });
    }

    /// The name of a setting in errors: by the origin of its value.
    pub fn name(&self, flag: &str) -> String {
        match self.get(flag).map(|setting| &setting.origin) {
            Some(Origin::File(at)) => format!("{flag} in {at}"),
            _ => names(&format!("--{flag}")),
        }
    }

    /// Reads the settings again from the same arguments; the file may have changed.
    pub fn again(&self) -> Result<super::Serve, String> {
        match super::parse(self.args.iter().cloned()) {
            Ok(Command::Serve(serve)) => Ok(*serve),
            Ok(_) => Err("expected settings of teal serve".to_owned()),
            Err(Stop::Print(why) | Stop::Refuse(why)) => Err(why),
        }
    }
}

impl Setting {
    /// The value in one line for the log, without secrets.
    pub fn text(&self) -> String {
        let named = |name: &str| {
            self.arg().and_then(Arg::get_value_names).is_some_and(|names| names[0].contains(name))
        };
        match self.values.is_empty() {
            true => "nothing".to_owned(),
            false if named("SECRET") => "…".to_owned(),
            // Its path may be a secret.
            false if self.name == "webhook" => {
                self.values.iter().map(|url| webhook::redacted(url)).collect::<Vec<_>>().join("; ")
            }
            false => self.values.join("; ").replace(['\n', '\r'], " "),
        }
    }

    fn arg(&self) -> Option<&'static Arg> {
        flags().find(|arg| arg.get_long() == Some(self.name))
    }

    /// Returns whether the flag can be repeated.
    pub(super) fn repeats(&self) -> bool {
        self.arg().is_some_and(|arg| matches!(arg.get_action(), ArgAction::Append))
    }
}

/// Inserts the file's entries into the arguments.
pub(super) fn with_entries(args: &[OsString], at: usize, entries: &[Entry]) -> Vec<OsString> {
    let (before, after) = args.split_at(at.min(args.len()));
    let entries = entries.iter().map(Entry::argument);
    before.iter().cloned().chain(entries).chain(after.iter().cloned()).collect()
}
