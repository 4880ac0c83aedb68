//! The decoder's tables (RFC 7541, 2.3): ready-made fields by index.

use std::collections::VecDeque;

use bytes::Bytes;

use super::{DecodeError, Field, OVERHEAD, name::Name, static_table};

/// A field with its size and name.
#[derive(Debug)]
pub(super) struct Entry {
    pub(super) field: Field,
    /// Name, value and overhead, in bytes.
    pub(super) size: usize,
    pub(super) name_len: usize,
    /// The name of the field, if its value is malformed.
    name: Name,
}

impl Entry {
    /// Creates an entry from a name of `name_len` bytes and `value`, which `keep` copies if needed.
    pub(super) fn new(name: Name, name_len: usize, value: &[u8], keep: impl FnOnce(&[u8]) -> Bytes) -> Self {
        let size = name_len + value.len() + OVERHEAD;
        let (field, name) = match name.field(value, keep) {
            Ok(field) => (field, Name::Malformed),
            Err(name) => (Field::Malformed, name),
        };
        Self { field, size, name_len, name }
    }

    /// The name, for another field.
    pub(super) fn name(&self) -> Name {
        if self.field == Field::Malformed { self.name.clone() } else { Name::of(&self.field) }
    }
}

/// The static table followed by the dynamic table.
#[derive(Debug)]
pub(super) struct Table {
    fixed: &'static [Entry; static_table::LEN],
    /// The newest comes first.
    entries: VecDeque<Entry>,
    /// The sum of the entries' sizes, in bytes.
    size: usize,
    max_size: usize,
}

impl Table {
    pub(super) fn new(max_size: usize) -> Self {
        Self { fixed: &static_table::ENTRIES, entries: VecDeque::new(), size: 0, max_size }
    }

    /// The entry at `index`. The first static entry has index 1.
    #[inline]
    pub(super) fn get(&self, index: usize) -> Result<&Entry, DecodeError> {
        // Index 0 is not static, and wraps to a value beyond the dynamic table.
        let place = index.wrapping_sub(1);
        let entry = match self.fixed.get(place) {
            Some(entry) => Some(entry),
            None => self.entries.get(place.wrapping_sub(static_table::LEN)),
        };
        entry.ok_or_else(|| DecodeError::Index { index, last: static_table::LEN + self.entries.len() })
    }

    /// Adds an entry. One larger than the table empties it (RFC 7541, 4.4).
    pub(super) fn insert(&mut self, entry: Entry) {
        self.evict(self.max_size.saturating_sub(entry.size));
        if entry.size <= self.max_size {
            self.size += entry.size;
            self.entries.push_front(entry);
        }
    }

    /// Sets the total size limit, in bytes.
    pub(super) fn resize(&mut self, max_size: usize) {
        self.max_size = max_size;
        self.evict(max_size);
    }

    fn evict(&mut self, size: usize) {
        while self.size > size
            && let Some(entry) = self.entries.pop_back()
        {
            self.size -= entry.size;
        }
    }

    /// The dynamic entries from the newest, and their size.
    #[cfg(any(test, feature = "inspect"))]
    pub(super) fn dynamic(&self) -> (Vec<Field>, usize) {
        (self.entries.iter().map(|entry| entry.field.clone()).collect(), self.size)
    }
}
