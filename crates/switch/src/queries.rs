//! The record of queries: the strategy of each, and when it was last used.

mod shared;

use std::{
    hash::{BuildHasher as _, RandomState},
    sync::atomic::{AtomicU64, AtomicUsize, Ordering},
    time::{Duration, Instant},
};

use hashlink::LinkedHashMap;
use parking_lot::{Mutex, MutexGuard};
use protocol::Strategy;

pub use self::shared::OVERFULL;
use super::{closed::Closed, nanos};

/// Enough that two requests seldom meet, and that none waits long for a table to grow.
const SHARDS: usize = 64;

/// A query on record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Query {
    /// The strategy that it was begun under.
    pub strategy: Strategy,
    /// The epoch in which it was begun.
    pub birth: u64,
}

/// Times are nanoseconds since the start of the table, which keeps entries small.
#[derive(Clone, Copy, Debug)]
struct Entry {
    birth: u64,
    begun: u64,
    last_request: u64,
    /// With several instances: when its key was last put, as far as this one knows.
    put: u64,
    /// With several instances: the revision of that put.
    modified: i64,
    /// The number of its requests in progress.
    requests: u32,
    /// With several instances: the copy of the record has come to that put.
    is_seen: bool,
}

/// A query that was found for a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Touched {
    /// The query.
    pub(crate) query: Query,
    /// Its key has to be put again, or it would go by age. Says so once.
    pub(crate) is_put_due: bool,
}

/// A query's key, as far as an instance knows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Key {
    /// The query.
    pub(crate) query: Query,
    /// The revision of the last put.
    pub(crate) modified: i64,
    /// The copy of the record has come to that put.
    pub(crate) is_seen: bool,
}

/// A query, as operators see it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct QueryView {
    /// The id, as the engine named it.
    pub id: String,
    /// The strategy that it was begun under.
    pub strategy: Strategy,
    /// How long it has been on record.
    pub age: Duration,
    /// How long it has been idle.
    pub idle: Duration,
    /// The number of its requests in progress.
    pub requests: u32,
}

/// One map per strategy, least recently used first, so that forgetting a whole strategy costs
/// nothing that grows with its queries.
type Shard = [LinkedHashMap<Box<str>, Entry>; 2];

/// The record, in shards by id: requests wait at most for others of the same shard.
#[derive(Debug)]
pub(crate) struct Queries {
    shards: [Mutex<Shard>; SHARDS],
    hasher: RandomState,
    len: AtomicUsize,
    start: Instant,
    /// How old the last put of a key is when the key has to be put again, in nanoseconds.
    put_after: AtomicU64,
    limit: AtomicUsize,
}

/// The queries that were taken off the record. Dropping them takes time that grows with their number.
#[derive(Debug)]
pub(super) struct Forgotten(Vec<LinkedHashMap<Box<str>, Entry>>);

impl Forgotten {
    /// The number of queries.
    pub(crate) fn len(&self) -> usize {
        self.0.iter().map(LinkedHashMap::len).sum()
    }
}

impl Default for Queries {
    fn default() -> Self {
        let shards = std::array::from_fn(|_| Mutex::default());
        Self {
            shards,
            hasher: RandomState::new(),
            len: AtomicUsize::new(0),
            start: tokio::time::Instant::now().into_std(),
            put_after: AtomicU64::new(u64::MAX),
            limit: AtomicUsize::new(usize::MAX),
        }
    }
}

impl Queries {
    /// Returns the query of that id for an arriving request, if `let_in` admits it. It stays on record
    /// until `let_in` has returned.
    pub(super) fn arrive(
        &self,
        id: &str,
        now: Instant,
        let_in: impl FnOnce(Query) -> bool,
    ) -> Option<Touched> {
        self.touch(id, now, let_in, |requests| requests.saturating_add(1))
    }

    /// Returns the query of that id, and marks it as used.
    pub(super) fn ask(&self, id: &str, now: Instant) -> Option<Query> {
        self.touch(id, now, |_| true, |requests| requests).map(|touched| touched.query)
    }

    /// Returns the query of that id, a request of which is finished.
    pub(super) fn leave(&self, id: &str, now: Instant) -> Option<Touched> {
        self.touch(id, now, |_| true, |requests| requests.saturating_sub(1))
    }

