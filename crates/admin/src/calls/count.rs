//! Counts calls as they end, and keeps those that are nearest to what is asked for.

use std::{collections::BTreeMap, fmt};

use proxy::telemetry::history::{Call, Entry, Filter, History, Since};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::Shared;

/// The most calls that an answer shows.
const SHOWN: usize = 5;

/// The calls that a statement was compared with.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Seen {
    /// The number of calls that match.
    pub matched: u64,
    /// The number of calls since then, matching or not.
    pub calls: u64,
    /// Their number by method and status.
    pub by_method: BTreeMap<String, BTreeMap<String, u64>>,
    /// The last calls that match, or, if there are too few, those that match most of the conditions; at most 5.
    pub nearest: Vec<Call>,
}

/// The numbers that are expected.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Range {
    pub(crate) least: u64,
    pub(crate) most: Option<u64>,
}

impl Range {
    /// Whether the number is right; `None` if that may change until the end.
    pub(crate) fn judge(self, number: u64, is_last: bool) -> Option<bool> {
        match self.most {
            Some(most) if number > most => Some(false),
            None if number >= self.least => Some(true),
            _ if is_last => Some(number >= self.least),
            _ => None,
        }
    }
}

impl fmt::Display for Range {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.least, self.most) {
            (least, Some(most)) if least == most => write!(f, "exactly {least}"),
            (0, Some(most)) => write!(f, "at most {most}"),
            (least, Some(most)) => write!(f, "{least} to {most}"),
            (least, None) => write!(f, "at least {least}"),
        }
    }
}

/// Counts calls as they end.
pub(crate) struct Count {
    history: History,
    filter: Filter,
    /// The id of the last call that is counted.
    after: u64,
    pub(crate) seen: Seen,
    /// The last call with each number of conditions that do not hold, and those before it.
    nearest: BTreeMap<usize, Vec<Entry>>,
    /// The last call of which it is not known whether it counts.
    missing: Option<u64>,
}

impl Count {
    pub(crate) fn new(history: History, filter: Filter) -> Self {
        let after = match filter.since {
            Since::Call(id) => id,
            Since::Start | Since::Epoch(_) | Since::Time(_) => 0,
        };
        Self { history, filter, after, seen: Seen::default(), nearest: BTreeMap::new(), missing: None }
    }

    /// Counts those that have ended since the last time.
    pub(crate) fn go_on(&mut self) {
        let next = self.history.next();
        let found = self.history.read(self.after + 1, next);
        let expected = next.saturating_sub(self.after + 1);
        if (found.len() as u64) < expected {
            let first = self.history.complete_from();
            // If the oldest that is there is from before, then so are those that are not.
            let oldest = found.iter().find(|entry| entry.id() >= first);
            if oldest.is_none_or(|entry| self.filter.has_begun(entry)) {
                self.missing = Some(first - 1);
            }
        }
        for entry in found {
            if self.filter.has_begun(&entry) {
                self.count(entry);
            }
        }
        self.after = next - 1;
    }

    fn count(&mut self, entry: Entry) {
        let missed = self.history.missed(&self.filter, &entry);
        self.seen.calls += 1;
        self.seen.matched += u64::from(missed == 0);
        let by_status = self.seen.by_method.entry(self.history.method(&entry).to_owned()).or_default();
        *by_status.entry(entry.status().to_owned()).or_default() += 1;
        let nearest = self.nearest.entry(missed).or_default();
        if nearest.len() == SHOWN {
            nearest.remove(0);
        }
        nearest.push(entry);
    }

    pub(crate) fn missing(&self) -> Option<u64> {
        self.missing
    }

    pub(crate) fn into_seen(self, shared: &Shared, least: u64) -> Seen {
        let Self { history, mut seen, nearest, .. } = self;
        let is_enough = seen.matched > 0 && seen.matched >= least;
        let shown = nearest.into_iter().take_while(|(missed, _)| *missed == 0 || !is_enough);
        let shown: Vec<_> = shown.flat_map(|(_, entries)| entries.into_iter().rev()).take(SHOWN).collect();
        seen.nearest = shared.views(&history, &shown);
        seen
    }
}
