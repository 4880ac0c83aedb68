//! A number per strategy.

use protocol::Strategy;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// A number per strategy.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Each {
    /// For blue.
    pub blue: u64,
    /// For green.
    pub green: u64,
}

impl From<[u64; 2]> for Each {
    fn from([blue, green]: [u64; 2]) -> Self {
        Self { blue, green }
    }
}

impl Each {
    /// The number for one strategy.
    pub fn of(self, strategy: Strategy) -> u64 {
        [self.blue, self.green][strategy.index()]
    }
}
