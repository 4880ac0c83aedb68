//! A number for each strategy.

use protocol::Strategy;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// A number for each strategy.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Each {
    /// Blue's.
    pub blue: u64,
    /// Green's.
    pub green: u64,
}

impl From<[u64; 2]> for Each {
    fn from([blue, green]: [u64; 2]) -> Self {
        Self { blue, green }
    }
}

impl Each {
    /// The number of one strategy.
    pub fn of(self, strategy: Strategy) -> u64 {
        [self.blue, self.green][strategy.index()]
    }
}
