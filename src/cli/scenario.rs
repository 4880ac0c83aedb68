//! `teal scenario`: lists and shows the built-in scenarios.

use std::fmt::Write as _;

use clap::Subcommand;

use crate::scenario::{BUILT_IN, Scenario};

/// Shows the built-in scenarios.
#[derive(Debug, Subcommand)]
pub enum ScenarioCommand {
    /// List their names, and the lesson of each
    #[command(after_help = "Example:\n  teal scenario list")]
    List,
    /// Show one, as a template for your own; or check a file
    #[command(after_help = "Example:\n  teal scenario show stale-client")]
    Show {
        /// The name of a scenario, or a file to check
        name: String,
    },
}

impl ScenarioCommand {
    /// The text to print.
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
