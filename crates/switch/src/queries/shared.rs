//! The record as a copy of what several instances share: what is known of each query's key in etcd.

use std::{
    sync::atomic::Ordering,
    time::{Duration, Instant},
};

use protocol::Strategy;

use super::{Key, Queries, Query, find};
use crate::{Rules, etcd::MAX_LISTED, nanos};

/// With several instances queries are deleted from etcd at a limited rate: the record has so many times `--max-queries` at
/// most.
pub const OVERFULL: usize = 4;
/// How many of the least recently used queries of each shard are compared where there are too many.
const CANDIDATES: usize = 8;
/// How many of the least recently used queries of each shard are looked at for keys that may be deleted.
const SCANNED: usize = 1024;

impl Queries {
    /// The key of a query, as far as it is known.
    pub(crate) fn get(&self, id: &str) -> Option<Key> {
        let shard = self.shard(id);
        let query = find(&shard, id)?;
        let entry = shard[query.strategy.index()].get(id)?;
        Some(Key { query, modified: entry.modified, is_seen: entry.is_seen })
    }

    /// Keeps the queries whose keys `is_kept` wants, and has it see all of them.
    pub(crate) fn retain(&self, mut is_kept: impl FnMut(&str, Key) -> bool) {
        for shard in &self.shards {
            let mut shard = shard.lock();
            for strategy in Strategy::ALL {
                let entries = &mut shard[strategy.index()];
                let before = entries.len();
                entries.retain(|id, entry| {
                    let query = Query { strategy, birth: entry.birth };
                    is_kept(id, Key { query, modified: entry.modified, is_seen: entry.is_seen })
                });
                self.len.fetch_sub(before - entries.len(), Ordering::Relaxed);
            }
        }
    }

    /// The copy of the record is about to be that of another revision: it has come to no put.
    pub(crate) fn mark_unseen(&self) {
        for shard in &self.shards {
            shard
                .lock()
                .iter_mut()
                .flat_map(|entries| entries.values_mut())
                .for_each(|entry| entry.is_seen = false);
        }
    }

    /// Other instances share the queries from now on. Keys are put again in time, and begins fail before the record has
    /// grown to a multiple of what it may have.
    pub(crate) fn share(&self, rules: &Rules) {
        self.put_after.store(nanos(rules.query_ttl / 4), Ordering::Relaxed);
        let limit = rules.max_queries.saturating_mul(OVERFULL).min(MAX_LISTED);
        self.limit.store(limit, Ordering::Relaxed);
    }

    /// How many queries there may be for another one to be put on record.
    pub(crate) fn limit(&self) -> usize {
        self.limit.load(Ordering::Relaxed)
    }

    /// Queries that requests in progress are about, and whose keys have to be put again. Says so once.
    pub(crate) fn puts_due(&self, now: Instant) -> Vec<(Box<str>, Query)> {
        let (now, after) = (self.nanos(now), self.put_after.load(Ordering::Relaxed));
        let mut due = Vec::new();
        for shard in &self.shards {
            let mut shard = shard.lock();
            for strategy in Strategy::ALL {
                let entries = shard[strategy.index()].iter_mut();
                let idle = entries.take_while(|(_, entry)| now.saturating_sub(entry.last_request) >= after);
                for (id, entry) in idle.filter(|(_, entry)| entry.requests > 0) {
                    if now.saturating_sub(entry.put) >= after {
                        entry.put = now;
                        due.push((id.clone(), Query { strategy, birth: entry.birth }));
                    }
                }
            }
        }
        due
    }

    /// At most `limit` keys that may be deleted, of queries without requests in progress: those that `is_closed`
    /// names, those that were not used for `age`, and where there are too many about the `excess` least recently used.
    pub(crate) fn over(
        &self,
        limit: usize,
        excess: usize,
        age: Duration,
        is_closed: Option<impl Fn(Query) -> bool>,
        now: Instant,
    ) -> Vec<(Box<str>, Key)> {
        let (now, age) = (self.nanos(now), nanos(age));
        let of_each = excess.min(CANDIDATES);
        let (mut over, mut in_excess) = (Vec::new(), Vec::new());
        for shard in &self.shards {
            let shard = shard.lock();
            for strategy in Strategy::ALL {
                for (number, (id, entry)) in shard[strategy.index()].iter().take(SCANNED).enumerate() {
                    let query = Query { strategy, birth: entry.birth };
                    let is_old = now.saturating_sub(entry.last_request) >= age;
                    if !is_old && is_closed.is_none() && number >= of_each || over.len() == limit {
                        break;
                    }
                    let is_over = is_old || is_closed.as_ref().is_some_and(|is_closed| is_closed(query));
                    if entry.requests == 0 && entry.is_seen && (is_over || number < of_each) {
                        let key = Key { query, modified: entry.modified, is_seen: true };
                        let found = if is_over { &mut over } else { &mut in_excess };
                        found.push((entry.last_request, id.clone(), key));
                    }
                }
            }
        }
        in_excess.sort_unstable_by_key(|(last_request, ..)| *last_request);
        in_excess.truncate(excess.saturating_sub(over.len()));
        over.append(&mut in_excess);
        over.truncate(limit);
        over.into_iter().map(|(_, id, key)| (id, key)).collect()
    }
}
