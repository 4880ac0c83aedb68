//! An active rule.

use std::{
    fmt,
    sync::atomic::{AtomicU64, Ordering},
};

use hashlink::LruCache;
use parking_lot::Mutex;
use rand::{Rng, SeedableRng, rngs::SmallRng};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::REMEMBERED;
use crate::fault::rule::{Delay, Rule};

/// The origin of a rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Source {
    /// The settings.
    Start,
    /// An operator.
    Operator,
    /// A step of the scenario.
    Scenario,
    /// The metadata of one call.
    Call,
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Start => "start",
            Self::Operator => "operator",
            Self::Scenario => "scenario",
            Self::Call => "call",
        })
    }
}

/// A rule, as the admin API shows it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Listed {
    /// The name of the rule.
    pub id: String,
    /// The rule in its textual form.
    pub rule: String,
    /// The origin of the rule.
    pub source: Source,
    /// The number of calls that matched its conditions.
    pub matches: u64,
    /// The number of those calls that it changed.
    pub hits: u64,
}

/// An active rule, with its counts.
pub(in crate::fault) struct ActiveFault {
    pub(in crate::fault) id: String,
    pub(in crate::fault) rule: Rule,
    pub(in crate::fault) source: Source,
    matches: AtomicU64,
    hits: AtomicU64,
    random: Mutex<SmallRng>,
    batches: Mutex<LruCache<String, u64>>,
}

impl ActiveFault {
    pub(in crate::fault) fn new(id: String, rule: Rule, source: Source) -> Self {
        let random = rule.when.seed.map_or_else(SmallRng::from_os_rng, SmallRng::seed_from_u64);
        Self {
            id,
            rule,
            source,
            matches: AtomicU64::new(0),
            hits: AtomicU64::new(0),
            random: Mutex::new(random),
            batches: Mutex::new(LruCache::new(REMEMBERED)),
        }
    }

    pub(in crate::fault) fn listed(&self) -> Listed {
        Listed {
            id: self.id.clone(),
            rule: self.rule.to_string(),
            source: self.source,
            matches: self.matches.load(Ordering::Relaxed),
            hits: self.hits.load(Ordering::Relaxed),
        }
    }

    /// Counts a match. Returns the number of the hit, if it is one.
    pub(in crate::fault) fn sample(&self) -> Option<u64> {
        let number = self.matches.fetch_add(1, Ordering::Relaxed) + 1;
        let is_hit = self.rule.when.is_turn(number)
            && self.rule.when.probability.is_none_or(|share| self.draw(|random| random.random_bool(share)));
        is_hit.then(|| self.hits.fetch_add(1, Ordering::Relaxed) + 1)
    }

    /// Counts a fetch of a query, and returns the count.
    pub(in crate::fault) fn fetched(&self, query: &str) -> u64 {
        let mut batches = self.batches.lock();
        let count = batches.get(query).copied().unwrap_or(0) + 1;
        batches.insert(query.to_owned(), count);
        count
    }

    /// Draws from the rule's random generator.
    pub(in crate::fault) fn draw<T>(&self, ask: impl FnOnce(&mut SmallRng) -> T) -> T {
        ask(&mut self.random.lock())
    }

    pub(in crate::fault) fn pick(&self, delay: Delay) -> std::time::Duration {
        self.draw(|random| delay.pick(random))
    }
}

impl fmt::Debug for ActiveFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("ActiveFault").field(&self.listed()).finish()
    }
}
