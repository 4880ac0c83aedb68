//! The history of calls: the last ones, each written once into the ring of its network thread, when it ends. Readers
//! copy the rings bit by bit and merge them by id.

mod entry;
mod filter;
mod message;
mod messages;
mod ring;
mod spare;
mod store;
mod text;
mod view;

#[cfg(test)]
mod tests;

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

use protocol::{Protocol, Reflection, Strategy};
use serde_json::Value;

pub(crate) use self::entry::Counter;
use self::ring::BLOCK;
pub use self::{
    entry::Entry,
    filter::{BadCondition, Conditions, Filter, Since},
    messages::{Message, Messages},
    view::Call,
};
pub(super) use self::{
    entry::{End, Pending},
    ring::Ring,
};
use super::collector::{Clock, Collector};
use crate::{
    adoption::LARGEST_KEY,
    messages::{Keeping, Kept},
};

/// The most memory that an entry takes, with the name of a client that nobody else keeps.
const COST: usize = size_of::<Entry>() + LARGEST_KEY;
/// This part of the memory is for messages of calls in progress.
const IN_PROGRESS: usize = 8;
/// The most entries that are copied at once: a network thread waits that long for a reader.
const COPIED: usize = 128;

/// How much is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// The last calls that are kept, of all threads; 0 for none.
    pub calls: usize,
    /// Bytes, an equal part for each thread. Of those half are for messages, if these are kept.
    pub bytes: usize,
    /// The most bytes of a call's messages that are kept in each direction; 0 for none.
    pub messages: usize,
    /// Network threads.
    pub threads: usize,
}

impl Limits {
    /// Nothing is kept.
    pub const OFF: Self = Self { calls: 0, bytes: 0, messages: 0, threads: 1 };

    /// The bytes of one thread.
    fn part(&self) -> usize {
        self.bytes / self.threads.max(1)
    }

    /// The most entries of one thread. The oldest block goes at once, while another one is not full.
    fn capacity(&self) -> usize {
        let part = if self.messages > 0 { self.part() / 2 } else { self.part() };
        (self.calls + 2 * BLOCK).min((part / COST).max(1))
    }

    /// The bytes of one thread for the messages of calls that have ended.
    fn stored(&self) -> usize {
        self.part().saturating_sub(self.capacity() * COST + self.part() / IN_PROGRESS)
    }

    /// The bytes of all threads for the messages of calls in progress.
    fn in_progress(&self) -> usize {
        self.bytes / IN_PROGRESS
    }

    /// The most bytes of a call's messages in each direction: a thread has room for several.
    fn most(&self) -> usize {
        self.messages.min(self.stored() / 8)
    }
}

/// The parts that all threads share.
#[derive(Debug)]
pub(super) struct Shared {
    limits: Limits,
    /// The id that the next call gets.
    ids: Arc<AtomicU64>,
    /// Takes note of messages, and decodes them, if they are kept.
    messages: Option<(Keeping, Reflection)>,
}

impl Shared {
    pub(super) fn new(limits: Limits, protocol: &Protocol) -> Self {
        let keeps = limits.calls > 0 && limits.messages > 0;
        let messages = keeps.then(|| {
            let keeping = Keeping::new(protocol.roles().clone(), limits.most(), limits.in_progress());
            // A set that cannot be linked was refused with the settings.
            (keeping, Reflection::new(protocol).unwrap_or_default())
        });
        Self { limits, ids: Arc::new(AtomicU64::new(1)), messages }
    }

    /// The ring of one more thread, if calls are kept.
    pub(super) fn ring(&self) -> Option<Ring> {
        let stored = self.messages.as_ref().map(|_| self.limits.stored());
        (self.limits.calls > 0)
            .then(|| Ring::new(self.limits.capacity(), self.limits.calls, self.ids.clone(), stored))
    }

    /// Takes note of messages, if they are kept.
    pub(super) fn keeping(&self) -> Option<Keeping> {
        self.messages.as_ref().map(|(keeping, _)| keeping.clone())
    }
}

