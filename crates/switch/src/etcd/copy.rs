//! An instance's copy of the record. It is never wrong, only late: a query's strategy does not change. Pure: it takes in
//! what was listed, what a watch says, and what this instance itself has put and ended.

use std::{
    collections::{BTreeMap, HashMap, VecDeque},
    time::{Duration, Instant},
};

use hashlink::LinkedHashMap;
use protocol::Strategy;

use crate::{course::Course, queries::Query};

/// For how long it is known that a query has left the record.
pub const LEFT_FOR: Duration = Duration::from_secs(60);
/// Of how many queries that is known at most; older ones are looked up.
pub const MAX_LEFT: usize = 65_536;

/// What happened to a query's key.
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

/// What the copy knows of an id.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Known {
    /// The query has a key, or will have one.
    OnRecord(Query),
    /// It has left the record a short time ago.
    Left,
    /// Nothing: etcd has to be asked.
    Unknown,
}

/// The copy.
#[derive(Debug, Default)]
pub struct RecordCopy {
    /// All that is not newer is in it.
    revision: i64,
    queries: HashMap<Box<str>, Entry>,
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
struct Entry {
    query: Query,
    /// The revision of its last put, as far as known.
    modified: i64,
    /// Its key is one of those at the copy's revision.
    is_seen: bool,
}

#[derive(Clone, Copy, Debug)]
struct Ending {
    /// Its key is one of those at the copy's revision.
    is_seen: bool,
}

impl RecordCopy {
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
        self.queries.is_empty()
    }

    /// What is known of an id.
    pub fn get(&self, id: &str, now: Instant) -> Known {
        if let Some(entry) = self.queries.get(id) {
            return Known::OnRecord(entry.query);
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
        let unseen = self.queries.iter().filter(|(_, entry)| !entry.is_seen);
        unseen.map(|(id, entry)| (id.clone(), entry.query)).collect()
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
            self.insert(id.into(), query, revision, false);
        }
    }

    /// This instance has let a query end: it is off the record, and its key is about to be deleted. `found`: the query,
    /// where it was looked up and may not be in the copy yet. `None` where it has ended already.
    pub fn end(&mut self, id: &str, found: Option<Query>, now: Instant) -> Option<Query> {
        let (query, is_seen) = match self.queries.remove(id) {
            Some(entry) => {
                self.discount(entry);
                (entry.query, entry.is_seen)
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
                        None => self.insert(id, query, revision, true),
                    }
                }
                RecordChange::Deleted { id, revision } if revision > self.revision => {
                    if let Some(entry) = self.queries.remove(&id) {
                        self.discount(entry);
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
        let before = std::mem::take(&mut self.queries);
        (self.tally, self.ahead, self.revision) = (BTreeMap::new(), 0, revision);
        self.ending.values_mut().for_each(|ending| ending.is_seen = false);
        for (id, query, modified) in list {
            match self.ending.get_mut(&id) {
                Some(ending) => ending.is_seen = true,
                None => self.insert(id, query, modified, true),
            }
        }
        for (id, entry) in before {
            if entry.modified > revision && !self.queries.contains_key(&id) {
                self.insert(id, entry.query, entry.modified, false);
            }
        }
        self.settle();
    }

    fn insert(&mut self, id: Box<str>, query: Query, modified: i64, is_seen: bool) {
        self.left.remove(&id);
        let before = self.queries.get(&id).copied();
        let modified = before.map_or(modified, |before| before.modified.max(modified));
        let is_seen = is_seen || before.is_some_and(|before| before.is_seen);
        if let Some(before) = before {
            self.discount(before);
        }
        self.queries.insert(id, Entry { query, modified, is_seen });
        *self.tally.entry((query.strategy.index(), query.birth)).or_default() += 1;
        self.ahead += usize::from(!is_seen);
    }

    fn discount(&mut self, entry: Entry) {
        self.ahead -= usize::from(!entry.is_seen);
        let of = (entry.query.strategy.index(), entry.query.birth);
        if let Some(queries) = self.tally.get_mut(&of) {
            *queries -= 1;
            if *queries == 0 {
                self.tally.remove(&of);
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
