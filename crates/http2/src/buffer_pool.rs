//! Buffers for reading and writing, which belong to the thread: an idle connection has none.

use std::cell::RefCell;

use bytes::BytesMut;

/// Bytes that a fresh buffer has room for.
pub(crate) const SIZE: usize = 64 << 10;
/// So many are kept by each thread; a busier one allocates more, and frees them again.
const KEPT: usize = 4;

thread_local! {
    static POOL: RefCell<Vec<BytesMut>> = const { RefCell::new(Vec::new()) };
}

/// An empty buffer.
pub(crate) fn take() -> BytesMut {
    POOL.with_borrow_mut(Vec::pop).unwrap_or_else(|| BytesMut::with_capacity(SIZE))
}

/// Puts an empty buffer back for whoever needs one next.
pub(crate) fn give(mut buffer: BytesMut) {
    debug_assert!(buffer.is_empty(), "nothing is lost");
    // One that lent its memory to data may get it back, if nobody has that any more.
    if buffer.try_reclaim(SIZE) && buffer.capacity() <= 4 * SIZE {
        POOL.with_borrow_mut(|pool| {
            if pool.len() < KEPT {
                pool.push(buffer);
            }
        });
    }
}
