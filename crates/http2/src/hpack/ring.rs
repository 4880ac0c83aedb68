//! The encoder's dynamic table (RFC 7541, 2.3.2): a ring of entries, a ring of their texts, and a hash index. It
//! allocates for the first entry, and while the rings grow.

use std::collections::VecDeque;

use super::{DEFAULT_TABLE_SIZE, OVERHEAD};

/// Texts are contiguous, so the end of the ring may stay unused. Twice the table size is always enough.
const TEXTS: usize = DEFAULT_TABLE_SIZE * 2;

const BUCKETS: usize = 32;
const WAYS: usize = 4;

/// The table, newest entry first. A slot refers to its entry by insertion number, which wraps around.
pub(super) struct Ring {
    entries: VecDeque<Entry>,
    texts: Vec<u8>,
    /// The offset of the next text.
    end: usize,
    /// A full bucket drops its oldest slot. That entry is then inserted again, which is no error.
    slots: Vec<[Slot; WAYS]>,
    /// The number of the next entry.
    next: u32,
    /// The sum of the entries' sizes, in bytes.
    size: usize,
    max_size: usize,
}

/// A name followed by its value.
#[derive(Clone, Copy, Default)]
struct Entry {
    start: u16,
    name: u16,
    value: u16,
}

/// The number of an entry and the hash of its texts. Slots of evicted entries stay and are recognized.
#[derive(Clone, Copy, Default)]
struct Slot {
    tag: u32,
    number: u32,
}

impl Entry {
    fn size(self) -> usize {
        usize::from(self.name) + usize::from(self.value) + OVERHEAD
    }
}

impl Ring {
    pub(super) fn new(max_size: usize) -> Self {
        Self {
            entries: VecDeque::new(),
            texts: Vec::new(),
            end: 0,
            slots: Vec::new(),
            next: 0,
            size: 0,
            max_size: max_size.min(DEFAULT_TABLE_SIZE),
        }
    }

    pub(super) fn max_size(&self) -> usize {
        self.max_size
    }

    /// The number of entries, and their size in bytes.
    pub(super) fn extent(&self) -> (usize, usize) {
        (self.entries.len(), self.size)
    }

    /// Sets the total size limit, in bytes.
    pub(super) fn resize(&mut self, max_size: usize) {
        self.max_size = max_size.min(DEFAULT_TABLE_SIZE);
        self.evict(self.max_size);
    }

    /// The age of the entry under `hash` whose name and value satisfy `is`: the number of newer entries.
    #[inline]
    pub(super) fn find(&self, hash: u64, is: impl Fn(&[u8], &[u8]) -> bool) -> Option<usize> {
        let tag = tag(hash);
        self.slots.get(bucket(hash))?.iter().find_map(|slot| {
            let age = self.age(*slot);
            if slot.tag != tag || age >= self.entries.len() {
                return None;
            }
            let (name, value) = self.texts(age);
            is(name, value).then_some(age)
        })
    }

    /// Adds an entry, which must fit the table, under each of `hashes`.
    pub(super) fn insert(&mut self, name: &[u8], value: &[u8], hashes: &[u64]) {
        let len = name.len() + value.len();
        self.slots.resize(BUCKETS, <[Slot; WAYS]>::default());
        self.evict(self.max_size - (len + OVERHEAD));
        if self.end + len > TEXTS {
            self.end = 0;
        }
        let (start, end) = (self.end, self.end + len);
        if self.texts.len() < end {
            self.texts.resize(end.next_power_of_two(), 0);
        }
        self.texts[start..start + name.len()].copy_from_slice(name);
        self.texts[start + name.len()..end].copy_from_slice(value);
        self.end = end;
        let number = self.next;
        // Every entry fits the table, whose size fits `u16`.
        let entry = Entry { start: start as u16, name: name.len() as u16, value: value.len() as u16 };
        self.entries.push_front(entry);
        self.size += entry.size();
        self.next = number.wrapping_add(1);
        for hash in hashes {
            self.index(*hash, number);
        }
    }

    fn index(&mut self, hash: u64, number: u32) {
        let (tag, bucket) = (tag(hash), bucket(hash));
        let ages = self.slots[bucket].map(|slot| if slot.tag == tag { usize::MAX } else { self.age(slot) });
        let oldest = (0..WAYS).max_by_key(|way| ages[*way]).unwrap_or(0);
        self.slots[bucket][oldest] = Slot { tag, number };
    }

    /// The number of entries newer than a slot's, unless that entry was evicted.
    #[inline]
    fn age(&self, slot: Slot) -> usize {
        self.next.wrapping_sub(slot.number).wrapping_sub(1) as usize
    }

    #[inline]
    fn texts(&self, age: usize) -> (&[u8], &[u8]) {
        let entry = self.entries[age];
        let text = &self.texts[entry.start.into()..];
        let (name, rest) = text.split_at(entry.name.into());
        (name, &rest[..entry.value.into()])
    }

    fn evict(&mut self, size: usize) {
        while self.size > size
            && let Some(oldest) = self.entries.pop_back()
        {
            self.size -= oldest.size();
        }
    }
}

fn tag(hash: u64) -> u32 {
    (hash >> 32) as u32
}

fn bucket(hash: u64) -> usize {
    hash as usize % BUCKETS
}

#[cfg(test)]
mod tests {
    use proptest::{collection::vec, prelude::*};

    use super::*;

    proptest! {
        /// For all lengths, and all resizes in between.
        #[test]
        fn texts_stay_until_their_entry_is_evicted(
            steps in vec((0..70usize, prop_oneof![0..40usize, 0..3000usize], 0..9usize), 1..300)
        ) {
            let mut ring = Ring::new(DEFAULT_TABLE_SIZE);
            let mut model = VecDeque::new();
            for (step, (name, value, shrink)) in steps.into_iter().enumerate() {
                if shrink == 0 {
                    ring.resize(name * 10);
                    ring.resize(DEFAULT_TABLE_SIZE);
                }
                let byte = step as u8;
                let (name, value) = (vec![byte; name], vec![!byte; value]);
                ring.insert(&name, &value, &[step as u64]);
                model.push_front((name, value));
                model.truncate(ring.entries.len());
                let size: usize = model.iter().map(|(name, value)| name.len() + value.len() + OVERHEAD).sum();
                prop_assert_eq!(ring.extent(), (model.len(), size));
                prop_assert!(size <= DEFAULT_TABLE_SIZE);
                for (age, (name, value)) in model.iter().enumerate() {
                    prop_assert_eq!(ring.texts(age), (&name[..], &value[..]));
                }
            }
        }
    }

    #[test]
    fn numbers_wrap_around() {
        let mut ring = Ring::new(DEFAULT_TABLE_SIZE);
        ring.next = u32::MAX - 1;
        for number in 0..4u8 {
            ring.insert(&[number], &[], &[number.into()]);
        }
        for number in 0..4u8 {
            let age = ring.find(number.into(), |name, _| name == [number]);
            assert_eq!(age, Some(3 - usize::from(number)));
        }
    }
}
