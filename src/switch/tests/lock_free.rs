//! What is read without a lock, under every interleaving that the memory model allows.

mod atomic {
    pub(super) use loom::sync::atomic::{AtomicU64, Ordering};
}

// Compiled once more, with loom's atomics.
#[allow(clippy::duplicate_mod)]
#[path = "../heading.rs"]
mod heading;

use heading::Heading;
use loom::{
    sync::{Arc, Mutex},
    thread,
};

use crate::strategy::Strategy::{Blue, Green};

/// Promise 2: whoever is told of green finds green let in, for the phase is written before the heading.
#[test]
fn accepting_comes_before_announcing() {
    loom::model(|| {
        let shared = Arc::new((Mutex::new("STABLE"), Heading::new(Blue, 0)));
        let announcing = thread::spawn({
            let shared = shared.clone();
            move || {
                let mut phase = shared.0.lock().unwrap();
                *phase = "ANNOUNCED";
                shared.1.set(Green, 1);
            }
        });
        if shared.1.get().0 == Green {
            assert_eq!(*shared.0.lock().unwrap(), "ANNOUNCED");
        }
        announcing.join().unwrap();
    });
}

#[test]
fn strategy_and_announcement_are_read_as_one() {
    loom::model(|| {
        let heading = Arc::new(Heading::new(Blue, 0));
        let turning = thread::spawn({
            let heading = heading.clone();
            move || {
                heading.set(Green, 1);
                heading.set(Blue, 2);
            }
        });
        assert!([(Blue, 0), (Green, 1), (Blue, 2)].contains(&heading.get()));
        turning.join().unwrap();
        assert_eq!(heading.get(), (Blue, 2));
    });
}
