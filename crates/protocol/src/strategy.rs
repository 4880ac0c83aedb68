//! The two strategies, blue and green.

use std::{fmt, str::FromStr};

use clap::ValueEnum;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// One of the two deployments of the engine.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema, ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum Strategy {
    /// The deployment called blue
    Blue,
    /// The deployment called green
    Green,
}

/// The text names neither strategy.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("expected blue or green")]
pub struct UnknownStrategy;

impl Strategy {
    /// Both strategies, in the order of [`Strategy::index`].
    pub const ALL: [Self; 2] = [Self::Blue, Self::Green];

    /// The other strategy.
    pub fn other(self) -> Self {
        match self {
            Self::Blue => Self::Green,
            Self::Green => Self::Blue,
        }
    }

    /// The lower-case name, as it is sent on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Blue => "blue",
            Self::Green => "green",
        }
    }

    /// 0 or 1: the index into arrays with one entry per strategy.
    pub fn index(self) -> usize {
        match self {
            Self::Blue => 0,
            Self::Green => 1,
        }
    }
}

impl fmt::Display for Strategy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Strategy {
    type Err = UnknownStrategy;

    /// Ignores case and surrounding blanks.
    fn from_str(text: &str) -> Result<Self, UnknownStrategy> {
        let text = text.trim();
        Self::ALL
            .into_iter()
            .find(|strategy| text.eq_ignore_ascii_case(strategy.as_str()))
            .ok_or(UnknownStrategy)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_ignore_case_and_blanks() {
        for text in ["green", "GREEN", " Green\t"] {
            assert_eq!(text.parse(), Ok(Strategy::Green), "{text:?}");
        }
        for text in ["", "purple", "blue green", "blue,green"] {
            assert_eq!(text.parse::<Strategy>(), Err(UnknownStrategy), "{text:?}");
        }
    }
}
