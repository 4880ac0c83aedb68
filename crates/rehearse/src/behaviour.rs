//! How a client behaves: as it should, or in one of the ways in which clients go wrong.

use clap::ValueEnum;

/// What a client does with what it is told.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, ValueEnum, serde::Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Behaviour {
    /// Adopts an announced strategy between queries, as the published connectors do
    #[default]
    Follow,
    /// Keeps its colour whatever it is told
    Frozen,
    /// Never names a strategy
    NoHeader,
    /// Adopts in the middle of a query, whose later calls then name the other colour
    Eager,
    /// Names its strategy in capitals
    UpperCase,
    /// Disconnects in the middle of every third query, and comes back as a new client
    Vanish,
    /// Reads its answers a few bytes at a time
    SlowReader,
    /// Sends what was refused again and again before it follows
    RetryStorm,
}

/// When a client adopts what it was told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Adopts {
    BetweenQueries,
    /// When its last open query ends, and at no other time.
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

    /// Whether a 456 makes it look for the strategy that is served.
    pub(crate) fn recovers(self) -> bool {
        self != Self::Frozen
    }

    /// How often it sends again what was refused, before anything else.
    pub(super) fn insists(self) -> u32 {
        if self == Self::RetryStorm { 20 } else { 0 }
    }

    /// The name, as it stands on the command line.
    pub fn name(self) -> String {
        self.to_possible_value().map_or_else(String::new, |value| value.get_name().to_owned())
    }
}