/// Reads the calls that are kept.
#[derive(Clone, Debug)]
pub struct History {
    collector: Collector,
}

impl History {
    /// Reads those of a collector, if it keeps any.
    pub(super) fn of(collector: &Collector) -> Option<Self> {
        (collector.kept().limits.calls > 0).then(|| Self { collector: collector.clone() })
    }

    /// The id that the next call gets.
    pub fn next(&self) -> u64 {
        self.collector.kept().ids.load(Ordering::Relaxed)
    }

    /// The id from which on no call has left the history.
    pub fn complete_from(&self) -> u64 {
        let evicted = self.collector.shards().iter().map(|shard| shard.evicted()).max().unwrap_or_default();
        self.oldest(self.next()).max(evicted + 1)
    }

    /// The oldest id that may be there, while the next call gets the id `next`.
    pub fn oldest(&self, next: u64) -> u64 {
        next.saturating_sub(self.collector.kept().limits.calls as u64).max(1)
    }

    /// The calls with ids from `from` until before `until` that are kept, sorted by id.
    pub fn read(&self, from: u64, until: u64) -> Vec<Entry> {
        // What has an id before this number is in its ring once that can be locked.
        let next = self.next();
        let (from, until) = (from.max(self.oldest(next)), until.min(next));
        let mut found = Vec::new();
        for shard in self.collector.shards() {
            let mut at = from;
            // Room is made outside of the lock, and the thread may go on in between.
            found.reserve(COPIED);
            while shard.read_calls(at, until, COPIED, &mut found) {
                at = found.last().map_or(at, |entry| entry.facts.id + 1);
                found.reserve(COPIED);
            }
        }
        found.sort_unstable_by_key(|entry| entry.facts.id);
        found
    }

    /// The calls that a filter chooses, sorted by id.
    pub fn find(&self, filter: &Filter) -> Vec<Entry> {
        let from = match filter.since {
            Since::Call(id) => id.saturating_add(1),
            Since::Start | Since::Epoch(_) | Since::Time(_) => 0,
        };
        let mut found = self.read(from, u64::MAX);
        found.retain(|entry| filter.has_begun(entry) && self.missed(filter, entry) == 0);
        found
    }

    /// How many conditions of a filter do not hold for a call.
    pub fn missed(&self, filter: &Filter, entry: &Entry) -> usize {
        filter.missed(entry, self.method(entry))
    }

    /// The name of a call's method; `other` if it is unknown.
    pub fn method(&self, entry: &Entry) -> &str {
        let label = self.collector.labels().get(entry.facts.label).map_or("", String::as_str);
        label.rsplit('/').next().unwrap_or_default()
    }

    /// Shows a call; `engine` is that of its strategy.
    pub fn view(&self, entry: &Entry, engine: impl FnOnce(Strategy) -> String) -> Call {
        view::view(entry, self.method(entry), engine, |at| self.clock().rfc3339(at))
    }

    /// Shows the messages of a call; `None` if no messages are kept.
    pub fn messages(&self, entry: &Entry) -> Option<Messages> {
        let (_, reflection) = self.collector.kept().messages.as_ref()?;
        let mut messages = match self.kept(entry) {
            Some(kept) => messages::view(&kept, reflection),
            None => Messages::none(messages::why_none(entry)),
        };
        if messages.have_rows() {
            messages.name_columns(self.columns(entry, reflection).as_ref());
        }
        Some(messages)
    }

    fn kept(&self, entry: &Entry) -> Option<Arc<Kept>> {
        self.collector.shards().iter().find_map(|shard| shard.messages(entry.facts.id))
    }

    /// The names of the columns of a call's query, if the call that asked for them is kept too.
    fn columns(&self, entry: &Entry, reflection: &Reflection) -> Option<Value> {
        let query = entry.query()?;
        let mut calls = self.read(0, entry.facts.id);
        calls.retain(|call| call.query() == Some(query) && self.method(call) == messages::METADATA);
        let kept = self.kept(calls.last()?)?;
        messages::columns(&kept, reflection)
    }

    fn clock(&self) -> Clock {
        self.collector.clock()
    }
}
