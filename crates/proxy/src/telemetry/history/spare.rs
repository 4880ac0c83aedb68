//! Counters of requests' bytes that are used again, so that a call allocates none.

use std::{cell::RefCell, sync::Arc};

use super::entry::Counter;

/// The most counters that a thread keeps.
const KEPT: usize = 1024;

thread_local! {
    static SPARE: RefCell<Vec<Counter>> = const { RefCell::new(Vec::new()) };
}

/// A counter at 0.
pub(super) fn take() -> Counter {
    SPARE.with_borrow_mut(Vec::pop).unwrap_or_default()
}

/// Keeps a counter for another call, unless its request is still being read.
pub(super) fn give_back(mut counter: Counter) {
    if let Some(count) = Arc::get_mut(&mut counter) {
        *count.get_mut() = 0;
        SPARE.with_borrow_mut(|spare| {
            if spare.len() < KEPT {
                spare.push(counter);
            }
        });
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::Ordering;

    use super::*;

    #[test]
    fn a_counter_in_use_is_not_used_again() {
        let (counter, reader) = (take(), take());
        let used = reader.clone();
        counter.store(7, Ordering::Relaxed);
        give_back(counter);
        give_back(reader);
        let next = take();
        assert!(!Arc::ptr_eq(&next, &used));
        assert_eq!(next.load(Ordering::Relaxed), 0);
    }

    #[test]
    fn few_counters_are_kept() {
        let all: Vec<_> = (0..KEPT + 10).map(|_| take()).collect();
        all.into_iter().for_each(give_back);
        assert_eq!(SPARE.with_borrow(Vec::len), KEPT);
    }
}