    fn touch(
        &self,
        id: &str,
        now: Instant,
        is_wanted: impl FnOnce(Query) -> bool,
        count: fn(u32) -> u32,
    ) -> Option<Touched> {
        let now = self.nanos(now);
        let mut shard = self.shard(id);
        let query = find(&shard, id).filter(|query| is_wanted(*query))?;
        let entry = shard[query.strategy.index()].to_back(id)?;
        entry.last_request = now;
        entry.requests = count(entry.requests);
        let is_put_due = now.saturating_sub(entry.put) >= self.put_after.load(Ordering::Relaxed);
        if is_put_due {
            entry.put = now;
        }
        Some(Touched { query, is_put_due })
    }

    /// Adds a query. Returns the one that had its id before.
    pub(super) fn insert(&self, id: &str, query: Query, now: Instant) -> Option<Query> {
        self.put(id, Key { query, modified: 0, is_seen: true }, now).map(|key| key.query)
    }

    /// Adds a query, or what is newly known of its key. Returns what was known before.
    pub(crate) fn put(&self, id: &str, key: Key, now: Instant) -> Option<Key> {
        let now = self.nanos(now);
        let Key { query, modified, is_seen } = key;
        let mut shard = self.shard(id);
        let mut entry = Entry {
            birth: query.birth,
            begun: now,
            last_request: now,
            put: now,
            modified,
            requests: 0,
            is_seen,
        };
        let before = take(&mut shard, id).map(|(before, known)| {
            if before.query == query && modified != 0 {
                entry.begun = known.begun;
                entry.requests = known.requests;
                entry.modified = modified.max(known.modified);
                entry.is_seen |= known.is_seen;
            }
            before
        });
        shard[query.strategy.index()].insert(id.into(), entry);
        self.len.fetch_add(usize::from(before.is_none()), Ordering::Relaxed);
        before
    }

    /// Removes a query.
    pub(super) fn remove(&self, id: &str) -> Option<Query> {
        self.take(id).map(|key| key.query)
    }

    /// Removes a query, and returns what was known of its key.
    pub(crate) fn take(&self, id: &str) -> Option<Key> {
        let (key, _) = take(&mut self.shard(id), id)?;
        self.len.fetch_sub(1, Ordering::Relaxed);
        Some(key)
    }

    /// Removes all queries of a strategy.
    pub(super) fn forget(&self, strategy: Strategy) -> Forgotten {
        let of = |shard: &Mutex<Shard>| std::mem::take(&mut shard.lock()[strategy.index()]);
        let forgotten = Forgotten(self.shards.iter().map(of).collect());
        self.len.fetch_sub(forgotten.len(), Ordering::Relaxed);
        forgotten
    }

    /// Removes the least recently used query, if there are more than `max` or
    /// it has been idle for `ttl`.
    pub(super) fn expire(&self, max: usize, ttl: Duration, now: Instant) -> Option<Query> {
        let (last_request, shard, strategy) = self.oldest()?;
        let now = self.nanos(now);
        if self.len() <= max && Duration::from_nanos(now.saturating_sub(last_request)) < ttl {
            return None;
        }
        let of = &mut self.shards[shard].lock()[strategy.index()];
        let (id, entry) = of.pop_front()?;
        if entry.requests > 0 && self.len() <= max {
            // It has requests in progress, so it is in use.
            of.insert(id, Entry { last_request: now, ..entry });
            return None;
        }
        self.len.fetch_sub(1, Ordering::Relaxed);
        Some(Query { strategy, birth: entry.birth })
    }

