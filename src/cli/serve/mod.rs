//! The flags of `teal serve`, grouped as in its help.

mod engines;
mod instances;
mod listening;
#[cfg(feature = "mock")]
mod mock;
mod recording;
mod switching;
mod webhooks;

use std::{iter, path::PathBuf};

use clap::Args;
use proxy::fault::Rule;

pub use self::{
    engines::{EngineTls, Engines},
    instances::Instances,
    listening::{ListenerTls, Listening},
    recording::Recording,
    switching::{SwitchRules, Switching},
    webhooks::Webhooks,
};
#[cfg(feature = "mock")]
pub use self::{mock::Mock, recording::Missing};
use super::{
    Effective,
    values::{
        ADMIN, Admin, CallsMessages, LogFormat, LogLevel, OnOff, admin, calls_memory, calls_messages,
        collector, number,
    },
};
use crate::{config::BadSetting, scenario::Settings};

/// The settings of `teal serve`. Each is also read from the environment, as `TEAL_…`.
#[derive(Debug, Args)]
pub struct Serve {
    /// Read settings from this file, in TOML; flags and the environment override it
    #[arg(long, env = "TEAL_CONFIG", value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// The listener for clients.
    #[command(flatten)]
    pub listening: Listening,
    /// The engines that calls are forwarded to.
    #[command(flatten)]
    pub engines: Engines,
    /// The gate and its switch.
    #[command(flatten)]
    pub switching: Switching,
    /// Other instances, with which the switch is shared.
    #[command(flatten)]
    pub instances: Instances,
    /// Fault injection.
    #[command(flatten)]
    pub faults: FaultFlags,
    /// Recording calls.
    #[command(flatten)]
    pub recording: Recording,
    /// The admin API.
    #[command(flatten)]
    pub operating: Operating,
    /// Events for the URLs of others.
    #[command(flatten)]
    pub webhooks: Webhooks,
    /// Logs and traces.
    #[command(flatten)]
    pub logging: Logging,
    /// The built-in engine.
    #[cfg(feature = "mock")]
    #[command(flatten)]
    pub mock: Mock,
    /// The flags that the user gave, without their dashes.
    #[arg(skip)]
    pub given: Vec<&'static str>,
    /// All settings as texts, with their origins.
    #[arg(skip)]
    pub effective: Effective,
}

/// Fault injection.
#[derive(Debug, Args)]
#[command(next_help_heading = "Faults")]
pub struct FaultFlags {
    /// Inject a fault into chosen calls, such as method=getNextResultBatch,delay=200ms; can be repeated
    #[arg(long, env = "TEAL_FAULT", value_name = "KEY=VALUE,…", value_delimiter = '\n')]
    pub fault: Vec<Rule>,
    /// on: a call may carry its own fault, in the metadata teal-fault
    #[arg(long, env = "TEAL_FAULT_HEADER", value_name = "on|off", default_value = "off", ignore_case = true)]
    pub fault_header: OnOff,
    /// Play a scenario, a built-in one (see teal scenario list) or a file
    #[arg(long, env = "TEAL_SCENARIO", value_name = "NAME|FILE")]
    pub scenario: Option<String>,
}

/// The admin API.
#[derive(Debug, Args)]
#[command(next_help_heading = "Operating")]
pub struct Operating {
    /// The address of the admin API, or off
    #[arg(long, env = "TEAL_ADMIN", value_name = "ADDR|off", default_value = ADMIN, value_parser = admin)]
    pub admin: Admin,
    /// The token that operators must send; required if others can reach --admin
    #[arg(long, env = "TEAL_ADMIN_TOKEN_FILE", value_name = "FILE")]
    pub admin_token_file: Option<PathBuf>,
    /// How many calls to keep for teal calls and teal verify, the last ones; 0 keeps none
    #[arg(long, env = "TEAL_CALLS", value_name = "N", default_value = "10000", value_parser = number::<usize>)]
    pub calls: usize,
    /// The most memory for them, an equal part for each network thread
    #[arg(long, env = "TEAL_CALLS_MEMORY", value_name = "SIZE", default_value = "32MiB", value_parser = calls_memory)]
    pub calls_memory: usize,
    /// Keep the messages of calls too, without secrets: so much in each direction, 16KiB if no size is given
    #[arg(long, env = "TEAL_CALLS_MESSAGES", value_name = "SIZE|off", num_args = 0..=1, default_value = "off", default_missing_value = "on", value_parser = calls_messages)]
    pub calls_messages: CallsMessages,
}

/// Logs and traces.
#[derive(Debug, Args)]
#[command(next_help_heading = "Logging")]
pub struct Logging {
    /// Send traces to this collector, by OTLP over gRPC: http://host:port
    #[arg(long, env = "TEAL_OTLP_ENDPOINT", value_name = "URL", value_parser = collector)]
    pub otlp_endpoint: Option<String>,
    /// How log lines look
    #[arg(long, env = "TEAL_LOG_FORMAT", value_name = "FORMAT", default_value = "text", ignore_case = true)]
    pub log_format: LogFormat,
    /// The least important lines to log
    #[arg(long, env = "TEAL_LOG_LEVEL", value_name = "LEVEL", default_value = "info", ignore_case = true)]
    pub log_level: LogLevel,
}

impl Serve {
    /// Takes over the settings of a scenario that the user did not set.
    pub(crate) fn adopt(&mut self, settings: &Settings) -> Result<(), BadSetting> {
        // Only the scenario switches.
        let untimed = ("switch-every", "0s".to_owned());
        for (flag, value) in iter::once(&untimed).chain(settings) {
            if !self.given.contains(flag) {
                self.switching.rules.set(flag, value)?;
                self.effective.adopt_scenario(flag, value);
            }
        }
        Ok(())
    }
}
