//! `teal fault` and `teal token`: the faults and tokens of a running teal. Faults have the keys of `--fault`.

use clap::{Arg, ArgAction, ArgMatches, Args, Command, FromArgMatches, Subcommand};
use proxy::fault::rule::{self, BadRule, KEYS, Rule};

use super::Running;

/// The commands for the faults of a running teal.
#[derive(Debug, Subcommand)]
pub enum FaultCommand {
    /// Add a rule after the others
    #[command(
        after_help = "Example:\n  teal fault add --match 'method=getNextResultBatch,strategy=green' --delay 200ms --first 3"
    )]
    Add {
        /// The rule.
        #[command(flatten)]
        rule: RuleFlags,
        /// The running teal.
        #[command(flatten)]
        server: Running,
    },
    /// List the rules, with the number of calls that each matched and hit
    #[command(after_help = "Example:\n  teal fault list")]
    List {
        /// The running teal.
        #[command(flatten)]
        server: Running,
    },
    /// Remove a rule
    #[command(after_help = "Example:\n  teal fault remove f1")]
    Remove {
        /// The id of the rule
        #[arg(value_parser = id)]
        id: String,
        /// The running teal.
        #[command(flatten)]
        server: Running,
    },
    /// Remove all rules
    #[command(after_help = "Example:\n  teal fault clear")]
    Clear {
        /// The running teal.
        #[command(flatten)]
        server: Running,
    },
}

/// The commands for the tokens of a running teal.
#[derive(Debug, Subcommand)]
pub enum TokenCommand {
    /// Revoke one token, those of a client, or all
    #[command(after_help = "Example:\n  teal token revoke --client app")]
    Revoke {
        /// Which tokens to revoke.
        #[command(flatten)]
        which: Tokens,
        /// The running teal.
        #[command(flatten)]
        server: Running,
    },
}

/// Which tokens to revoke.
#[derive(Debug, Args)]
#[group(required = true, multiple = false)]
pub struct Tokens {
    /// The token
    pub token: Option<String>,
    /// All tokens of this client
    #[arg(long, value_name = "ID")]
    pub client: Option<String>,
    /// All tokens
    #[arg(long)]
    pub all: bool,
}

/// The flag for a whole rule in one text.
const MATCH: &str = "match";

/// The flags of a rule: a text, and one flag per key.
#[derive(Clone, Debug)]
pub struct RuleFlags {
    text: String,
    flags: Vec<(String, String)>,
}

impl RuleFlags {
    /// Builds the rule, starting with the text.
    pub fn rule(&self) -> Result<Rule, BadRule> {
        let mut pairs = rule::pairs(&self.text)?;
        pairs.extend_from_slice(&self.flags);
        Rule::from_pairs(&pairs)
    }
}

impl Args for RuleFlags {
    fn augment_args(command: Command) -> Command {
        let text = Arg::new(MATCH).long(MATCH).value_name("KEY=VALUE,…");
        let text = text.help("A rule as in --fault, or a part of one");
        KEYS.iter().fold(command.arg(text), |command, key| {
            let arg = Arg::new(key.name).long(key.name).help(key.help);
            command.arg(match key.value {
                "" => arg.action(ArgAction::SetTrue),
                value => arg.value_name(value),
            })
        })
    }

    fn augment_args_for_update(command: Command) -> Command {
        Self::augment_args(command)
    }
}

impl FromArgMatches for RuleFlags {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, clap::Error> {
        let text = |name: &str| matches.get_one::<String>(name).cloned();
        let flags = KEYS.iter().filter_map(|key| {
            let value = match key.value {
                "" => matches.get_flag(key.name).then(String::new),
                _ => text(key.name),
            };
            Some((key.name.to_owned(), value?))
        });
        Ok(Self { text: text(MATCH).unwrap_or_default(), flags: flags.collect() })
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
        *self = Self::from_arg_matches(matches)?;
        Ok(())
    }
}

fn id(text: &str) -> Result<String, String> {
    rule::id(text).map_err(|bad| bad.expected)
}
