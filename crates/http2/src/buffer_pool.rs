//! A pool of read and write buffers per thread, so that an idle connection holds none.

use std::cell::RefCell;

use bytes::BytesMut;

/// The capacity of a new buffer, in bytes.
pub(crate) const SIZE: usize = 64 << 10;
/// The number of buffers that each thread keeps. A busy thread allocates more, and frees them again.
const KEPT: usize = 4;

thread_local! {
    static POOL: RefCell<Vec<BytesMut>> = const { RefCell::new(Vec::new()) };
}

/// Takes an empty buffer.
pub(crate) fn take() -> BytesMut {
    POOL.with_borrow_mut(Vec::pop).unwrap_or_else(|| BytesMut::with_capacity(SIZE))
}

/// Returns an empty buffer to the pool.
pub(crate) fn give(mut buffer: BytesMut) {
    debug_assert!(buffer.is_empty(), "nothing is lost");
    // The buffer can reclaim memory that it lent to data, once that data is dropped.
    if buffer.try_reclaim(SIZE) && buffer.capacity() <= 4 * SIZE {
        POOL.with_borrow_mut(|pool| {
            if pool.len() < KEPT {
                pool.push(buffer);
            }
        });
    }
}
