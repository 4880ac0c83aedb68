//! The names of the phases.

use std::fmt;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// A phase of the switch.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "UPPERCASE")]
pub enum PhaseName {
    /// One strategy is served.
    Stable,
    /// Both are served; the other one is announced.
    Announced,
    /// The old strategy's queries run to their end.
    Draining,
}

impl PhaseName {
    /// In the order of a switch.
    pub const ALL: [Self; 3] = [Self::Stable, Self::Announced, Self::Draining];

    /// `STABLE`, `ANNOUNCED` or `DRAINING`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Stable => "STABLE",
            Self::Announced => "ANNOUNCED",
            Self::Draining => "DRAINING",
        }
    }
}

impl fmt::Display for PhaseName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
