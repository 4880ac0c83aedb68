//! The last calls of one network thread.

use std::{
    collections::VecDeque,
    slice,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use prefetch_index::prefetch_index;

use super::{
    Entry,
    entry::{Facts, Texts},
    store::MessageStore,
};
use crate::messages::Kept;

/// The entries of a block, in a ring that has room for many blocks.
pub(super) const BLOCK: usize = 128;
/// A smaller ring has so many blocks, or blocks of one entry.
const BLOCKS: usize = 8;

/// Blocks of entries; the oldest block is overwritten as soon as its calls need not be kept any more. Ids grow along the ring.
///
/// So threads that have an equal part of the calls use an equal part of the memory, much of which stays in the processor's
/// caches.
#[derive(Debug)]
pub(in crate::telemetry) struct Ring {
    /// The blocks with entries, oldest first. New entries go into the last one.
    blocks: VecDeque<Block>,
    /// The entries of a block.
    size: usize,
    /// The most blocks.
    most: usize,
    /// How many of the last calls of all threads are kept, as far as there is room.
    calls: u64,
    /// The id that the next call of any thread gets.
    ids: Arc<AtomicU64>,
    /// The id of the last entry that was overwritten, or 0.
    evicted: u64,
    /// The messages of the entries, if they are kept.
    messages: Option<MessageStore>,
}

/// Entries, one after the other. Facts and texts lie apart, because most calls have no texts.
#[derive(Debug)]
struct Block {
    facts: Vec<Facts>,
    texts: Vec<Texts>,
    /// The entries that count; behind them are overwritten ones.
    len: usize,
}

impl Block {
    fn new(size: usize) -> Self {
        Self { facts: Vec::with_capacity(size), texts: Vec::with_capacity(size), len: 0 }
    }

    fn facts(&self) -> &[Facts] {
        &self.facts[..self.len]
    }

    fn last(&self) -> u64 {
        self.facts().last().map_or(0, |facts| facts.id)
    }

    /// Adds an entry, whose fields are of an earlier call.
    fn add(&mut self) -> (&mut Facts, &mut Texts) {
        let at = self.len;
        self.len += 1;
        if at == self.facts.len() {
            self.facts.push(Facts::empty());
            self.texts.push(Texts::default());
        }
        (&mut self.facts[at], &mut self.texts[at])
    }

    /// Asks for the memory of an entry, and does not wait for it. A call that had to wait for it at its end would take
    /// several percent longer.
    fn prefetch(&self, at: usize) {
        if let Some(facts) = self.facts.get(at) {
            prefetch_index(slice::from_ref(&facts.id), 0);
            prefetch_index(slice::from_ref(&facts.session), 0);
            prefetch_index(&self.texts, at);
        }
    }
}

impl Ring {
    /// Creates a ring of at most `capacity` entries for the last `calls` of all threads; `stored` bytes are for messages.
    pub(super) fn new(capacity: usize, calls: usize, ids: Arc<AtomicU64>, stored: Option<usize>) -> Self {
        let size = (capacity / BLOCKS).clamp(1, BLOCK);
        let messages = stored.map(MessageStore::new);
        Self {
            blocks: VecDeque::new(),
            size,
            most: (capacity / size).max(1),
            calls: calls as u64,
            ids,
            evicted: 0,
            messages,
        }
    }

    /// The entry of the next call, with its id. Its other fields are of an earlier call.
    pub(in crate::telemetry) fn claim(&mut self) -> (&mut Facts, &mut Texts) {
        // Within the lock of this ring, so that a reader who has seen a later id finds the entry.
        let id = self.ids.fetch_add(1, Ordering::Relaxed);
        if self.blocks.back().is_none_or(|block| block.len == self.size) {
            self.begin_block(id);
        }
        self.prefetch_next();
        let entry = self.blocks.back_mut().expect("a block was begun").add();
        entry.0.id = id;
        entry
    }

    /// Asks for the memory of the entry after the one that is claimed now.
    fn prefetch_next(&self) {
        match (self.blocks.back(), self.blocks.front()) {
            (Some(last), _) if last.len + 1 < self.size => last.prefetch(last.len + 1),
            // It is overwritten next, unless a new block begins.
            (_, Some(oldest)) => oldest.prefetch(0),
            _ => {}
        }
    }

    /// Begins the block of the call with this id: the oldest one, or a new one while its calls are to be kept.
    fn begin_block(&mut self, id: u64) {
        let is_over = |block: &Block| block.last() + self.calls < id;
        let block = if self.blocks.len() == self.most || self.blocks.front().is_some_and(is_over) {
            self.blocks.pop_front()
        } else {
            None
        };
        let mut block = block.unwrap_or_else(|| Block::new(self.size));
        self.evicted = self.evicted.max(block.last());
        block.len = 0;
        self.blocks.push_back(block);
    }

    /// Keeps the messages of the entry that was claimed last.
    pub(in crate::telemetry) fn keep(&mut self, kept: Kept) {
        let (Some(messages), Some(block)) = (&mut self.messages, self.blocks.back()) else { return };
        let id = block.last();
        messages.forget(self.evicted.max(id.saturating_sub(self.calls)));
        messages.add(id, kept);
    }

    /// The messages of a call, if they are kept.
    pub(in crate::telemetry) fn messages(&self, id: u64) -> Option<Arc<Kept>> {
        self.messages.as_ref()?.get(id)
    }

    /// The id of the last entry that was overwritten, or 0.
    pub(in crate::telemetry) fn evicted(&self) -> u64 {
        self.evicted
    }

    /// Appends the entries with ids from `from` until before `until` to `found`, oldest first, `most` at most. Returns
    /// whether there may be more.
    pub(in crate::telemetry) fn read(
        &self,
        from: u64,
        until: u64,
        most: usize,
        found: &mut Vec<Entry>,
    ) -> bool {
        let mut left = most;
        for block in self.blocks.iter().skip(self.blocks.partition_point(|block| block.last() < from)) {
            let start = block.facts().partition_point(|facts| facts.id < from);
            let end = block.facts().partition_point(|facts| facts.id < until).max(start);
            let taken = start..end.min(start + left);
            let entries = block.facts[taken.clone()].iter().zip(&block.texts[taken.clone()]);
            found.extend(entries.map(|(facts, texts)| Entry { facts: facts.clone(), texts: texts.clone() }));
            left -= taken.len();
            if taken.end < end {
                return true;
            }
            if end < block.len {
                break;
            }
        }
        false
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ids(ring: &Ring, from: u64, until: u64, most: usize) -> (Vec<u64>, bool) {
        let mut found = Vec::new();
        let has_more = ring.read(from, until, most, &mut found);
        (found.iter().map(Entry::id).collect(), has_more)
    }

    #[test]
    fn the_oldest_entries_are_overwritten() {
        let counter = Arc::new(AtomicU64::new(1));
        let mut ring = Ring::new(4, 100, counter.clone(), None);
        assert_eq!(ids(&ring, 0, u64::MAX, 10), (vec![], false));
        for expected in [1, 2, 3] {
            assert_eq!(ring.claim().0.id, expected);
        }
        // Another thread has calls in between.
        counter.store(10, Ordering::Relaxed);
        assert_eq!((ring.claim().0.id, ring.evicted()), (10, 0));
        assert_eq!((ring.claim().0.id, ring.claim().0.id, ring.evicted()), (11, 12, 2));
        assert_eq!(ring.blocks.len(), 4, "it does not grow");
        assert_eq!(ids(&ring, 0, u64::MAX, 10), (vec![3, 10, 11, 12], false));
        assert_eq!(ids(&ring, 4, 12, 10), (vec![10, 11], false));
        assert_eq!(ids(&ring, 0, u64::MAX, 3), (vec![3, 10, 11], true));
        assert_eq!(ids(&ring, 13, u64::MAX, 3), (vec![], false));
    }

    #[test]
    fn a_ring_shares_memory_with_other_threads() {
        let counter = Arc::new(AtomicU64::new(1));
        let mut ring = Ring::new(4 * BLOCK, BLOCK, counter.clone(), None);
        let lengths = |ring: &Ring| ring.blocks.iter().map(|block| block.facts.capacity()).sum::<usize>();
        for _ in 0..10 * BLOCK {
            ring.claim();
            // As many calls of another thread.
            counter.fetch_add(1, Ordering::Relaxed);
        }
        let next = counter.load(Ordering::Relaxed);
        assert_eq!(ids(&ring, next - BLOCK as u64, u64::MAX, BLOCK).0.len(), BLOCK / 2);
        assert!(lengths(&ring) <= BLOCK, "{}", lengths(&ring));
        // Alone, it keeps all calls.
        (0..10 * BLOCK).for_each(|_| _ = ring.claim());
        let next = counter.load(Ordering::Relaxed);
        let kept = ids(&ring, next - BLOCK as u64, u64::MAX, 2 * BLOCK);
        assert_eq!(kept, ((next - BLOCK as u64..next).collect(), false));
        assert!(ring.evicted() < next - BLOCK as u64);
        assert!(lengths(&ring) <= 2 * BLOCK, "{}", lengths(&ring));
    }
}
