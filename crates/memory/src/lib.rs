//! The allocator of the program, a function that returns free memory to the system, and one that asks for huge pages.
//!
//! It is mimalloc: with the C library's allocator a call costs up to half more CPU, and most of the memory used under
//! load stays resident. It uses no huge pages by itself: with them a thousand idle connections take twice as much.
//!
//! ```
//! #[global_allocator]
//! static ALLOCATOR: teal_memory::Allocator = teal_memory::ALLOCATOR;
//!
//! drop(vec![0_u8; 64 << 20]);
//! teal_memory::release();
//! ```

/// The type of the allocator.
pub type Allocator = mimalloc::MiMalloc;

/// The allocator, for `#[global_allocator]`.
pub const ALLOCATOR: Allocator = mimalloc::MiMalloc;

/// The bytes of a huge page.
#[cfg(target_os = "linux")]
const HUGE: usize = 2 << 20;

/// Asks the system for huge pages under a vector's allocation, as far as it has whole ones. For memory that is written over
/// and over, a bit at a time: with small pages the processor looks for one of them each few writes. Where there are no huge
/// pages, nothing changes.
pub fn prefer_huge_pages<T>(memory: &mut Vec<T>) {
    #[cfg(target_os = "linux")]
    {
        let (start, len) = (memory.as_mut_ptr().addr(), memory.capacity() * size_of::<T>());
        let (from, until) = (start.next_multiple_of(HUGE), (start + len) / HUGE * HUGE);
        if from < until {
            let from_pointer = memory.as_mut_ptr().cast::<libc::c_void>().with_addr(from);
            // SAFETY: the range is within the allocation, and the advice leaves what is in it as it is.
            unsafe { libc::madvise(from_pointer, until - from, libc::MADV_HUGEPAGE) };
        }
    }
    #[cfg(not(target_os = "linux"))]
    let _ = memory;
}

/// Returns the memory that this thread has freed to the system. An idle thread does this only for itself, so call it
/// from time to time on each thread.
pub fn release() {
    // SAFETY: it takes no pointer, and may be called by any thread at any time.
    unsafe { libmimalloc_sys::mi_collect(true) }
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    #[test]
    fn advice_changes_nothing_in_memory() {
        for capacity in [0, 1, HUGE / 8, HUGE, 3 * HUGE] {
            let mut memory: Vec<u64> = Vec::with_capacity(capacity);
            memory.extend((0..capacity as u64).take(1000));
            prefer_huge_pages(&mut memory);
            assert!(memory.iter().copied().eq((0..capacity as u64).take(1000)));
            memory.resize(capacity, 7);
            assert!(memory[1000.min(capacity)..].iter().all(|value| *value == 7));
        }
    }
}
