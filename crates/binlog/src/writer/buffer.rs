//! A buffer for entries, whose bytes are charged to the queue.

use std::{cell::RefCell, fmt, sync::Arc};

use super::shared::Shared;

/// The bytes of most calls: a buffer rather begins with so many than grow for each entry.
const LEAST: usize = 2048;
/// Larger allocations are not used again.
const REUSED: usize = 2 * LEAST;
/// The most allocations that a thread keeps for the buffers to come.
const SPARE: usize = 32;

thread_local! {
    /// Calls begin and end on the same threads: their buffers are still in the cache.
    static SPARES: RefCell<Vec<Vec<u8>>> = const { RefCell::new(Vec::new()) };
}

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
    #[inline]
    pub fn reserve(&mut self, more: usize) -> Option<&mut Vec<u8>> {
        let wanted = self.bytes.len() + more;
        (wanted <= self.charged || self.grow(wanted)).then_some(&mut self.bytes)
    }

    /// Grows to `wanted` bytes at least, if the queue has room.
    fn grow(&mut self, wanted: usize) -> bool {
        let grown = wanted.max(self.charged * 2).max(LEAST);
        if !self.shared.charge(grown - self.charged) {
            return false;
        }
        self.charged = grown;
        if self.bytes.capacity() == 0 && grown <= REUSED {
            self.bytes = SPARES.with_borrow_mut(Vec::pop).unwrap_or_default();
        }
        self.bytes.reserve_exact(grown - self.bytes.len());
        true
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

    /// Takes the bytes out, with their charge.
    pub(super) fn take(&mut self) -> (Vec<u8>, usize) {
        (std::mem::take(&mut self.bytes), std::mem::take(&mut self.charged))
    }
}

impl Drop for Buffer {
    fn drop(&mut self) {
        self.shared.release(self.charged);
        let mut bytes = std::mem::take(&mut self.bytes);
        if (1..=REUSED).contains(&bytes.capacity()) {
            bytes.clear();
            // A thread that ends has none any more.
            _ = SPARES.try_with(|spares| {
                let mut spares = spares.borrow_mut();
                if spares.len() < SPARE {
                    spares.push(bytes);
                }
            });
        }
    }
}

/// Entries are what calls contain: they appear in no log.
impl fmt::Debug for Buffer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Buffer").field("len", &self.bytes.len()).finish_non_exhaustive()
    }
}
