//! An instance's copy of the record. It is never wrong, only late: a query's strategy does not change. It takes in
//! what was listed, what a watch says, and what this instance itself has put and ended.

use std::{
    collections::{BTreeMap, HashMap, VecDeque},
    sync::Arc,
    time::{Duration, Instant},
};

use hashlink::LinkedHashMap;
use protocol::Strategy;

use crate::{
    course::Course,
    queries::{Key, Queries, Query},
};

/// For how long it is known that a query has left the record.
pub const LEFT_FOR: Duration = Duration::from_secs(60);
/// Of how many queries that is known at most; older ones are looked up.
pub const MAX_LEFT: usize = 65_536;

/// A change of a query's key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RecordChange {
    /// It was put, or put again.
    Put {
        /// The query's id.
        id: Box<str>,
        /// The query.
        query: Query,
        /// The revision.
        revision: i64,
    },
    /// It was deleted.
    Deleted {
        /// The query's id.
        id: Box<str>,
        /// The revision.
        revision: i64,
    },
}

/// The copy's knowledge of an id.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Known {
    /// The query has a key, or will have one.
    OnRecord(Query),
    /// It has left the record a short time ago.
    Left,
    /// Nothing: etcd has to be asked.
    Unknown,
}

/// The copy. The queries themselves are in the table of the switch, where requests find them without its lock.
#[derive(Debug, Default)]
pub struct RecordCopy {
    /// All that is not newer is in it.
    revision: i64,
    queries: Arc<Queries>,
    /// How many there are of each strategy and birth.
    tally: BTreeMap<(usize, u64), u64>,
    /// How many queries were put here and not yet seen in etcd.
    ahead: usize,
    /// Queries that were ended here, whose deletion has not been seen yet.
    ending: HashMap<Box<str>, Ending>,
    /// Of those, the ones that are deleted by now, with the revision of that.
    deleted: VecDeque<(i64, Box<str>)>,
    /// Queries that have left the record, and when.
    left: LinkedHashMap<Box<str>, Instant>,
}

#[derive(Clone, Copy, Debug)]
struct Ending {
    /// Its key is one of those at the copy's revision.
    is_seen: bool,
}

impl RecordCopy {
    /// A copy whose queries are in this table, which is empty.
    pub(crate) fn new(queries: Arc<Queries>) -> Self {
        Self { queries, ..Self::default() }
    }

    /// The table of the queries.
    pub(crate) fn table(&self) -> Arc<Queries> {
        Arc::clone(&self.queries)
    }

    /// Whether it has queries that are off the record under a course, though their keys are not deleted yet.
    pub(crate) fn has_closed(&self, course: &Course) -> bool {
        self.tally.keys().any(|(strategy, birth)| !course.remembers(Strategy::ALL[*strategy], *birth))
    }

    /// The revision of which it is a copy.
    pub fn revision(&self) -> i64 {
        self.revision
    }

    /// How many queries are on record.
    pub fn len(&self) -> usize {
        self.queries.len()
    }

    /// Whether none is.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The copy's knowledge of an id.
    pub fn get(&self, id: &str, now: Instant) -> Known {
        if let Some(key) = self.queries.get(id) {
            return Known::OnRecord(key.query);
        }
        let has_left = self.left.get(id).is_some_and(|at| now.saturating_duration_since(*at) < LEFT_FOR);
        if has_left || self.ending.contains_key(id) { Known::Left } else { Known::Unknown }
    }

    /// How many keys etcd has at the copy's revision, if the copy is right.
    pub fn keys(&self) -> usize {
        self.queries.len() - self.ahead + self.ending.values().filter(|ending| ending.is_seen).count()
    }

    /// Queries whose keys etcd has not at the copy's revision.
    pub(super) fn unseen(&self) -> Vec<(Box<str>, Query)> {
        let mut unseen = Vec::new();
        self.queries.retain(|id, key| {
            if !key.is_seen {
                unseen.push((id.into(), key.query));
            }
            true
        });
        unseen
    }

    /// How many queries hold the drain of a course.
    pub fn holding(&self, course: &Course) -> u64 {
        let holds = |(strategy, birth): &(usize, u64)| course.holds_drain(Strategy::ALL[*strategy], *birth);
        self.tally.iter().filter(|(of, _)| holds(of)).map(|(_, queries)| queries).sum()
    }

    /// How many queries of each strategy are on record under a course.
    pub fn queries(&self, course: &Course) -> [u64; 2] {
        Strategy::ALL.map(|strategy| {
            let of = self.tally.range((strategy.index(), course.closed[strategy.index()])..);
            of.take_while(|((index, _), _)| *index == strategy.index()).map(|(_, queries)| queries).sum()
        })
    }

