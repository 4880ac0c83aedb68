//! A buffer for entries, whose bytes are charged to the queue.

use std::{fmt, sync::Arc};

use super::shared::Shared;

/// The bytes of most calls: a buffer rather begins with so many than grow for each entry.
const LEAST: usize = 2048;

/// Entries on their way into the file. Empty at first; grows within the limit of the queue.
pub struct Buffer {
    bytes: Vec<u8>,
    /// Charged to the queue; at least the capacity.
    charged: usize,
    /// The calls that end in this buffer.
    calls: u64,
    shared: Arc<Shared>,
}

impl Buffer {
    pub(super) fn new(shared: Arc<Shared>) -> Self {
        Self { bytes: Vec::new(), charged: 0, calls: 0, shared }
    }

    /// The bytes to append to, with room for `more`; `None` if the queue has no room for them.
    pub fn reserve(&mut self, more: usize) -> Option<&mut Vec<u8>> {
        let wanted = self.bytes.len() + more;
        if wanted > self.charged {
            let grown = wanted.max(self.charged * 2).max(LEAST);
            if !self.shared.charge(grown - self.charged) {
                return None;
            }
            self.charged = grown;
            self.bytes.reserve_exact(grown - self.bytes.len());
        }
        Some(&mut self.bytes)
    }

    /// Removes the bytes; their room stays charged.
    pub fn clear(&mut self) {
        self.bytes.clear();
    }

    /// Counts a call as written, once this buffer is.
    pub fn ends_call(&mut self) {
        self.calls += 1;
    }

    /// The number of bytes.
    pub fn len(&self) -> usize {
        self.bytes.len()
    }

    /// Whether there are no entries.
    pub fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    /// The bytes.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    pub(super) fn calls(&self) -> u64 {
        self.calls
    }
}

impl Drop for Buffer {
    fn drop(&mut self) {
        self.shared.release(self.charged);
    }
}

/// Entries are what calls contain: they appear in no log.
impl fmt::Debug for Buffer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Buffer").field("len", &self.bytes.len()).finish_non_exhaustive()
    }
}
