//! The settings that are in effect: each with its value, as text, and where that comes from.

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
    /// What they were made of.
    args: Vec<OsString>,
    settings: Vec<Setting>,
}

/// A setting.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Setting {
    /// The flag, without its dashes.
    pub name: &'static str,
    /// None where it is not set, several where it may be given again.
    pub values: Vec<String>,
    /// Where they come from.
    pub origin: Origin,
}

/// Where a value comes from.
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
    /// Nobody.
    Default,
}

/// The flags of `teal serve` that can stand in a file.
pub(super) fn flags() -> impl Iterator<Item = &'static Arg> {
    static COMMAND: LazyLock<clap::Command> = LazyLock::new(Cli::command);
    COMMAND.get_arguments().filter(|arg| arg.get_long() != Some("config"))
}

impl Effective {
    /// What came of the arguments, and of the file's entries among them.
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

    /// All of them, in the order of `teal serve --help`.
    pub fn iter(&self) -> impl Iterator<Item = &Setting> {
        self.settings.iter()
    }

    /// One of them.
    pub fn get(&self, name: &str) -> Option<&Setting> {
        self.iter().find(|setting| setting.name == name)
    }

    /// The flags whose value came from the user.
    pub(super) fn given(&self) -> Vec<&'static str> {
        let given = self.iter().filter(|setting| setting.origin != Origin::Default);
        given.map(|setting| setting.name).collect()
    }

    /// Takes over a setting from others.
    pub fn adopt(&mut self, setting: &Setting) {
        for own in self.settings.iter_mut().filter(|own| own.name == setting.name) {
            own.clone_from(setting);
        }
    }

    /// Takes over what a scenario sets.
    pub(crate) fn adopt_scenario(&mut self, name: &'static str, value: &str) {
        self.adopt(&Setting { name, values: vec![value.to_owned()], origin: Origin::Scenario });
    }

    /// How errors call a setting: by where its value is.
    pub fn name(&self, flag: &str) -> String {
        match self.get(flag).map(|setting| &setting.origin) {
            Some(Origin::File(at)) => format!("{flag} in {at}"),
            _ => names(&format!("--{flag}")),
        }
    }

    /// The settings as the same arguments make them now: the file may say something else.
    pub fn again(&self) -> Result<super::Serve, String> {
        match super::parse(self.args.iter().cloned()) {
            Ok(Command::Serve(serve)) => Ok(*serve),
            Ok(_) => Err("expected settings of teal serve".to_owned()),
            Err(Stop::Print(why) | Stop::Refuse(why)) => Err(why),
        }
    }
}

impl Setting {
    /// Its value in one line, fit for the log: no secret.
    pub fn text(&self) -> String {
        let named = |name: &str| {
            self.arg().and_then(Arg::get_value_names).is_some_and(|names| names[0].contains(name))
        };
        match self.values.is_empty() {
            true => "nothing".to_owned(),
            false if named("SECRET") => "…".to_owned(),
            false => self.values.join("; ").replace(['\n', '\r'], " "),
        }
    }

    fn arg(&self) -> Option<&'static Arg> {
        flags().find(|arg| arg.get_long() == Some(self.name))
    }

    /// Whether the flag may be given again.
    pub(super) fn repeats(&self) -> bool {
        self.arg().is_some_and(|arg| matches!(arg.get_action(), ArgAction::Append))
    }
}

/// The arguments with those of the file's entries among them.
pub(super) fn with_entries(args: &[OsString], at: usize, entries: &[Entry]) -> Vec<OsString> {
    let (before, after) = args.split_at(at.min(args.len()));
    let entries = entries.iter().map(Entry::argument);
    before.iter().cloned().chain(entries).chain(after.iter().cloned()).collect()
}