    /// This instance has put a query, in this revision.
    pub fn put(&mut self, id: &str, query: Query, revision: i64) {
        // What is as old as the copy was deleted meanwhile, or is there.
        if revision > self.revision && !self.ending.contains_key(id) {
            self.insert(id, query, revision, false);
        }
    }

    /// This instance has let a query end: it is off the record, and its key is about to be deleted. `found`: the query,
    /// where it was looked up and may not be in the copy yet. `None` where it has ended already.
    pub fn end(&mut self, id: &str, found: Option<Query>, now: Instant) -> Option<Query> {
        let (query, is_seen) = match self.queries.take(id) {
            Some(key) => {
                self.discount(key);
                (key.query, key.is_seen)
            }
            None if self.get(id, now) == Known::Left => return None,
            None => (found?, false),
        };
        self.leave(id.into(), now);
        self.ending.insert(id.into(), Ending { is_seen });
        Some(query)
    }

    /// The key of a query that was [ended](Self::end) here is deleted, in this revision.
    pub fn deleted(&mut self, id: &str, revision: i64) {
        self.deleted.push_back((revision, id.into()));
        self.settle();
    }

    /// Takes in what a watch says. `revision`: the last one of the changes.
    pub fn take(&mut self, changes: impl IntoIterator<Item = RecordChange>, revision: i64, now: Instant) {
        for change in changes {
            match change {
                RecordChange::Put { id, query, revision } if revision > self.revision => {
                    match self.ending.get_mut(&id) {
                        Some(ending) => ending.is_seen = true,
                        None => self.insert(&id, query, revision, true),
                    }
                }
                RecordChange::Deleted { id, revision } if revision > self.revision => {
                    if let Some(key) = self.queries.take(&id) {
                        self.discount(key);
                    }
                    self.ending.remove(&id);
                    self.leave(id, now);
                }
                _ => {}
            }
        }
        self.revision = self.revision.max(revision);
        self.settle();
    }

    /// Takes a whole list of another revision in its place. What this instance has put since then stays.
    pub fn replace(&mut self, list: impl IntoIterator<Item = (Box<str>, Query, i64)>, revision: i64) {
        self.queries.mark_unseen();
        self.revision = revision;
        self.ending.values_mut().for_each(|ending| ending.is_seen = false);
        for (id, query, modified) in list {
            match self.ending.get_mut(&id) {
                Some(ending) => ending.is_seen = true,
                None => {
                    self.left.remove(&id);
                    self.queries.put(&id, Key { query, modified, is_seen: true }, now());
                }
            }
        }
        let (mut tally, mut ahead) = (BTreeMap::new(), 0);
        self.queries.retain(|_, key| {
            let is_kept = key.is_seen || key.modified > revision;
            if is_kept {
                *tally.entry(of(key.query)).or_default() += 1;
                ahead += usize::from(!key.is_seen);
            }
            is_kept
        });
        (self.tally, self.ahead) = (tally, ahead);
        self.settle();
    }

    fn insert(&mut self, id: &str, query: Query, modified: i64, is_seen: bool) {
        self.left.remove(id);
        let before = self.queries.put(id, Key { query, modified, is_seen }, now());
        let was_seen = before.is_some_and(|before| before.query == query && before.is_seen);
        if let Some(before) = before {
            self.discount(before);
        }
        *self.tally.entry(of(query)).or_default() += 1;
        self.ahead += usize::from(!is_seen && !was_seen);
    }

    fn discount(&mut self, key: Key) {
        self.ahead -= usize::from(!key.is_seen);
        if let Some(queries) = self.tally.get_mut(&of(key.query)) {
            *queries -= 1;
            if *queries == 0 {
                self.tally.remove(&of(key.query));
            }
        }
    }

    fn leave(&mut self, id: Box<str>, now: Instant) {
        self.left.insert(id, now);
        while let Some((_, at)) = self.left.front()
            && (self.left.len() > MAX_LEFT || now.saturating_duration_since(*at) >= LEFT_FOR)
        {
            self.left.pop_front();
        }
    }

    /// Forgets deletions that the copy has come past.
    fn settle(&mut self) {
        while let Some((revision, _)) = self.deleted.front()
            && *revision <= self.revision
            && let Some((_, id)) = self.deleted.pop_front()
        {
            self.ending.remove(&id);
        }
    }
}

/// The strategy and birth, by which queries hold drains.
pub(super) fn of(query: Query) -> (usize, u64) {
    (query.strategy.index(), query.birth)
}

/// The age of a put counts from when it was learned of.
fn now() -> Instant {
    tokio::time::Instant::now().into_std()
}
