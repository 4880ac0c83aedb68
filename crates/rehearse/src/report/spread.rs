//! How times are spread.

use serde::Serialize;

/// Times in microseconds: of so many, the middle one, and those that few exceed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Spread {
    /// How many.
    pub count: u64,
    /// Half are below.
    pub p50: u64,
    /// Nine in ten are below.
    pub p90: u64,
    /// All but one in a hundred are below.
    pub p99: u64,
    /// The longest.
    pub max: u64,
}

impl Spread {
    /// That of these times.
    pub fn of(mut times: Vec<u64>) -> Self {
        times.sort_unstable();
        let at = |percent: usize| {
            let rank = (times.len() * percent).div_ceil(100).max(1);
            times.get(rank - 1).copied().unwrap_or_default()
        };
        Self { count: times.len() as u64, p50: at(50), p90: at(90), p99: at(99), max: at(100) }
    }
}
