//! The allocator of the program, and how it gives memory back.
//!
//! mimalloc: with the C library's allocator a call costs up to half more CPU, and most of what a load of many calls took
//! stays resident for ever. Huge pages are off: with them a thousand idle connections take twice as much.

/// What allocates.
pub type Allocator = mimalloc::MiMalloc;

/// What allocates.
pub const ALLOCATOR: Allocator = mimalloc::MiMalloc;

/// Gives back to the system what this thread has freed and not used again. A thread that rests does so for itself only,
/// so it is to be called from time to time on each.
pub fn release() {
    // SAFETY: it takes no pointer, and may be called by any thread at any time.
    unsafe { libmimalloc_sys::mi_collect(true) }
}
