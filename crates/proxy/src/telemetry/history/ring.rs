//! The last calls of one network thread.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

use super::{Entry, store::MessageStore};
use crate::messages::Kept;

/// A fixed number of entries; the oldest is overwritten. Ids grow along the ring.
#[derive(Debug)]
pub(in crate::telemetry) struct Ring {
    /// Grows to its capacity, which is allocated at the start, and no further.
    entries: Vec<Entry>,
    capacity: usize,
    /// The entry that is overwritten next, once all are there.
    oldest: usize,
    /// The id that the next call of any thread gets.
    ids: Arc<AtomicU64>,
    /// The id of the last entry that was overwritten, or 0.
    evicted: u64,
    /// The messages of the entries, if they are kept.
    messages: Option<MessageStore>,
}

impl Ring {
    /// Creates a ring of `capacity` entries; `stored` bytes are for messages.
    pub(super) fn new(capacity: usize, ids: Arc<AtomicU64>, stored: Option<usize>) -> Self {
        let messages = stored.map(MessageStore::new);
        let mut entries = Vec::with_capacity(capacity);
        teal_memory::prefer_huge_pages(&mut entries);
        Self { entries, capacity, oldest: 0, ids, evicted: 0, messages }
    }

    /// The entry of the next call, with its id. What else is in it is of an earlier call.
    pub(in crate::telemetry) fn claim(&mut self) -> &mut Entry {
        // Within the lock of this ring, so that a reader who has seen a later id finds the entry.
        let id = self.ids.fetch_add(1, Ordering::Relaxed);
        let at = if self.entries.len() < self.capacity {
            self.entries.push(Entry::empty());
            self.entries.len() - 1
        } else {
            let at = self.oldest;
            self.oldest = if at + 1 == self.capacity { 0 } else { at + 1 };
            self.evicted = self.entries[at].id;
            self.entries[self.oldest].prefetch();
            at
        };
        let entry = &mut self.entries[at];
        entry.id = id;
        entry
    }

    /// Keeps the messages of the entry that was claimed last.
    pub(in crate::telemetry) fn keep(&mut self, kept: Kept) {
        let Some(messages) = &mut self.messages else { return };
        // The last one is before the oldest, once all are there.
        let last = self.oldest.checked_sub(1).unwrap_or(self.entries.len() - 1);
        messages.forget(self.evicted);
        messages.add(self.entries[last].id, kept);
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
        let (newer, older) = self.entries.split_at(self.oldest);
        let mut left = most;
        for part in [older, newer] {
            let start = part.partition_point(|entry| entry.id < from);
            let part = &part[start..];
            let end = part.partition_point(|entry| entry.id < until);
            let taken = end.min(left);
            found.extend_from_slice(&part[..taken]);
            if taken < end {
                return true;
            }
            left -= taken;
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
        (found.iter().map(|entry| entry.id).collect(), has_more)
    }

    #[test]
    fn the_oldest_entries_are_overwritten() {
        let counter = Arc::new(AtomicU64::new(1));
        let mut ring = Ring::new(4, counter.clone(), None);
        assert_eq!(ids(&ring, 0, u64::MAX, 10), (vec![], false));
        for expected in [1, 2, 3] {
            assert_eq!(ring.claim().id, expected);
        }
        // Another thread has calls in between.
        counter.store(10, Ordering::Relaxed);
        assert_eq!((ring.claim().id, ring.evicted()), (10, 0));
        assert_eq!((ring.claim().id, ring.claim().id, ring.evicted()), (11, 12, 2));
        assert_eq!(ring.entries.capacity(), 4, "it does not grow");
        assert_eq!(ids(&ring, 0, u64::MAX, 10), (vec![3, 10, 11, 12], false));
        assert_eq!(ids(&ring, 4, 12, 10), (vec![10, 11], false));
        assert_eq!(ids(&ring, 0, u64::MAX, 3), (vec![3, 10, 11], true));
        assert_eq!(ids(&ring, 13, u64::MAX, 3), (vec![], false));
    }
}