    /// Returns at most `limit` queries of one strategy or of both, the longest idle first, without those that are
    /// `closed`; and their total number.
    pub(super) fn list(
        &self,
        limit: usize,
        of: Option<Strategy>,
        closed: Option<&Closed>,
        now: Instant,
    ) -> (Vec<QueryView>, usize) {
        let (mut listed, mut total) = (Vec::new(), 0);
        let now = self.nanos(now);
        let since = |then: u64| Duration::from_nanos(now.saturating_sub(then));
        for shard in &self.shards {
            let shard = shard.lock();
            let wanted = Strategy::ALL.into_iter().filter(|strategy| of.is_none_or(|of| of == *strategy));
            for strategy in wanted {
                let entries = &shard[strategy.index()];
                let is_on_record =
                    |entry: &Entry| !closed.is_some_and(|of| of.contains(strategy, entry.birth));
                total += match closed {
                    None => entries.len(),
                    Some(_) => entries.values().filter(|entry| is_on_record(entry)).count(),
                };
                let on_record = entries.iter().filter(|(_, entry)| is_on_record(entry));
                listed.extend(on_record.take(limit).map(|(id, entry)| QueryView {
                    id: id.to_string(),
                    strategy,
                    age: since(entry.begun),
                    idle: since(entry.last_request),
                    requests: entry.requests,
                }));
            }
        }
        listed.sort_by_key(|query| std::cmp::Reverse(query.idle));
        listed.truncate(limit);
        (listed, total)
    }

    /// When the longest idle query was last used.
    pub(super) fn oldest_request(&self) -> Option<Instant> {
        self.oldest().map(|(last_request, ..)| self.start + Duration::from_nanos(last_request))
    }

    /// The number of queries on record.
    pub(crate) fn len(&self) -> usize {
        self.len.load(Ordering::Relaxed)
    }

    /// When the longest idle query was last used, its shard and its strategy.
    fn oldest(&self) -> Option<(u64, usize, Strategy)> {
        let fronts = self.shards.iter().enumerate().flat_map(|(number, shard)| {
            let shard = shard.lock();
            Strategy::ALL.map(|strategy| {
                let (_, entry) = shard[strategy.index()].front()?;
                Some((entry.last_request, number, strategy))
            })
        });
        fronts.flatten().min_by_key(|(last_request, ..)| *last_request)
    }

    fn nanos(&self, at: Instant) -> u64 {
        nanos(at.saturating_duration_since(self.start))
    }

    fn shard(&self, id: &str) -> MutexGuard<'_, Shard> {
        let number = self.hasher.hash_one(id) % SHARDS as u64;
        self.shards[number as usize].lock()
    }
}

fn find(shard: &Shard, id: &str) -> Option<Query> {
    Strategy::ALL.into_iter().find_map(|strategy| {
        let entry = shard[strategy.index()].get(id)?;
        Some(Query { strategy, birth: entry.birth })
    })
}

fn take(shard: &mut Shard, id: &str) -> Option<(Key, Entry)> {
    let query = find(shard, id)?;
    let entry = shard[query.strategy.index()].remove(id)?;
    Some((Key { query, modified: entry.modified, is_seen: entry.is_seen }, entry))
}

#[cfg(test)]
mod tests {
    use super::*;

    const BLUE: Query = Query { strategy: Strategy::Blue, birth: 0 };
    const GREEN: Query = Query { strategy: Strategy::Green, birth: 1 };
    const HOUR: Duration = Duration::from_secs(3600);

    #[test]
    fn the_least_recently_asked_about_goes_first() {
        let start = Instant::now();
        let at = |seconds| start + Duration::from_secs(seconds);
        let queries = Queries::default();
        queries.insert("a", BLUE, at(0));
        queries.insert("b", GREEN, at(1));
        queries.insert("c", BLUE, at(2));
        assert_eq!(queries.ask("a", at(3)), Some(BLUE));
        assert_eq!(queries.expire(3, HOUR, at(3)), None);
        assert_eq!(queries.expire(2, HOUR, at(3)), Some(GREEN));
        assert_eq!(queries.oldest_request(), Some(at(2)));
        assert_eq!(queries.expire(2, HOUR, at(2 + 3599)), None);
        assert_eq!(queries.expire(2, HOUR, at(2 + 3600)), Some(BLUE));
        assert_eq!(queries.ask("c", at(9)), None);
        assert_eq!(queries.len(), 1);
    }

    #[test]
    fn an_id_is_on_record_once() {
        let now = Instant::now();
        let queries = Queries::default();
        assert_eq!(queries.insert("a", BLUE, now), None);
        assert_eq!(queries.insert("a", GREEN, now), Some(BLUE));
        assert_eq!(queries.len(), 1);
        assert_eq!(queries.forget(Strategy::Green).len(), 1);
        assert_eq!(queries.remove("a"), None);
    }
}
