//! The last calls of one network thread.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

use super::Entry;

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
}

impl Ring {
    pub(super) fn new(capacity: usize, ids: Arc<AtomicU64>) -> Self {
        Self { entries: Vec::with_capacity(capacity), capacity, oldest: 0, ids, evicted: 0 }
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
            at
        };
        let entry = &mut self.entries[at];
        entry.id = id;
        entry
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
        let mut ring = Ring::new(4, counter.clone());
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
