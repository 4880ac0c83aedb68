//! The gate and its switch.

use std::{path::PathBuf, time::Duration};

use clap::{ArgMatches, Args, Command, FromArgMatches};
use protocol::Strategy;
use proxy::gate::Mismatch;
use switch::{Cutover, Rules};

use crate::{
    cli::{
        expected,
        values::{OnOff, count, duration, some_duration},
    },
    config::BadSetting,
};

/// The gate and its switch.
#[derive(Debug, Args)]
#[command(next_help_heading = "Switching")]
pub struct Switching {
    /// The strategy that is active at start
    #[arg(long, env = "TEAL_INITIAL", value_name = "STRATEGY", default_value = "blue", ignore_case = true)]
    pub initial: Strategy,
    /// The rules of the switch.
    #[command(flatten)]
    pub rules: SwitchRules,
    /// Keep phase, epoch and timer in this file, so that a restart continues from there
    #[arg(long, env = "TEAL_STATE", value_name = "FILE")]
    pub state: Option<PathBuf>,
    /// How long to remember a query, or a session, after its last call
    #[arg(long, env = "TEAL_QUERY_TTL", value_name = "DURATION", default_value = "1h", value_parser = some_duration)]
    pub query_ttl: Duration,
    /// The most queries to remember; the oldest are forgotten first
    #[arg(long, env = "TEAL_MAX_QUERIES", value_name = "N", default_value = "1000000", value_parser = count)]
    pub max_queries: usize,
    /// How to encode a 456: as an HTTP status, as a gRPC status, or as both
    #[arg(long, env = "TEAL_MISMATCH", value_name = "DIALECT", default_value = "both", ignore_case = true)]
    pub mismatch: Mismatch,
    /// off: serve without strategies, as an engine behind another teal
    #[arg(long, env = "TEAL_GATE", value_name = "on|off", default_value = "on", ignore_case = true)]
    pub gate: OnOff,
    /// Descriptors of other services whose responses have a field new_strategy
    #[arg(long, env = "TEAL_DESCRIPTOR_SET", value_name = "FILE")]
    pub descriptor_set: Option<PathBuf>,
}

/// The rules of the switch. A reload can change them, and a scenario can set them.
#[derive(Debug, Args)]
#[command(next_help_heading = "Switching")]
pub struct SwitchRules {
    /// Announce the other strategy this long after the active one became active; 0 is never
    #[arg(long, env = "TEAL_SWITCH_EVERY", value_name = "DURATION", default_value = "120s", value_parser = duration)]
    pub switch_every: Duration,
    /// Let the old strategy's queries run to their end (drain), or reject them with a 456 at once (strict)
    #[arg(long, env = "TEAL_CUTOVER", value_name = "HOW", default_value = "drain", ignore_case = true)]
    pub cutover: Cutover,
    /// The least time between an announcement and its cutover
    #[arg(long, env = "TEAL_NOTICE", value_name = "DURATION", default_value = "1s", value_parser = duration)]
    pub notice: Duration,
    /// Cut over an announcement that no client has adopted after this time; 0 is never
    #[arg(long, env = "TEAL_ANNOUNCE_TIMEOUT", value_name = "DURATION", default_value = "60s", value_parser = duration)]
    pub announce_timeout: Duration,
    /// Abort an announcement whose engine stays unhealthy for this long; 0 is never
    #[arg(long, env = "TEAL_UNHEALTHY_ABORT", value_name = "DURATION", default_value = "5s", value_parser = duration)]
    pub unhealthy_abort: Duration,
    /// Switch at once if the active engine stays unhealthy for this long and the other one is healthy; 0 is never
    #[arg(long, env = "TEAL_FAILOVER", value_name = "DURATION", default_value = "0s", value_parser = duration)]
    pub failover: Duration,
    /// How long the old strategy must stay idle before its drain completes
    #[arg(long, env = "TEAL_GRACE", value_name = "DURATION", default_value = "5s", value_parser = duration)]
    pub grace: Duration,
    /// End a drain after this time, even with queries left; 0 is never
    #[arg(long, env = "TEAL_DRAIN_TIMEOUT", value_name = "DURATION", default_value = "300s", value_parser = duration)]
    pub drain_timeout: Duration,
}

impl SwitchRules {
    /// Sets one of them, as its flag would.
    pub(super) fn set(&mut self, flag: &'static str, value: &str) -> Result<(), BadSetting> {
        let matches = Self::parse(flag, value)?;
        self.update_from_arg_matches(&matches).map_err(|error| bad(flag, value, &error))
    }

    /// Parses one of these flags, without its dashes.
    pub(crate) fn parse(flag: &'static str, value: &str) -> Result<ArgMatches, BadSetting> {
        // No defaults: they would undo what is set.
        let flags = Self::augment_args(Command::new("rules").no_binary_name(true))
            .mut_args(|arg| arg.default_value(None::<&str>).env(None::<&str>));
        flags.try_get_matches_from([format!("--{flag}={value}")]).map_err(|error| bad(flag, value, &error))
    }
}

fn bad(flag: &'static str, value: &str, error: &clap::Error) -> BadSetting {
    let expected = expected(error).unwrap_or_else(|| error.kind().to_string());
    BadSetting { flag, value: value.to_owned(), expected }
}

impl Switching {
    /// Builds the rules of the switch. A duration of 0 means never.
    pub(crate) fn rules(&self) -> Rules {
        let unless_zero = |duration: Duration| (!duration.is_zero()).then_some(duration);
        let SwitchRules {
            switch_every,
            cutover,
            notice,
            announce_timeout,
            unhealthy_abort,
            failover,
            grace,
            drain_timeout,
        } = self.rules;
        Rules {
            initial: self.initial,
            switch_every: unless_zero(switch_every),
            cutover,
            notice,
            announce_timeout: unless_zero(announce_timeout),
            unhealthy_abort: unless_zero(unhealthy_abort),
            failover: unless_zero(failover),
            grace,
            drain_timeout: unless_zero(drain_timeout),
            query_ttl: self.query_ttl,
            max_queries: self.max_queries,
        }
    }
}
