//! `teal scenario`: what comes with teal, to be read.

use std::fmt::Write as _;

use clap::Subcommand;

use crate::scenario::{BUILT_IN, Scenario};

/// Shows the built-in scenarios.
#[derive(Debug, Subcommand)]
pub enum ScenarioCommand {
    /// List their names, and what each teaches
    #[command(after_help = "Example:\n  teal scenario list")]
    List,
    /// Show one, as a start for your own; or check a file
    #[command(after_help = "Example:\n  teal scenario show stale-client")]
    Show {
        /// Its name, or a file to check
        name: String,
    },
}

impl ScenarioCommand {
    /// What there is to print.
    pub fn text(&self) -> Result<String, String> {
        match self {
            Self::List => Ok(BUILT_IN.iter().fold(String::new(), |mut list, (name, _)| {
                let teaches = Scenario::open(name).map(|scenario| scenario.teaches).unwrap_or_default();
                _ = writeln!(list, "{name:<20} {teaches}");
                list
            })),
            Self::Show { name } => match Scenario::open(name) {
                Ok(scenario) => Ok(scenario.text),
                Err(bad) => Err(format!("scenario '{name}': {bad}")),
            },
        }
    }
}
