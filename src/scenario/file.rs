//! Reads scenario files: TOML, with the position of any error.

use std::{collections::BTreeMap, fs, ops::Range, path::Path, str::FromStr};

use proxy::fault::rule::{BadRule, Setting};
use serde::Deserialize;
use switch::PhaseName;
use toml::{Spanned, Value};

use super::{
    BUILT_IN,
    step::{Act, Event, Step},
};
use crate::cli::{SwitchRules, flags_of};

/// A scenario.
#[derive(Clone, Debug)]
pub struct Scenario {
    /// The name of the built-in scenario, or of the file.
    pub name: String,
    /// Its lesson for authors of clients.
    pub teaches: String,
    /// Whether the first step follows the last.
    pub repeat: bool,
    /// Settings of the switch, unless the user sets them.
    pub settings: Settings,
    /// The steps.
    pub steps: Vec<Step>,
    /// The source text.
    pub text: String,
    /// The position of each act in the text.
    places: Vec<(usize, usize, Range<usize>)>,
}

/// Flags of the switch's rules, without their dashes, with their values.
pub type Settings = Vec<(&'static str, String)>;

/// Why a scenario is invalid.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadScenario {
    /// There is no such scenario or file.
    #[error("expected a readable file ({error}), or one of {}", names())]
    Missing {
        /// The system's error.
        error: String,
    },
    /// The text has an error.
    #[error("line {line}, column {column}: {what}")]
    Wrong {
        /// The line, from 1.
        line: usize,
        /// The column, from 1.
        column: usize,
        /// The error.
        what: String,
    },
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    teaches: String,
    #[serde(default)]
    repeat: bool,
    #[serde(default)]
    settings: BTreeMap<Spanned<String>, Spanned<Value>>,
    #[serde(rename = "step")]
    steps: Spanned<Vec<FileStep>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct FileStep {
    when: Spanned<String>,
    #[serde(rename = "do")]
    acts: Spanned<Vec<Spanned<String>>>,
}

fn names() -> String {
    BUILT_IN.map(|(name, _)| name).join(", ")
}

/// Creates an error with its position in a text.
fn wrong(text: &str, place: Range<usize>, what: impl ToString) -> BadScenario {
    let before = &text[..place.start.min(text.len())];
    let line = before.matches('\n').count() + 1;
    let column = before.rsplit('\n').next().unwrap_or_default().chars().count() + 1;
    BadScenario::Wrong { line, column, what: what.to_string() }
}

impl Scenario {
    /// Opens the built-in scenario of this name, or a file.
    pub fn open(name: &str) -> Result<Self, BadScenario> {
        if let Some((_, text)) = BUILT_IN.iter().find(|(known, _)| *known == name) {
            return Self::read(name, text);
        }
        let text =
            fs::read_to_string(name).map_err(|error| BadScenario::Missing { error: error.to_string() })?;
        let stem = Path::new(name).file_stem().unwrap_or_default().to_string_lossy();
        Self::read(&stem, &text)
    }

    /// Parses a scenario.
    pub fn read(name: &str, text: &str) -> Result<Self, BadScenario> {
        let file: File = toml::from_str(text)
            .map_err(|error| wrong(text, error.span().unwrap_or_default(), error.message()))?;
        if file.steps.get_ref().is_empty() {
            return Err(wrong(text, file.steps.span(), "expected at least one step"));
        }
        let settings = file.settings.into_iter().map(|(flag, value)| setting(text, &flag, &value));
        let settings = settings.collect::<Result<_, _>>()?;
        let (mut steps, mut places) = (Vec::new(), Vec::new());
        for (at, step) in file.steps.into_inner().into_iter().enumerate() {
            if step.acts.get_ref().is_empty() {
                return Err(wrong(text, step.acts.span(), "expected something to do"));
            }
            let event = read(text, &step.when)?;
            let acts = step.acts.get_ref().iter().enumerate().map(|(number, act)| {
                places.push((at, number, act.span()));
                read(text, act)
            });
            steps.push(Step { event, acts: acts.collect::<Result<_, _>>()? });
        }
        if file.repeat && steps.iter().all(|step| matches!(step.event, Event::Time(time) if time.is_zero())) {
            return Err(wrong(text, 0..0, "expected repeat with a step that waits"));
        }
        Ok(Self {
            name: name.to_owned(),
            teaches: file.teaches,
            repeat: file.repeat,
            settings,
            steps,
            text: text.to_owned(),
            places,
        })
    }

    /// Checks that each step is possible in this setting, with or without a built-in engine.
    pub fn fits(&self, setting: Setting, has_engine: bool) -> Result<(), BadScenario> {
        let mut added = Vec::new();
        for (at, number, place) in &self.places {
            let act = &self.steps[*at].acts[*number];
            let problem = match act {
                Act::Fault(rule) => {
                    added.extend(rule.id.as_deref());
                    rule.fits(setting).err().map(|bad| bad.to_string())
                }
                Act::Remove(id) if !added.contains(&id.as_str()) => {
                    Some(format!("remove: '{id}': expected the id of a fault that an earlier step adds"))
                }
                Act::Announce | Act::Cutover | Act::Switch | Act::Abort | Act::Rollback
                    if !setting.has_gate =>
                {
                    Some(format!("{act}: there is no gate"))
                }
                Act::Suspend | Act::Resume | Act::RevokeTokens if !has_engine => {
                    Some(format!("{act}: expected the built-in engine"))
                }
                _ => None,
            };
            if let Some(problem) = problem {
                return Err(wrong(&self.text, place.clone(), problem));
            }
        }
        let waits_for_nothing = self.steps.iter().find_map(|step| match step.event {
            Event::Phase(phase) if !setting.has_gate => Some((phase, "there is no gate")),
            Event::Phase(PhaseName::Draining) if !setting.has_drain => {
                Some((PhaseName::Draining, "with --cutover strict there is no draining"))
            }
            _ => None,
        });
        match waits_for_nothing {
            Some((phase, why)) => Err(wrong(&self.text, 0..0, format!("phase={phase} never happens: {why}"))),
            None => Ok(()),
        }
    }
}

/// A flag that a scenario may set, with its value.
fn setting(
    text: &str,
    flag: &Spanned<String>,
    value: &Spanned<Value>,
) -> Result<(&'static str, String), BadScenario> {
    let flags = flags_of::<SwitchRules>();
    let Some(known) = flags.iter().find(|known| *known == flag.get_ref()) else {
        let what = format!("unknown field `{}`, expected one of {}", flag.get_ref(), flags.join(", "));
        return Err(wrong(text, flag.span(), what));
    };
    let Some(written) = value.get_ref().as_str() else {
        return Err(wrong(text, value.span(), format!("{known}: expected a string")));
    };
    match SwitchRules::parse(known, written) {
        Ok(_) => Ok((known, written.to_owned())),
        Err(bad) => Err(wrong(text, value.span(), format!("{known}: '{written}': {}", bad.expected))),
    }
}

fn read<T: FromStr<Err = BadRule>>(text: &str, written: &Spanned<String>) -> Result<T, BadScenario> {
    written.get_ref().parse().map_err(|bad| wrong(text, written.span(), bad))
}
