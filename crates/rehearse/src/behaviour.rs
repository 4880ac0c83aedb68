//! The behaviour of a client: correct, or one of the ways in which clients go wrong.

use clap::ValueEnum;

/// How a client reacts to notices and 456s.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, ValueEnum, serde::Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Behaviour {
    /// Adopts an announced strategy between queries, as the published connectors do
    #[default]
    Follow,
    /// Keeps its strategy whatever the server announces
    Frozen,
    /// Never names a strategy
    NoHeader,
    /// Adopts in the middle of a query, whose later calls then name the other strategy
    Eager,
    /// Names its strategy in capitals
    UpperCase,
    /// Disconnects in the middle of every third query, and comes back as a new client
    Vanish,
    /// Reads responses a few bytes at a time
    SlowReader,
    /// Retries a rejected call many times before it follows
    RetryStorm,
}

/// When a client adopts an announced strategy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Adopts {
    BetweenQueries,
    /// When its last open query ends, and only then.
    AfterQueries,
    AtOnce,
    Never,
}

impl Behaviour {
    pub(crate) fn adopts(self) -> Adopts {
        match self {
            Self::Frozen => Adopts::Never,
            Self::Eager => Adopts::AtOnce,
            _ => Adopts::BetweenQueries,
        }
    }

    /// Returns whether a 456 makes it look for the active strategy.
    pub(crate) fn recovers(self) -> bool {
        self != Self::Frozen
    }

    /// How often it retries a rejected call before anything else.
    pub(super) fn insists(self) -> u32 {
        if self == Self::RetryStorm { 20 } else { 0 }
    }

    /// The name on the command line.
    pub fn name(self) -> String {
        self.to_possible_value().map_or_else(String::new, |value| value.get_name().to_owned())
    }
}
